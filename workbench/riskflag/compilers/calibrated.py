"""CalibratedClassifierCV around one fitted estimator: the same ranking, and a step table of what it says."""

from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import Refused
from workbench.riskflag.compilers.compiled import Compiled, Floats, calibration, log_odds
from workbench.scoring.engine import Integers


def recalibrated(found: Compiled, calibrator: Any) -> Compiled:
    """`found` with the table of a calibrator that was fitted on what `found` calls a score."""
    low, high = found.bounds()

    def said(scores: Integers) -> Floats:
        return log_odds(calibrator.predict(found.seen(scores)))

    ends = said(np.array([low, high], dtype=np.int64))
    if ends[1] < ends[0]:
        raise Refused(
            ja="校正の結果、点数が高いほど該当が少なくなりました。学習器が予測の対象をとらえていません。項目を見直してください。",
            en="Calibration turned the ranking around: the estimator does not find the target. Look at the items again.",
        )
    return replace(found, calibration=calibration(said, low=low, high=high))


def several_estimators() -> Refused:
    return Refused(
        ja="CalibratedClassifierCV の既定では複数の学習器の平均になり、判定モデルに入りません。CalibratedClassifierCV(…, ensemble=False) を使ってください。",
        en="By default CalibratedClassifierCV averages several estimators, which the model cannot hold; use CalibratedClassifierCV(..., ensemble=False).",
    )
