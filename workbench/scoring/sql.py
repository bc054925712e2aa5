"""
A model as one SQL query, for whoever wants to compute the same whole numbers without this software.

Ordinary SQL without functions of our own; DuckDB and SQLite run it and the tests compare each score with
the engine's. It reads a table of recoded rows whose columns have the types of the input contract (numbers
as numbers, everything else as text). Thresholds are written as whole numbers times powers of two: a decimal
literal is rounded by some databases and a DECIMAL in others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from workbench.scoring.forms import Calibration, Condition, Pair, Tree
from workbench.scoring.forms_json import MISSING_PLACE, UNSEEN_PLACE
from workbench.scoring.model import Feature, Model
from workbench.scoring.recode import MISSING, UNSEEN, missing_label

# Numbers that both databases read back exactly.
LARGEST_WHOLE = 1 << 53
LARGEST_POWER = 62


def query(model: Model, *, table: str = "records", recode: Mapping[str, Any] | None = None) -> str:
    """
    The query: every column of `table`, and `score`, NULL where a row must be rejected.

    With a calibration `milli_logits` stands beside it. With `recode` the table holds raw values, typed as
    the input contract types them, and the release's recoding comes first; without it, recoded ones.
    """
    names = [quoted(feature.name) for feature in model.features]
    items = (recode or {"items": {}})["items"]
    labels = [label(name, items.get(f.name)) for name, f in zip(names, model.features, strict=True)]
    places = [f"{place(feature, f'v{i}')} AS p{i}" for i, feature in enumerate(model.features)]
    rejecting = [f"p{i}" for i, f in enumerate(model.features) if f.levels is not None and f.unseen is None]
    total = plus([whole(model.base), *terms(model)])
    if rejecting:
        rejected = " OR ".join(f"{one} = {UNSEEN_PLACE}" for one in rejecting)
        total = f"CASE WHEN {rejected} THEN NULL ELSE {total} END"
    steps = [
        f"recoded AS (SELECT *, {', '.join(f'{one} AS v{i}' for i, one in enumerate(labels))} FROM {quoted(table)})",
        f"placed AS (SELECT *, {', '.join(places)} FROM recoded)",
        f"scored AS (SELECT *, {total} AS score FROM placed)",
    ]
    said = f", {calibrated(model.calibration)} AS milli_logits" if model.calibration else ""
    return "WITH " + ",\n".join(steps) + f"\nSELECT *{said} FROM scored"


def label(column: str, item: Mapping[str, Any] | None) -> str:
    """The value the model reads, from a column: as it is, or recoded."""
    return column if item is None else LABELS[item["kind"]](column, item)


def from_table(column: str, item: Mapping[str, Any]) -> str:
    known = [(f"{column} = {text(raw)}", text(given)) for raw, given in item["map"].items()]
    return case([(empty(column), text(missing_label(item))), *known], otherwise=text(UNSEEN))


def from_interval(column: str, item: Mapping[str, Any]) -> str:
    number = as_double(column)
    cuts = list(zip(item["edges"], item["labels"][:-1], strict=True))
    known = [(f"{number} < {exact(edge)}", text(given)) for edge, given in cuts]
    finite = [
        (f"{column} IS NULL OR {no_number(number)}", text(missing_label(item))),
        (infinite(number), text(UNSEEN)),
    ]
    return case([*finite, *known], otherwise=text(item["labels"][-1]))


LABELS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "table": from_table,
    "interval": from_interval,
    "keep": lambda column, _: column,
}


def place(feature: Feature, column: str) -> str:
    """The place of a value among a feature's points."""
    if feature.edges is not None:
        number = as_double(column)
        unknown = f"{column} IS NULL OR {no_number(number)} OR {infinite(number)}"
        found = search(feature.edges, number, written=exact)
        return f"CASE WHEN {unknown} THEN {MISSING_PLACE} ELSE {found} END"
    known = [(f"{column} = {text(level)}", str(index)) for index, level in enumerate(feature.levels or ())]
    missing = [(empty(column), str(MISSING_PLACE))]
    if MISSING not in (feature.levels or ()):
        missing.append((f"{column} = {text(MISSING)}", str(MISSING_PLACE)))
    return case([*missing, *known], otherwise=str(UNSEEN_PLACE))


def search(
    edges: Sequence[Any],
    number: str,
    *,
    written: Callable[[Any], str],
    said: Callable[[int], str] = str,
    first: int = 0,
) -> str:
    """What is `said` of how many edges a number has reached; halving, for no database takes a thousand cases."""
    if not edges:
        return said(first)
    middle = len(edges) // 2
    below = search(edges[:middle], number, written=written, said=said, first=first)
    above = search(edges[middle + 1 :], number, written=written, said=said, first=first + middle + 1)
    return f"CASE WHEN {number} < {written(edges[middle])} THEN {below} ELSE {above} END"


def terms(model: Model) -> Iterable[str]:
    """One expression for each form; all of them are added."""
    for index, feature in enumerate(model.features):
        own = {UNSEEN_PLACE: feature.unseen or 0, MISSING_PLACE: feature.missing} | dict(
            enumerate(feature.points)
        )
        yield looked_up(f"p{index}", own)
    yield from (pair_points(pair) for pair in model.pairs)
    yield from map(tree_points, model.trees)
    rules = [(both(rule.conditions), whole(rule.points)) for rule in model.rules]
    if model.first_rule_only:
        yield case(rules, otherwise="0")
    else:
        yield from (case([rule], otherwise="0") for rule in rules)


def looked_up(column: str, own: Mapping[int, int]) -> str:
    """The points of a place; places with equal points share a line."""
    shared: dict[int, list[int]] = {}
    for index, points in own.items():
        if points:
            shared.setdefault(points, []).append(index)
    return case([(among(column, places), whole(points)) for points, places in shared.items()], otherwise="0")


def pair_points(pair: Pair) -> str:
    def names(count: int) -> list[int]:
        return [*range(count - 2), UNSEEN_PLACE, MISSING_PLACE]

    rows = [
        (
            f"p{pair.first} = {first}",
            looked_up(f"p{pair.second}", dict(zip(names(len(row)), row, strict=True))),
        )
        for first, row in zip(names(len(pair.points)), pair.points, strict=True)
        if any(row)
    ]
    return case(rows, otherwise="0")


def tree_points(tree: Tree) -> str:
    """
    The leaves from left to right, each with the questions that were answered to the left on its way.

    The first that holds is the row's leaf: at the node where an earlier one parts from it, the row goes right.
    Nested conditions would be shorter and are too deep for SQLite's parser from about twenty levels on.
    """
    *leaves, last = ((leaf, above) for leaf, above in tree.walk() if tree.items[leaf] < 0)
    whens = [(to_the_left(tree, (*above, leaf)), whole(tree.points[leaf])) for leaf, above in leaves]
    return case(whens, otherwise=whole(tree.points[last[0]]))


def to_the_left(tree: Tree, path: Sequence[int]) -> str:
    asked = [node for node, then in pairwise(path) if tree.left[node] == then]
    return " AND ".join(question(tree, node) for node in asked)


def question(tree: Tree, node: int) -> str:
    column, asked = f"p{tree.items[node]}", tree.left_of[node]
    if not isinstance(asked, int):
        return among(column, asked)
    if tree.missing_left[node]:
        return f"({column} < {asked} AND {column} <> {UNSEEN_PLACE})"
    return f"{column} BETWEEN 0 AND {asked - 1}"


def both(conditions: Sequence[Condition]) -> str:
    return " AND ".join(among(f"p{each.item}", each.places) for each in conditions)


def calibrated(calibration: Calibration) -> str:
    """The value of the step that a score has reached."""
    return search(
        calibration.scores, "score", written=whole, said=lambda step: whole(calibration.values[step])
    )


def among(column: str, places: Sequence[int]) -> str:
    if len(places) == 1:
        return f"{column} = {places[0]}"
    return f"{column} IN ({', '.join(map(str, places))})"


def case(whens: Iterable[tuple[str, str]], *, otherwise: str) -> str:
    found = " ".join(f"WHEN {when} THEN {then}" for when, then in whens)
    return f"CASE {found} ELSE {otherwise} END" if found else otherwise


def plus(expressions: Sequence[str]) -> str:
    """A sum as a balanced tree: a database bounds how deep an expression may be."""
    if len(expressions) == 1:
        return expressions[0]
    middle = len(expressions) // 2
    return f"({plus(expressions[:middle])} + {plus(expressions[middle:])})"


def whole(number: int) -> str:
    """Sixty-four bits even where a database would take a small number for a short one."""
    return f"CAST({number} AS BIGINT)"


def as_double(column: str) -> str:
    return f"CAST({column} AS DOUBLE)"


def no_number(number: str) -> str:
    """SQLite keeps no NaN; to DuckDB it is a number above infinity and equal to itself."""
    return f"LOWER(CAST({number} AS VARCHAR)) = 'nan'"


def infinite(number: str) -> str:
    return f"ABS({number}) > {exact(float.fromhex('0x1.fffffffffffffp+1023'))}"


def exact(edge: float) -> str:
    """A float64 as a whole number times or over powers of two: every step is exact."""
    numerator, denominator = float(edge).as_integer_ratio()
    mantissa, power = (numerator, 0) if denominator > 1 else stripped(numerator)
    over = denominator.bit_length() - 1
    factors = [f" * {as_double(str(1 << step))}" for step in powers(power)]
    divisors = [f" / {as_double(str(1 << step))}" for step in powers(over)]
    return f"({as_double(str(mantissa))}{''.join(factors)}{''.join(divisors)})"


def stripped(number: int) -> tuple[int, int]:
    """`number` as a whole number that a float64 holds, and the power of two it is times."""
    power = 0
    while abs(number) >= LARGEST_WHOLE:
        number, power = number // 2, power + 1
    return number, power


def powers(power: int) -> list[int]:
    full, rest = divmod(power, LARGEST_POWER)
    return [LARGEST_POWER] * full + ([rest] if rest else [])


def empty(column: str) -> str:
    return f"{column} IS NULL OR {column} = ''"


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
