"""
`workbench score`: candidates for a support check, from a signed model and this year's records.

In the scoring stage there is no home: the trusted keys and the list of revoked models come as files. With
a home they are the home's own, and the batch is written to its log before its result appears.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.artifact.canonical import canonical, sha256
from workbench.artifact.revocations import Revocations, verify_revocations
from workbench.artifact.verifying import Trusted
from workbench.cli.shell import home_path, json_option, show
from workbench.errors import NotFound, Unusable, Usage, WorkbenchError

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.home import Home
    from workbench.scoring.contract import Broken

SEEN = "revocations-seen.json"
LOG = "batches.jsonl"
FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class Setting:
    """Where scoring happens: with which bundle, whom it trusts, what is revoked, and who is told."""

    bundle: Path
    trusted: Trusted
    revocations: Revocations
    record: Callable[[dict[str, Any]], None] | None = None
    refused: Callable[[WorkbenchError], None] | None = None


@click.command()
@click.argument("bundle", type=FILE)
@click.argument("records", type=FILE)
@click.option(
    "-o", "--out", type=FILE, required=True, help="出力フォルダ（新規） / a new folder for the result"
)
@click.option("--purpose", required=True, help="利用目的のID / the purpose of use")
@click.option(
    "--trust", type=FILE, default=None, help="信頼する鍵の一覧 / the trusted keys, where there is no home"
)
@click.option("--revocations", type=FILE, default=None, help="失効リスト / the list of revoked models")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), default=None, help="基準日 / the day (today)")
@click.option("--home", type=FILE, default=None, help="ホーム / the home")
@click.option(
    "--by",
    "actor",
    default="workbench",
    envvar="WORKBENCH_PERSON",
    help="操作する人（ホームで） / who does it, in a home",
)
@click.option(
    "--scores",
    "show_scores",
    is_flag=True,
    help="点数も一覧に書く（通常は書かない） / write the scores into the list too (they are left out otherwise)",
)
@click.option(
    "--accept-drift",
    is_flag=True,
    help="分布の変化を承知の上で続ける / go on although the records have moved from the training table",
)
@click.option(
    "--faults",
    type=FILE,
    default=None,
    help="契約に合わない行の一覧（CSV、新規） / a new CSV of the rows that break the contract",
)
@click.option(
    "--replay",
    is_flag=True,
    help="-o の結果をもう一度作り、同じか確かめる / make the result in -o again and compare it",
)
@json_option
def score(  # noqa: PLR0917  one argument for each option
    bundle: Path,
    records: Path,
    out: Path,
    purpose: str,
    trust: Path | None,
    revocations: Path | None,
    as_of: datetime | None,
    home: Path | None,
    actor: str,
    show_scores: bool,
    accept_drift: bool,
    faults: Path | None,
    replay: bool,
    as_json: bool,
) -> None:
    """
    支援確認の候補を一覧にする / List candidates for a support check.

    BUNDLE は承認・署名された判定モデルのフォルダ（ホームでは名前@版も可）、RECORDS は Parquet か CSV。
    BUNDLE is the folder of an admitted model (in a home also name@version), RECORDS Parquet or CSV.
    点数は確率ではなく、候補は決定ではありません / A score is no probability, a candidate no decision.
    """
    from workbench.scoring import batch
    from workbench.scoring.contract import Broken

    day = day_of(as_of)
    if trust and home:
        raise Usage(
            ja="ホームの中では、そのホームの鍵だけを使います。--trust と --home はどちらか一つにしてください。",
            en="A home trusts its own keys only; give either --trust or --home.",
        )
    where = (
        standing_alone(trust, revocations, bundle, actor=actor)
        if trust
        else in_home(home, revocations, bundle, actor=actor)
    )
    if replay:
        summary = batch.replay(where.bundle, records, out, trusted=where.trusted)
        show(summary, as_json=as_json, text="同じ結果です / the same to the byte")
        return
    try:
        summary = batch.score_batch(
            where.bundle,
            records,
            out,
            trusted=where.trusted,
            revocations=where.revocations,
            purpose=purpose,
            as_of=day,
            limits=batch.Limits(drift=None if accept_drift else SHIFTED),
            inspect=refuse_individual_numbers,
            record=where.record,
            show_scores=show_scores,
        )
    except WorkbenchError as error:
        if faults is not None and isinstance(error, Broken):
            write_faults(error, faults)
        if where.refused is not None:
            where.refused(error)
        raise
    show(summary, as_json=as_json, text=described(summary, out))


def write_faults(error: "Broken", path: Path) -> None:
    """Each row that breaks the contract, by its position (the first row is 1), its item and the rule."""
    from workbench.scoring.batch import as_csv

    rows = [(place, one.item, one.rule) for one in error.faults for place in one.positions]
    with path.open("xb") as file:
        file.write(as_csv(("row", "item", "rule"), rows))


def refuse_individual_numbers(table: "pa.Table") -> None:
    """Raise Unusable where a column or a header of a piece of the records holds what must never enter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from workbench.data.individual_number import is_forbidden_name, mentions, scan

    for place, name in enumerate(table.column_names, start=1):
        values = pc.unique(table.column(name))
        found = scan(values, numeric=pa.types.is_integer(values.type) or pa.types.is_floating(values.type))
        if is_forbidden_name(name) or mentions(name) or found.individual.any() or found.resident.any():
            raise Unusable(
                ja=f"左から {place} 番目の列に、個人番号または住民票コードの形の値か列名があります。その列を除いた表で実行してください。",
                en=f"Column {place} from the left has a value or a name of the form of an Individual Number or a "
                "resident record code; take the column out and score again.",
            )


def day_of(as_of: datetime | None) -> date:
    """The day the batch is for; a past one would say of old records that they are today's."""
    today = date.today()
    if as_of is not None and as_of.date() < today:
        raise Usage(
            ja="--as-of に過ぎた日は指定できません。今日以後の日を指定してください。",
            en="The day of --as-of has passed; name today or a later day.",
        )
    return as_of.date() if as_of else today


def standing_alone(trust: Path, revocations: Path | None, bundle: Path, *, actor: str) -> Setting:
    """The scoring stage: pinned keys, a list never older than the last seen beside them, and the log there."""
    if revocations is None:
        raise Usage(
            ja="失効リスト（--revocations）を指定してください。失効した判定モデルを使わないために必要です。",
            en="Name the list of revoked models (--revocations); without it a revoked model could be used.",
        )
    trusted = Trusted.load(trust)
    seen = trust.with_name(f"{trust.name}.{SEEN}")
    listed = read_revocations(revocations, trusted=trusted, seen=seen)
    log = trust.with_name(f"{trust.name}.{LOG}")
    return Setting(bundle, trusted, listed, record=log_scored(log, actor), refused=log_refused(log, actor))


def log_scored(log: Path, actor: str) -> Callable[[dict[str, Any]], None]:
    """Writes a scored batch to the stage's own log, before its result appears."""
    from workbench.scoring import batch_log

    def record(summary: dict[str, Any]) -> None:
        details = {**summary, "output": sha256(canonical(summary))}
        digest = batch_log.append(log, event="scored", by=actor, now=datetime.now(UTC), details=details)
        click.echo(f"{log.name}: {digest}", err=True)

    return record


def log_refused(log: Path, actor: str) -> Callable[[WorkbenchError], None]:
    """Writes a refused batch there, too; what is wrong with the log itself is said by the refusal."""
    from workbench.scoring import batch_log

    def refused(error: WorkbenchError) -> None:
        with suppress(WorkbenchError, OSError):
            details = {"rule": type(error).__name__, "sentence": error.en}
            batch_log.append(log, event="refused", by=actor, now=datetime.now(UTC), details=details)

    return refused


def read_revocations(path: Path, *, trusted: Trusted, seen: Path) -> Revocations:
    if not path.is_file():
        raise NotFound(
            ja="失効リストのファイルがありません。総括管理主体から受け取ったものを指定してください。",
            en="The list of revoked models is not there; name the one received from the coordinating body.",
        )
    return verify_revocations(path.read_bytes(), trusted=trusted, now=datetime.now(UTC), seen=seen)


def in_home(path: Path | None, revocations: Path | None, bundle: Path, *, actor: str) -> Setting:
    """The coordinating body's own room: its keys, its list, its log."""
    from workbench.artifact.keys import KeyRing
    from workbench.governance.people import People
    from workbench.home import Home
    from workbench.release.revocations import known
    from workbench.state import State

    home = Home.open(path or home_path())
    state = State.open(home)
    People(state).expect_may(actor, "score")
    # Its own keys and no others: a file of keys could bring a demonstration's bundles in.
    trusted = Trusted.of(KeyRing.of(home))
    listed = (
        read_revocations(revocations, trusted=trusted, seen=home.path / SEEN)
        if revocations
        else known(home, state, now=datetime.now(UTC))
    )
    folder = bundle if bundle.exists() else in_registry(home, state, str(bundle))
    refused = refusals(state, folder, actor)
    try:
        expect_in_use(home, state, folder)
    except WorkbenchError as error:
        refused(error)
        raise
    return Setting(folder, trusted, listed, record=recorder(state, actor), refused=refused)


def in_registry(home: "Home", state: Any, wanted: str) -> Path:
    """The folder of the model `name@version`, or of the version of `name` in use; it is verified when it is used."""
    from workbench.artifact.store import Store
    from workbench.release.admission import shelf
    from workbench.release.registry import registry

    models = registry(home, state)
    entry = models.find(wanted) if "@" in wanted else models.active(wanted)
    return Store(shelf(home, "model")).path(entry.manifest)


def expect_in_use(home: "Home", state: Any, folder: Path) -> None:
    """Raise Refused for a version of this registry that is not in use, wherever its copy lies."""
    from workbench.release.registry import registry, why_not_score

    manifest = folder / "manifest.json"
    if manifest.is_file():
        refusal = why_not_score(registry(home, state), sha256(manifest.read_bytes()))
        if refusal is not None:
            raise refusal


def recorder(state: Any, actor: str) -> Callable[[dict[str, Any]], None]:
    """Writes a scored batch to the log."""
    from workbench.audit import Event

    def record(summary: dict[str, Any]) -> None:
        state.record(
            Event.BATCH_SCORED,
            actor=actor,
            model=summary["bundle"],
            purpose=summary["purpose"],
            input=summary["records"],
            output=sha256(canonical(summary)),
            rows=summary["rows"],
            flagged=summary["candidates"],
        )

    return record


def refusals(state: Any, bundle: Path, actor: str) -> Callable[[WorkbenchError], None]:
    """Writes a refused batch to the log, by the digest of what lay there."""
    from workbench.audit import Event

    def refused(error: WorkbenchError) -> None:
        manifest = bundle / "manifest.json"
        digest = sha256(manifest.read_bytes()) if manifest.is_file() else "none"
        state.record(
            Event.BATCH_REFUSED,
            actor=actor,
            model=digest,
            rule=type(error).__name__,
            sentence=error.en,
        )

    return refused


# Siddiqi, "Credit Risk Scorecards" (2006): below .1 no change to speak of, above .25 a shift to look into.
SHIFTED = 0.25


def described(summary: dict[str, Any], out: Path) -> str:
    """The batch for a person: what was done, what was left out, what to look at."""
    shifted = [item for item, index in summary["stability_index"].items() if index > SHIFTED]
    lines = [
        f"判定モデル model        {summary['name']} {summary['version']}",
        f"入力の行数 rows         {summary['rows']:,}",
        f"対象外 not eligible     {summary['not_eligible']:,}",
        f"点数なし not scored     {summary['rejected']:,}",
        f"支援確認の候補 candidates {summary['candidates']:,} / {summary['scored']:,} (枠 places {summary['capacity']:,})",
        f"出力 output             {out}",
        "候補は決定ではありません。必ず人が確かめてください。 / A candidate is no decision; a person always assesses.",
    ]
    if shifted:
        lines.append(
            f"⚠ 学習時から分布が変わった項目 / items that have shifted since training: {', '.join(shifted)}"
        )
    return "\n".join(lines)
