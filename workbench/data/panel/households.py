"""Who lives where on each index date: the children of the panel, their households, their moves."""

import pandas as pd

from workbench.data.panel.calendar import days, fiscal_year, grade
from workbench.data.panel.view import Sources, View, at_index, in_year, true, yearly_last, yes_no

HEAD, SPOUSE, CHILD, IN_LAW, GRANDCHILD = "01", "02", "03", "04", "05"
PARENTS_OF_CHILD = (HEAD, SPOUSE)
PARENTS_OF_GRANDCHILD = (CHILD, IN_LAW)
DESCENDANTS = (CHILD, GRANDCHILD)
PARENT_IS_OLDER_BY = pd.Timedelta(days=15 * 365)
ADULT = 18
MOST_CHILDREN = 5
SEX = {"1": "male", "2": "female"}
# 転入 and 転居; being born (出生) is no move.
MOVED = ("1", "3")
YEARS_OF_MOVES = 3

# (number of parents, is another adult there): the kind of household. Without a parent: other.
HOUSEHOLD_TYPES = {
    (2, False): "two_parents",
    (2, True): "three_generation",
    (1, False): "one_adult",
    (1, True): "single_coresident",
}


def everyone(sources: Sources) -> pd.DataFrame:
    """Everyone registered on each index date, once: fy, person, household, relation, birth, grade, …"""
    resident = sources["resident"]
    spells = pd.DataFrame(
        {
            "person": resident["person"],
            "household": _homes(resident),
            "household_no": resident["household_no"],
            "relation": resident["relation"],
            "sex": resident["sex"],
            "foreign": resident["foreign"],
            "block": resident["block_code"],
            "birth": days(resident["birth_date"]),
            "since": days(resident["spell_from"]),
        }
    )
    until = days(resident["spell_to"])
    here = at_index(spells, years=sources.years, since=spells["since"], until=until)
    # Who is registered twice on one day is counted where the later spell says.
    here = here.sort_values(["fy", "person", "since"]).drop_duplicates(["fy", "person"], keep="last")
    return here.assign(grade=grade(here["birth"], here["fy"]))


def _homes(resident: pd.DataFrame) -> pd.Series:
    """The household of each spell as a number. Who has no household number lives with nobody we know."""
    number, _ = pd.factorize(resident["household_no"])
    return pd.Series(number, index=resident.index).where(number >= 0, -1 - resident["person"])


def children(everyone: pd.DataFrame) -> pd.DataFrame:
    """The panel's rows: those of grade 0 to 17 on the index date."""
    young = everyone[everyone["grade"].between(0, ADULT - 1)]
    return young.sort_values(["fy", "person"]).reset_index(drop=True)


def child_id(view: View) -> pd.Series:
    return pd.Series(view.sources.persons[view.children["person"]], index=view.children.index, dtype=object)


def sex(view: View) -> pd.Series:
    return view.children["sex"].map(SEX).astype(object)


def foreign(view: View) -> pd.Series:
    return yes_no(true(view.children["foreign"]), known=view.children["foreign"].notna())


def household_type(view: View) -> pd.Series:
    """two_parents, one_adult, single_coresident, three_generation or other."""
    at_home = [
        frame.assign(home=in_year(frame["household"], frame["fy"]))
        for frame in (view.children, view.everyone)
    ]
    pairs = (
        at_home[0]
        .reset_index(names="row")[["row", "home", "relation", "birth"]]
        .merge(at_home[1][["home", "relation", "birth", "grade"]], on="home", suffixes=("", "_member"))
    )
    parent = _is_parent(pairs)
    other_adult = ~parent & (pairs["grade"] >= ADULT) & ~pairs["relation_member"].isin(DESCENDANTS)
    parents = parent.groupby(pairs["row"]).sum()
    others = other_adult.groupby(pairs["row"]).any()
    kinds = [HOUSEHOLD_TYPES.get(kind, "other") for kind in zip(parents, others, strict=True)]
    return pd.Series(kinds, index=parents.index, dtype=object).reindex(view.children.index)


def _is_parent(pairs: pd.DataFrame) -> pd.Series:
    """Whether the member is a parent of the child, as far as the relations to the head tell."""
    of_head = (pairs["relation"] == CHILD) & pairs["relation_member"].isin(PARENTS_OF_CHILD)
    older = pairs["birth"] - pairs["birth_member"] >= PARENT_IS_OLDER_BY
    of_child = (
        (pairs["relation"] == GRANDCHILD) & pairs["relation_member"].isin(PARENTS_OF_GRANDCHILD) & older
    )
    return of_head | of_child


def number_of_children(view: View) -> pd.Series:
    """Children of grade 0 to 17 in the household; five stands for five and more."""
    home = in_year(view.children["household"], view.children["fy"])
    return home.groupby(home).transform("size").clip(upper=MOST_CHILDREN).astype("Int64")


def block(view: View) -> pd.Series:
    """The town block of the last move on or before the index date; else the register's own."""
    if not view.has("resident_addr_hist"):
        return view.children["block"]
    moves = view.table("resident_addr_hist")
    moved = moves[["person", "block_code"]].assign(on=days(moves["moved_on"])).dropna(subset=["on"])
    moved = moved.sort_values("on", kind="stable")
    last = yearly_last(view.at_index(moved, since=moved["on"]), "block_code")
    return view.of_child(last).fillna(view.children["block"]).astype(object)


def elementary_district(view: View) -> pd.Series:
    """The elementary-school district of the block; missing without the map of the city."""
    if view.places is None:
        return view.missing
    return view["block"].map(view.places.set_index("block")["es_district"]).astype(object)


def moves(view: View) -> pd.Series:
    """Moves into or within the city in the three years before the index date."""
    if not view.has("resident_addr_hist"):
        return view.missing.astype("Int64")
    history = view.table("resident_addr_hist")
    history = history[history["reason"].isin(MOVED)].drop_duplicates(["person", "moved_on", "block_code"])
    moved = days(history["moved_on"])
    # A move counts on the three index dates after it: the last of them is three years on.
    first = fiscal_year(moved) + 1
    counted = [
        in_year(history["person"][moved.notna()], first.dropna() + later) for later in range(YEARS_OF_MOVES)
    ]
    count = pd.concat(counted).value_counts()
    return view.of_child(count.astype("Int64")).fillna(0)
