"""The steps of the demonstration, in order: one table, in sight."""

from functools import partial

from workbench.demo import analysis, city, models, releases, scoring
from workbench.demo.journal import Step

PREPARED = [
    Step(
        f"release:{wanted.protection}",
        {
            "anonymised": "匿名化した提供データ",
            "synthetic": "合成データ",
            "dp_tables": "差分プライバシーの集計表",
            "pseudonymised": "仮名加工だけのデータ（断られる）",
        }[wanted.protection],
        {
            "anonymised": "An anonymised release",
            "synthetic": "A synthetic release",
            "dp_tables": "Differentially private tables",
            "pseudonymised": "Pseudonymised only: refused",
        }[wanted.protection],
        partial(releases.release, wanted=wanted),
    )
    for wanted in releases.RELEASES
]

STEPS = (
    Step("people", "実演の人と鍵、事業計画、項目台帳", "People, keys, charter, register", city.people),
    Step("city", "架空の市を作る", "Generate the city", city.city),
    Step("intake", "元データの取込", "Import the extracts", city.intake),
    Step("linking", "名寄せ", "Link the tables", city.linking),
    *PREPARED,
    Step("review", "2人の審査と受入", "Two reviewers vote; admission", releases.review),
    Step("notebooks", "囲われたカーネルでノートブック", "Notebooks in the sandbox", analysis.notebooks),
    Step("model", "モデル候補の検査・審査・登録", "The model: checks, votes, registry", models.model),
    Step("scoring", "翌年度の候補一覧", "Score next year", scoring.scoring),
    Step("log", "監査ログの検証", "Verify the log", scoring.log),
)
