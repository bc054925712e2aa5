"""`workbench data compare`: the three protections on one table and one target, on one page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.plain_table import Names
from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import Usage, language
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.release.findings import Text

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


class Numbers(click.ParamType):
    """Numbers separated by commas; none for an empty text."""

    name = "n,n,…"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(self.kind(part) for part in value.split(",") if part.strip())
        except ValueError:
            raise Usage(
                ja=f"{param.opts[0]} は数をコンマで区切ってください。",
                en=f"{param.opts[0]} takes numbers separated by commas.",
            ) from None


@click.command()
@click.argument("purpose")
@click.option("--target", required=True, help="正解とする項目 / the item to be foretold")
@click.option(
    "--items", type=Names(), default=None, help="学習に使う項目（コンマ区切り） / items to learn from"
)
@click.option(
    "--groups", type=Names(), default=None, help="差を見る集団の項目 / items whose groups are compared"
)
@click.option("--hierarchies", type=FOLDER, default=None, help="一般化階層のフォルダ / folder of hierarchies")
@click.option("--k", "ks", type=Numbers(int), default="5,10,20", show_default=True, help="匿名加工の k / k")
@click.option(
    "--epsilon",
    "epsilons",
    type=Numbers(float),
    default="0.5,1,3,10",
    show_default=True,
    help="差分プライバシーの ε / epsilon",
)
@click.option(
    "--synthesisers",
    "methods",
    type=Names(),
    default="gaussian-copula",
    show_default=True,
    help="保証のない合成方法 / synthesisers without a guarantee",
)
@click.option("--seeds", type=int, default=3, show_default=True, help="繰り返す回数（3 以上） / draws")
@click.option(
    "--into", type=click.Path(path_type=Path), required=True, help="書き出すフォルダ（新規） / a new folder"
)
@click.option("--by", "person", required=True, envvar="WORKBENCH_PERSON", help="操作する人 / who does it")
@json_option
@pass_home
def compare(
    *,
    home: Home,
    purpose: str,
    hierarchies: Path | None,
    into: Path,
    person: str,
    as_json: bool,
    **wanted: Any,
) -> None:
    """
    三つの保護方法を比べる一枚 / Compare the three protections on one page: cost in use against protection.

    実データで計算するため総括管理主体の室内だけで見るもので、評価の回数に数えます。
    """
    from workbench.artifact.canonical import canonical
    from workbench.governance.settings import policy_in_force
    from workbench.privacy.anonymity import hierarchies as ladders
    from workbench.release import comparing, comparison_page
    from workbench.release.examination import room_for
    from workbench.release.workflow import now
    from workbench.state import State

    expect_new(into)
    state = State.open(home)
    room = room_for(purpose, home=home, state=state, policy=policy_in_force(state))
    found = ladders.load(hierarchies, table=room.project.source) if hierarchies else {}
    compared = comparing.compare(
        room, comparing.Wanted(**wanted, hierarchies=found), person=person, now=now(), tell=tell
    )
    files = {"comparison.json": canonical(compared)}
    files |= {
        name: text.encode()
        for name, text in comparison_page.files(json.loads(files["comparison.json"])).items()
    }
    write_whole(into, files)
    said = comparison_page.sentence(compared)
    show(
        compared,
        as_json=as_json,
        text=f"{said.ja if language() == 'ja' else said.en}\n{into / 'comparison.html'}",
    )


def expect_new(folder: Path) -> None:
    if folder.exists():
        raise Usage(
            ja=f"{folder} は既にあります。新しいフォルダの名前を --into で指定してください。",
            en=f"{folder} is there already; name a new folder with --into.",
        )
    if not folder.absolute().parent.is_dir():
        raise Usage(
            ja=f"{folder} を置くフォルダがありません。先に作成してください。",
            en=f"There is no folder to put {folder} in; make it first.",
        )


def write_whole(folder: Path, files: dict[str, bytes]) -> None:
    """All of the files, for their owner only, or no folder at all."""
    import secrets
    import shutil

    from workbench.home import publish_folder, write_atomically

    aside = folder.absolute().with_name(f".{folder.name}.{secrets.token_hex(4)}.aside")
    try:
        aside.mkdir(mode=0o700)
        for name, content in files.items():
            write_atomically(aside / name, content)
        publish_folder(aside, folder.absolute())
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def tell(number: int, of: int, what: "Text") -> None:
    """Which trial begins, one line each: a comparison takes minutes."""
    said = what.ja if language() == "ja" else what.en
    click.echo(f"{number}/{of} {said}", err=True)
