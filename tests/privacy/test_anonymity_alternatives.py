"""Three recipes on the curve of what is lost against who is deleted."""

import numpy as np
import pandas as pd

from workbench.privacy.anonymity.alternatives import Alternatives, Point, alternatives, three, unbeaten
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.lattice import Limits
from workbench.privacy.anonymity.search import NoneSatisfies, Suppressed, anonymise

LADDER = [[str(n), f"{n // 2}", f"{n // 4}q", "*"] for n in range(16)]
LADDERS = {name: from_rows(name, LADDER) for name in ("one", "two", "three")}


def table() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    return pd.DataFrame({name: (draw.exponential(2.5, 600).astype(int) % 16).astype(str) for name in LADDERS})


def at(deleted: int, loss: float) -> Point:
    return Point(deleted / 100, loss, {"overall": Suppressed(deleted, 100)}, 1, {}, loss)


def test_of_two_points_that_delete_alike_the_one_that_loses_less_is_on_the_curve():
    curve = unbeaten([at(0, 0.9), at(5, 0.5), at(5, 0.4), at(8, 0.4), at(9, 0.3)])

    assert [(p.deleted, p.loss) for p in curve] == [(0, 0.9), (0.05, 0.4), (0.09, 0.3)]


def test_between_the_ends_the_bend_is_offered():
    curve = [at(0, 1.0), at(1, 0.3), at(5, 0.25), at(10, 0.2)]

    assert three(curve) == (curve[0], curve[1], curve[3])
    assert three(curve[:2]) == tuple(curve[:2])


def test_every_point_is_the_optimum_for_its_limit():
    ask = {"hierarchies": LADDERS, "quasi_identifiers": list(LADDERS), "k": 5}
    found = alternatives(table(), **ask, limits=Limits(overall=0.2))

    assert isinstance(found, Alternatives)
    assert len(found.offered) == 3
    assert all(point in found.curve for point in found.offered)
    for point in found.offered:
        again = anonymise(table(), **ask, limits=Limits(overall=point.limit))
        assert (again.loss, again.levels) == (point.loss, point.levels)
        assert point.deleted <= point.limit
    assert [p.loss for p in found.curve] == sorted((p.loss for p in found.curve), reverse=True)


def test_a_subgroup_is_spared_at_every_point():
    frame = table()
    few = np.arange(len(frame)) % 10 == 0
    found = alternatives(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=list(LADDERS),
        k=5,
        limits=Limits(overall=0.2, subgroup=0.05, subgroups={"few": few}),
    )

    assert all(point.suppressed["few"].share <= 0.05 for point in found.curve)


def test_where_no_limit_helps_the_nearest_is_told():
    frame = pd.DataFrame({"one": ["1"] * 9, "two": [str(n) for n in range(9)]})
    found = alternatives(
        frame, hierarchies=LADDERS, quasi_identifiers=["one", "two"], levels={"two": (0, 0)}, k=5,
        limits=Limits(overall=0.2),
    )  # fmt: skip

    assert isinstance(found, NoneSatisfies)
