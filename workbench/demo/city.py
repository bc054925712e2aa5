"""Steps 1 and 2 of the demonstration: the city, its register, intake, linking."""

from functools import partial
from pathlib import Path

import pandas as pd

from workbench.data.intake import import_extract
from workbench.data.linkage_quality import linkage_quality
from workbench.data.linked import link_tables
from workbench.data.panel import TARGETS, child_year
from workbench.data.raw import RawStore
from workbench.data.register import Register
from workbench.data.registers import Registers
from workbench.demo import cast
from workbench.demo.journal import Figures
from workbench.demo.journey import NEXT_YEAR, YEARS, Journey, refused
from workbench.governance.charter import Projects
from workbench.population import generate, write

TRUTH = "truth_link.parquet"
RECORDS = f"child_year_{NEXT_YEAR}.parquet"
OUTCOMES = f"outcomes_{NEXT_YEAR}.parquet"


def people(journey: Journey) -> Figures:
    """The people with their demonstration keys; the charter; the item register."""
    number = cast.assemble(journey.home, journey.state)
    register = Register.load(journey.data / "register.yaml")
    Registers(journey.state).add(register, actor=cast.OFFICER)
    Projects(journey.state).store(journey.project, actor=cast.OFFICER)
    return {"people": number, "tables": len(register.tables), "items": register.size}


def sent(journey: Journey) -> Path:
    return journey.work / "extracts"


def city(journey: Journey) -> Figures:
    """Generate the city and write its extracts as the holders would send them."""
    made = generate(journey.profile, journey.seed)
    write(made, sent(journey))
    made.truth_link.to_parquet(journey.work / TRUTH)
    return {
        "children": int(made.truth_child_year["child_id"].nunique()),
        "tables": len(made.tables),
        "rows": sum(map(len, made.tables.values())),
    }


def intake(journey: Journey) -> Figures:
    """Take every extract in; show that a column which is not in the register is refused by name."""
    files = extracts(sent(journey))
    rows = 0
    for table, path in files.items():
        rows += import_extract(journey.home, journey.state, table=table, path=path, actor=cast.OFFICER).rows
    return {"tables": len(files), "rows": rows, "refused": [unregistered_column(journey, files)]}


def extracts(folder: Path) -> dict[str, Path]:
    """table: its file, for every extract in the folder."""
    found = (path for path in sorted(folder.iterdir()) if path.suffix in {".csv", ".parquet"})
    return {path.stem: path for path in found if not path.stem.startswith("truth")}


def unregistered_column(journey: Journey, files: dict[str, Path]) -> dict[str, object]:
    """An extract with a column that nobody registered."""
    table, path = next((table, path) for table, path in files.items() if path.suffix == ".parquet")
    wider = journey.work / path.name
    pd.read_parquet(path).head(100).assign(shoe_size="23").to_parquet(wider)
    take_in = partial(
        import_extract, journey.home, journey.state, table=table, path=wider, actor=cast.OFFICER
    )
    return refused("unregistered column", take_in)


def linking(journey: Journey) -> Figures:
    """Link the tables; put next year's records aside for scoring, and what came of them for judging it."""
    places = pd.read_csv(journey.data / "places.csv", dtype=str)
    linked = link_tables(journey.home, journey.state, places=places, years=YEARS, actor=cast.OFFICER)
    truth = pd.read_parquet(journey.work / TRUTH)
    report = linkage_quality(linked.tables, linked.links, truth=truth)
    later = child_year(linked.tables, linked.links, years=(NEXT_YEAR,), places=places)
    later.drop(columns=list(TARGETS)).to_parquet(journey.work / RECORDS, index=False)
    later[["child_id", *TARGETS]].to_parquet(journey.work / OUTCOMES, index=False)
    judged = report["truth"]["overall"]
    return {
        "rows": len(RawStore(journey.home).get("child_year", columns=["fy"])),
        "recall": judged["recall"],
        "precision": judged["precision"],
        "next_year": len(later),
    }
