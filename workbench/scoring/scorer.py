"""
A bundle's model with everything it needs to score raw records, read from the bundle's folder.

It trusts what it reads: verify the bundle first (`batch.score_batch` does), or be the room that built it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.errors import Untrusted, Unusable
from workbench.scoring import contract, drift, engine, plain_json, reasons, recode
from workbench.scoring import model as models
from workbench.scoring.model import Model

MODEL = "model/model.json"
CONTRACT = "contract/input.schema.json"
RECODE = "contract/recode.json"
REASONS = {language: f"contract/reasons.{language}.json" for language in reasons.LANGUAGES}
GOLDEN = "contract/golden.jsonl"
EVALUATION = "evaluation/evaluation.json"


@dataclass(frozen=True)
class Scorer:
    """What scores raw records: input contract, recoding, model and words."""

    model: Model
    contract: Mapping[str, Any]
    recode: Mapping[str, Any]
    texts: Mapping[str, reasons.Texts]
    golden: tuple[Mapping[str, Any], ...]
    reference: Mapping[str, Mapping[str, float]]

    @classmethod
    def open(cls, folder: Path) -> "Scorer":
        """Read the files of a candidate or an unpacked bundle that `folder` holds, verified or not."""
        return cls.read(partial(content, folder))

    @classmethod
    def read(cls, content_of: Callable[[str], bytes]) -> "Scorer":
        """Read the files `content_of` gives by path. Raises Unusable where one is missing or malformed."""
        model = models.read(content_of(MODEL))
        scorer = cls(
            model=model,
            contract=contract.read(content_of(CONTRACT)),
            recode=recode.read(content_of(RECODE)),
            texts={
                language: reasons.read(content_of(path), model=model, language=language)
                for language, path in REASONS.items()
            },
            golden=read_golden(content_of(GOLDEN)),
            reference=drift.read_reference(content_of(EVALUATION)),
        )
        scorer.check_complete()
        return scorer

    def check_complete(self) -> None:
        """Raise Unusable unless the contract asks for every item the model reads."""
        asked = {entry["name"] for entry in self.contract["items"]}
        for item in self.model.items:
            if item not in asked:
                raise Unusable(
                    ja=f"入力契約に判定モデルの項目「{item}」がありません。作成元に確かめてください。",
                    en=f"The input contract leaves out the model's item '{item}'; ask where the bundle was made.",
                )

    def recoded(self, table: pa.Table) -> pa.Table:
        """The labels the model reads, from the typed columns of the contract."""
        return recode.apply_all(self.recode, table)

    def prove(self) -> int:
        """
        Score the golden rows and return how many there are.

        Raises Untrusted unless every score is the integer the bundle states: an engine that differs in
        one point would choose other children.
        """
        rows = [line["row"] for line in self.golden]
        columns = {entry["name"]: golden_column(entry, rows) for entry in self.contract["items"]}
        scored = engine.score(self.model, self.recoded(pa.table(columns)))
        found = [None if no else int(score) for score, no in zip(scored.scores, scored.rejected, strict=True)]
        differing = sum(score != line["score"] for score, line in zip(found, self.golden, strict=True))
        if differing or not self.golden:
            raise Untrusted(
                ja=f"検算用の{len(self.golden)}行のうち{differing}行で点数が記載と一致しません。このソフトウェアではこの判定モデルを使えません。",
                en=f"{differing} of {len(self.golden)} golden rows do not score as the bundle states; do not use this model with this engine.",
            )
        return len(self.golden)


def golden_column(entry: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> pa.Array:
    values = [row.get(entry["name"]) for row in rows]
    return contract.typed(
        entry, pa.array([None if value is None else str(value) for value in values], pa.string())
    )


def content(folder: Path, path: str) -> bytes:
    file = folder / path
    if not file.is_file() or file.is_symlink():
        raise Unusable(
            ja=f"判定モデルのファイル {path} がありません。作成元から受け取り直してください。",
            en=f"The model's file {path} is missing; obtain the bundle again from where it was made.",
        )
    with open(file, "rb") as handle:
        # One byte more than may be read, so that the reader sees that a file is too large.
        return handle.read(plain_json.MAX_BYTES + 1)


def read_golden(lines: bytes) -> tuple[Mapping[str, Any], ...]:
    """The golden rows: raw values and the integer score, None for a row that must be rejected."""
    golden = tuple(plain_json.read(line, name="golden.jsonl") for line in lines.splitlines())
    for line in golden:
        plain = isinstance(line, dict) and set(line) == {"row", "score"} and isinstance(line["row"], dict)
        if not plain or type(line["score"]) not in (int, type(None)):
            raise plain_json.refused(
                "golden.jsonl", ja="検算用の行の形ではありません", en="holds no golden rows"
            )
    return golden
