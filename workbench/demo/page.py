"""
The one page at the end: each step, its time, its figures, and what to open next.

Figures become sentences here, in both languages; nothing is measured. A figure that would be noise reads
"too few".
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.demo.journal import Figures, Step
from workbench.demo.journey import Journey
from workbench.errors import language
from workbench.home import write_atomically

FILE = "demo.html"
REPORT = "report/report.html"
TOO_FEW = {"ja": "少なすぎて示せません", "en": "too few to show"}

Lines = list[dict[str, str]]


def text(ja: str, en: str) -> dict[str, str]:
    return {"ja": ja, "en": en}


def percent(value: float | None) -> dict[str, str]:
    return TOO_FEW if value is None else text(f"{value:.1%}", f"{value:.1%}")


def people(f: Figures) -> Lines:
    return [
        text(
            f"実演の人 {f['people']} 人、台帳の項目 {f['items']}（{f['tables']} 表）",
            f"{f['people']} demonstration persons; {f['items']} items in {f['tables']} tables registered",
        )
    ]


def city(f: Figures) -> Lines:
    return [
        text(
            f"こども {f['children']:,} 人（のべ）、{f['tables']} 表、{f['rows']:,} 行",
            f"{f['children']:,} children over the years, {f['tables']} tables, {f['rows']:,} rows",
        )
    ]


def intake(f: Figures) -> Lines:
    return [
        text(
            f"{f['tables']} 表 {f['rows']:,} 行を取込", f"{f['tables']} tables, {f['rows']:,} rows taken in"
        ),
        *refusals(f),
    ]


def linking(f: Figures) -> Lines:
    return [
        text(
            f"再現率 {f['recall']:.2%}、適合率 {f['precision']:.2%}（真値との比較）",
            f"recall {f['recall']:.2%}, precision {f['precision']:.2%} against the truth",
        ),
        text(
            f"連携表 {f['rows']:,} 行、翌年度の {f['next_year']:,} 人は判定のために取り置き",
            f"{f['rows']:,} rows linked; {f['next_year']:,} children of the next year held back for scoring",
        ),
    ]


HEADLINES: Mapping[str, Callable[[Any], dict[str, str]]] = {
    "k_children": lambda v: text(f"k（人数）={v}", f"k (children) = {v}"),
    "k_households": lambda v: text(f"k（世帯）={v}", f"k (households) = {v}"),
    "suppression_subgroup": lambda v: text(f"最も削除された集団 {v:.1%}", f"worst-hit group lost {v:.1%}"),
    "copies": lambda v: text(f"一致する行の超過 {v:.1%}", f"copies beyond chance {v:.1%}"),
    "attacks": lambda v: text(f"攻撃の超過 {v:.1%}", f"attack beyond control {v:.1%}"),
    "fidelity": lambda v: text(f"忠実度 {v:.2f}", f"fidelity {v:.2f}"),
    "epsilon": lambda v: text(f"ε={v:g}（世帯単位）", f"ε = {v:g} by household"),
}


def release(f: Figures) -> Lines:
    shown = [HEADLINES[name](value) for name, value in f["headline"].items() if name in HEADLINES]
    lines = [joined(shown)] if shown else []
    lines.append(f["sentence"])
    if "suppression" in f:
        lines.append(suppression(f["suppression"]))
    lines += [finding["sentence"] for finding in f.get("failed", [])[:2]]
    lines += [
        text(f"→ {finding['remedy']['ja']}", f"→ {finding['remedy']['en']}")
        for finding in f.get("failed", [])[:1]
    ]
    return lines


def suppression(found: Mapping[str, Any]) -> dict[str, str]:
    groups = {
        lang: "、".join(f"{group['label'][lang]} {percent(group['rate'])[lang]}" for group in found["groups"])
        for lang in ("ja", "en")
    }
    return text(
        f"削除：全体 {found['overall']:.1%}（{groups['ja']}）",
        f"suppressed: {found['overall']:.1%} overall ({groups['en'].replace('、', ', ')})",
    )


def review(f: Figures) -> Lines:
    names = ", ".join(f"{one['name']} {one['version']}" for one in f["admitted"])
    return [text(f"受入：{names}", f"admitted: {names}"), *refusals(f)]


def notebooks(f: Figures) -> Lines:
    cells = sum(one["cells"] for one in f["notebooks"])
    return [
        text(
            f"ノートブック {len(f['notebooks'])} 冊、{cells} セルを、ネットワークのない囲いの中で実行",
            f"{len(f['notebooks'])} notebooks, {cells} cells, run in the sandbox without network",
        ),
        text(f"見えたデータ：{', '.join(f['datasets'])}", f"datasets in sight: {', '.join(f['datasets'])}"),
    ]


def model(f: Figures) -> Lines:
    evaluation = f["evaluation"]
    auc = (evaluation.get("auc") or {}).get("value")
    chosen = evaluation.get("chosen") or {}
    precision, recall = (chosen.get(name) for name in ("precision", "recall"))
    value = TOO_FEW if auc is None else text(f"{auc:.3f}", f"{auc:.3f}")
    return [
        text(
            f"{f['name']} {f['version']}：AUC {value['ja']}、枠の中の適合率 {percent(rate(precision))['ja']}、"
            f"見つける割合 {percent(rate(recall))['ja']}",
            f"{f['name']} {f['version']}: AUC {value['en']}, precision at capacity {percent(rate(precision))['en']}, "
            f"recall {percent(rate(recall))['en']}",
        ),
        *refusals(f),
    ]


def rate(value: Any) -> float | None:
    """A rate, whether it stands alone or with its interval."""
    found = value.get("value") if isinstance(value, Mapping) else value
    return None if found is None else float(found)


def scoring(f: Figures) -> Lines:
    came = f["outcome"]
    return [
        text(
            f"{f['rows']:,} 人のうち対象 {f['scored']:,} 人、支援確認の候補 {f['candidates']:,} 人（人の確認が必要）",
            f"{f['scored']:,} of {f['rows']:,} children considered; {f['candidates']:,} candidates, each for a person to assess",
        ),
        text(
            f"翌年度の実際と比べると：適合率 {percent(came['precision'])['ja']}、見つけた割合 {percent(came['recall'])['ja']}",
            f"against what came: precision {percent(came['precision'])['en']}, recall {percent(came['recall'])['en']}",
        ),
        *refusals(f),
    ]


def log(f: Figures) -> Lines:
    return [text(f"記録 {f['records']:,} 件の連鎖を検証", f"the chain of {f['records']:,} records holds")]


def refusals(f: Figures) -> Lines:
    return [
        text(f"断る（{one['exit_code']}）：{one['ja']}", f"refused ({one['exit_code']}): {one['en']}")
        for one in f.get("refused", [])
    ]


def joined(parts: Lines) -> dict[str, str]:
    return text("、".join(p["ja"] for p in parts), ", ".join(p["en"] for p in parts))


SAYING: Mapping[str, Callable[[Figures], Lines]] = {
    "people": people,
    "city": city,
    "intake": intake,
    "linking": linking,
    "release": release,
    "review": review,
    "notebooks": notebooks,
    "model": model,
    "scoring": scoring,
    "log": log,
}


def lines(step: Step, figures: Figures) -> Lines:
    """What a step's figures say."""
    return SAYING[step.id.split(":")[0]](figures)


def told(step: Step, record: Figures, *, stood: bool) -> str:
    """One step for the terminal."""
    lang = language()
    title = step.ja if lang == "ja" else step.en
    seconds = {"ja": "済み", "en": "done before"}[lang] if stood else f"{record['seconds']:.1f} s"
    said = [f"    {line[lang]}" for line in lines(step, record["figures"])]
    return "\n".join([f"✔ {title}  [{seconds}]", *said])


def write(
    journey: Journey, *, steps: tuple[Step, ...], done: Mapping[str, Figures], title: dict[str, str]
) -> Path:
    """The page in both languages, self-contained; the reports it leads to are beside it in the home."""
    from jinja2 import Environment, PackageLoader, select_autoescape

    environment = Environment(
        loader=PackageLoader("workbench.demo"),
        autoescape=select_autoescape(default=True, default_for_string=True),
    )
    rows = [
        {
            "ja": step.ja,
            "en": step.en,
            "seconds": done[step.id]["seconds"],
            "lines": lines(step, done[step.id]["figures"]),
            "page": report_of(journey, done[step.id]["figures"].get("request")),
        }
        for step in steps
    ]
    html = environment.get_template("demo.html.j2").render(rows=rows, title=title)
    path = journey.home.path / FILE
    write_atomically(path, html.encode(), mode=0o644)
    return path


def report_of(journey: Journey, request: str | None) -> str | None:
    """The address of a request's report, from this page."""
    if request is None:
        return None
    return str((journey.bundle(request) / REPORT).relative_to(journey.home.path))
