"""`workbench data audit-dp`: does every shipped mechanism give away no more than it says? Tried, not believed."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from workbench.cli.shell import json_option, show
from workbench.errors import language

if TYPE_CHECKING:
    from workbench.privacy.dp.audit.battery import Finding


@click.command(name="audit-dp")
@click.option(
    "--outputs",
    type=click.IntRange(min=1_000),
    default=100_000,
    show_default=True,
    help="雑音の種類ごとの出力の数（長い監査は 2000000） / outputs of each draw (2000000 for the long form)",
)
@json_option
def audit_dp(*, outputs: int, as_json: bool) -> None:
    """差分プライバシーの約束を攻撃して確かめる / Attack every shipped mechanism, and compare with its claim."""
    from workbench.privacy.dp.audit.battery import audit, expect_sound

    findings = []
    for finding in audit(outputs=outputs):
        findings.append(finding)
        # It takes minutes: say what is done, where nobody's JSON is in the way.
        click.echo(f"{len(findings)}: {finding.subject}", err=True)
    show(
        {
            "outputs": outputs,
            "holds": all(f.holds for f in findings),
            "findings": [f.to_json() for f in findings],
        },
        as_json=as_json,
        text="\n".join(table(findings, outputs=outputs)),
    )
    expect_sound(findings)


def table(findings: "Sequence[Finding]", *, outputs: int) -> Iterator[str]:
    """The findings for people, a line each."""
    words = WORDS[language()]
    lines = [
        (
            finding.subject,
            f"{SIGNS[finding.measure]} {finding.claimed:g}"
            + (f", δ {finding.delta:.2g}" if finding.delta else ""),
            f"{finding.found:.3f}",
            f"{finding.neighbours:,}" if finding.neighbours else "–",
            "–" if finding.reached is None else f"{finding.reached:.0%}",
            words["holds"] if finding.holds else f"{words['broken']} {', '.join(finding.faults)}".strip(),
        )
        for finding in findings
    ]
    headings = words["headings"].split("|")
    widths = [max(map(width, column)) for column in zip(headings, *lines, strict=True)]
    for line in (headings, *lines):
        yield "  ".join(
            cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)
        ).rstrip()
    yield words["note"].format(outputs=outputs)


def width(text: str) -> int:
    """Columns of a terminal: a Japanese letter takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


SIGNS = {"epsilon": "ε", "rho": "ρ"}
WORDS = {
    "ja": {
        "headings": "対象|約束|出力が示す下限|比べた隣接表|感度の使用|判定",
        "holds": "合格",
        "broken": "不合格",
        "note": "下限は 99.9 % の確信度で、雑音の種類ごとに {outputs:,} 個の出力から求めました（選択と質問はその十分の一）。"
        "下限が約束を超えれば破れた証拠ですが、超えないことは証明ではありません。隣接表の比較は、雑音を固定して一世帯の有無で"
        "答え・誤り・課金に違いがないかを調べます。",
    },
    "en": {
        "headings": "what|claim|outputs show at least|neighbours|sensitivity used|verdict",
        "holds": "holds",
        "broken": "BROKEN",
        "note": "At least: with 99.9 % confidence, from {outputs:,} outputs of each draw (a tenth for choices and questions). "
        "Above the claim is a proof that it is broken; below it proves nothing. Neighbours are compared with the noise held "
        "fixed: with one household more or fewer, answer, errors and charge must be the same.",
    },
}
