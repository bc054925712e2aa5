"""
What is said at the beginning of a session, and has to be acknowledged before a kernel starts in it.

The page shows it in a dialog, `workbench lab run` prints it; the sentences are here and nowhere else.
"""

from typing import TYPE_CHECKING

from workbench.errors import Refused

if TYPE_CHECKING:
    from workbench.lab.session import Session

POINTS: dict[str, tuple[str, ...]] = {
    "ja": (
        "ここにあるのは、こどもと家庭についての機微なデータです。",
        "個人を特定しようとしてはいけません。ほかの情報と突き合わせることも含みます。",
        "画面の書き写し・撮影・貼り付けで持ち出してはいけません。持ち出しは申請と審査を通します。",
        "実行したコード、補完や説明を求めたコード、出力の量は、すべて記録されます。",
    ),
    "en": (
        "What is here is sensitive data about children and their families.",
        "Do not try to identify anyone, by joining with other information or otherwise.",
        "Do not take data out by copying, photographing or pasting; what leaves goes through a request and its review.",
        "The code you run or ask to complete or explain, and the amount of output, are recorded.",
    ),
}
TITLE = {
    "ja": "分析を始める前に（利用目的：{project}、データ：{data}）",
    "en": "Before you begin (purpose: {project}; data: {data})",
}
NO_DATA = {"ja": "なし", "en": "none"}


def described(session: "Session", *, tongue: str) -> str:
    """The notice of this session as lines of text."""
    data = ", ".join(sorted(session.datasets)) or NO_DATA[tongue]
    title = TITLE[tongue].format(project=session.project, data=data)
    return "\n".join([title, *(f"- {point}" for point in POINTS[tongue])])


def not_read() -> Refused:
    return Refused(
        ja="この部屋の「分析を始める前に」をまだ確認していないため、カーネルを起動できません。画面の確認を押してから、もう一度起動してください。",
        en="No kernel starts before this session's notice ('Before you begin') was acknowledged; acknowledge it on the page and start the kernel again.",
    )
