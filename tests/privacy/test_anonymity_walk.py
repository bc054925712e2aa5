"""The search driven by compiled code: the same nodes as in Python, whatever is kept, threaded or interrupted."""

import hashlib
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.anonymity import kernels, kernels_compiled, looks, native, walk
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.lattice import Limits, Search
from workbench.privacy.anonymity.measures import Measure
from workbench.privacy.anonymity.models import Model

SIZES = {"area": (30, 3), "sex": (2, 2), "year": (40, 4), "job": (12, 3), "school": (9, 3), "class": (3, 2)}
# All that the loop in Python needs: the driver is missing.
STEP_BY_STEP = SimpleNamespace(
    **{
        name: getattr(native if name in native.OFFERED else kernels_compiled, name)
        for name in (
            "handed",
            "find",
            "look",
            "join",
            "arrange",
            "up_from",
            "close_below",
            "next_open",
            "floor",
        )
    }
)


def ladder(item: str, size: int, levels: int):
    width = max(2, round(size ** (1 / (levels - 1))))
    return from_rows(
        item,
        [[f"{v}", *(f"{up}.{v // width**up}" for up in range(1, levels - 1)), "*"] for v in range(size)],
    )


LADDERS = {item: ladder(item, *shape) for item, shape in SIZES.items()}


def compact(seed: int, *, rows: int = 6_000) -> Compact:
    """A table of nearly as many combinations as rows, some values of which are rare."""
    draw = np.random.default_rng(seed)
    columns = {}
    for item, (size, _) in SIZES.items():
        likely = 1 / np.arange(1, size + 1)
        columns[item] = draw.choice(size, rows, p=likely / likely.sum()).astype(str)
    return Compact.of(
        pd.DataFrame(columns), hierarchies=LADDERS, quasi_identifiers=list(SIZES), steps={}, persons=None,
        households=None, sensitive=[], groups={},
    )  # fmt: skip


def searched(small: Compact, limit: float, *, module=kernels.KERNELS, measure="loss", **more) -> Search:
    search = Search(
        small, models=[Model("k", 4)], limits=Limits(overall=limit), measure=Measure(measure), kernels=module,
        **more,
    )  # fmt: skip
    search.run()
    return search


def told(search: Search) -> tuple:
    best = search.best
    return (search.looked_at, search.settled, search.known, best.node, best.suppressed, best.failing.tolist())


@pytest.mark.parametrize("measure", ["loss", "precision", "height", "entropy-monotone"])
@pytest.mark.parametrize("limit", [0.0, 0.03, 0.3])
def test_the_compiled_walk_looks_at_the_nodes_that_the_loop_in_python_does(measure, limit):
    small = compact(int(limit * 100))
    walked = searched(small, limit, measure=measure)
    stepped = searched(small, limit, measure=measure, module=STEP_BY_STEP)

    assert told(walked) == told(stepped)
    assert walked.best.score == pytest.approx(stepped.best.score, abs=1e-12)
    assert walked.bound == pytest.approx(walked.best.loss, abs=1e-12)


@pytest.mark.slow
def test_what_is_kept_finds_what_numba_finds_in_the_process():
    small = compact(1)

    assert kernels.kept() is native
    assert told(searched(small, 0.05)) == told(searched(small, 0.05, module=kernels_compiled))


def test_where_nothing_can_be_kept_the_loops_are_compiled_in_the_process(monkeypatch):
    def refuse(word: str) -> None:
        raise AttributeError(word)

    monkeypatch.setattr(native, "library", refuse)

    assert kernels.kept.__wrapped__() is kernels_compiled


@pytest.mark.parametrize("limit", [0.0, 0.05, 1.0])
def test_threads_change_no_digit(limit, monkeypatch):
    small = compact(2)
    alone = told(searched(small, limit))
    monkeypatch.setattr(looks, "WORTH_THREADS", 1)
    monkeypatch.setattr(walk, "WORTH_THREADS", 1)
    monkeypatch.setattr(looks, "workers", lambda: 3)

    assert told(searched(small, limit)) == alone


def test_without_room_for_bases_the_optimum_is_the_same(monkeypatch):
    small = compact(3)
    with_bases = told(searched(small, 0.05))
    monkeypatch.setattr(looks, "MOST_REGIONS", 2)

    assert told(searched(small, 0.05)) == with_bases


def test_stopped_after_any_node_it_tells_a_bound_that_holds_and_goes_on_from_there():
    small = compact(4)
    whole = searched(small, 0.1)
    for nodes in (1, 2, 5, whole.looked_at // 2, whole.looked_at - 1):
        part = searched(small, 0.1, stop=lambda standing, nodes=nodes: standing.looked_at >= nodes)

        assert part.ended_early
        assert part.looked_at == nodes
        assert part.bound <= whole.best.loss + 1e-12
        if part.best is not None:
            assert part.best.loss >= whole.best.loss - 1e-12
            again = Search(small, models=part.models, limits=part.limits)
            again.run(start=part.best.node)
            assert again.best.loss == pytest.approx(whole.best.loss, abs=1e-12)


def test_progress_is_told_after_each_node_and_only_gets_better():
    seen = []
    whole = searched(compact(5), 0.1, progress=seen.append)

    assert [standing.looked_at for standing in seen] == list(range(1, whole.looked_at + 1))
    best = [standing.best for standing in seen if standing.best is not None]
    assert best == sorted(best, reverse=True)
    assert [s.bound for s in seen] == sorted(s.bound for s in seen)
    assert seen[-1].bound == seen[-1].best == pytest.approx(whole.best.loss, abs=1e-12)


@pytest.mark.slow
def test_an_item_of_more_values_than_a_short_word_holds():
    rows = 70_000
    frame = pd.DataFrame({"number": np.arange(rows).astype(str), "sex": np.arange(rows) % 2})
    ladders = {"number": ladder("number", rows, 4), "sex": from_rows("sex", [["0", "*"], ["1", "*"]])}
    small = Compact.of(
        frame, hierarchies=ladders, quasi_identifiers=list(ladders), steps={}, persons=None, households=None,
        sensitive=[], groups={},
    )  # fmt: skip
    walked, stepped = searched(small, 0.01), searched(small, 0.01, module=STEP_BY_STEP)

    assert walked.looks.laid.words.dtype == np.uint32
    assert told(walked) == told(stepped)


# What takes longest to import, and a search of a plain file has no use for.
HEAVY = {
    "numba", "scipy.special", "scipy.linalg", "sklearn", "sdv", "matplotlib", "torch", "duckdb", "ibis", "sqlalchemy",
    "jsonschema", "jupyter_server", "boto3",
}  # fmt: skip


def loaded(code: str) -> set[str]:
    """The modules of a new process that has run some code."""
    ends = "\nimport sys\nprint('LOADED', *sys.modules)"
    told = subprocess.run([sys.executable, "-c", code + ends], capture_output=True, text=True, check=True)
    return set(told.stdout.partition("LOADED")[2].split())


def test_a_new_process_searches_without_starting_a_compiler():
    kernels.kept()
    code = (
        "import numpy as np, pandas as pd\n"
        "from workbench.privacy.anonymity import hierarchies, search\n"
        "from workbench.privacy.anonymity.lattice import Limits\n"
        "ladder = hierarchies.from_rows('a', [[str(v), str(v // 3), '*'] for v in range(9)])\n"
        "frame = pd.DataFrame({'a': np.arange(90) % 9})\n"
        "found = search.anonymise(frame, hierarchies={'a': ladder}, quasi_identifiers=['a'], k=20,\n"
        "                         limits=Limits(overall=0.1))\n"
        "assert found.levels == {'a': 1}\n"
    )

    assert HEAVY & loaded(code) == set()


def test_the_command_loads_nothing_that_a_search_of_a_plain_file_has_no_use_for(tmp_path):
    kernels.kept()
    (tmp_path / "t.csv").write_text("a;b\n" + "x;1\n" * 9 + "y;1\n" * 9)
    (tmp_path / "t_hierarchy_a.csv").write_text("x;*\ny;*\n")
    words = [
        "data", "anonymise", str(tmp_path / "t.csv"), "--separator", ";", "--hierarchies", str(tmp_path),
        "--quasi-identifiers", "a", "--model", "k=5", "--recipe-only", "--json",
    ]  # fmt: skip
    code = f"from workbench.cli import workbench\nworkbench({words!r}, standalone_mode=False)"

    assert HEAVY & loaded(code) == set()


def plant(place, content: bytes):
    """Code kept as if by us: whole, and under the digest that is looked for."""
    path = place / f"search-{'0' * 32}.o"
    path.write_bytes(hashlib.sha256(content).digest() + content)
    path.chmod(0o644)
    return path


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    return tmp_path


def test_what_was_kept_is_found_again(place):
    native.keep("0" * 64, b"code")

    assert native.kept("0" * 64) == b"code"
    assert [path.name for path in place.iterdir()] == [f"search-{'0' * 32}.o"]


def test_code_is_kept_where_it_will_be_found_and_not_where_others_may_write(tmp_path, monkeypatch):
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    shared.chmod(0o775)
    monkeypatch.setattr(native, "places", lambda: [shared, own])
    native.keep("0" * 64, b"code")

    assert not list(shared.iterdir())
    assert native.kept("0" * 64) == b"code"


def test_attack_code_that_others_may_write_is_not_run(place):
    plant(place, b"theirs").chmod(0o666)

    assert native.kept("0" * 64) is None


def test_attack_code_in_a_folder_that_others_may_write_is_not_run(place):
    plant(place, b"theirs")
    place.chmod(0o777)

    assert native.kept("0" * 64) is None


def test_attack_code_behind_a_link_is_not_run(place, tmp_path_factory):
    elsewhere = plant(tmp_path_factory.mktemp("elsewhere"), b"theirs")
    (place / elsewhere.name).symlink_to(elsewhere)

    assert native.kept("0" * 64) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_attack_code_of_another_user_is_not_run(place):
    os.chown(plant(place, b"theirs"), 65534, 65534)

    assert native.kept("0" * 64) is None


def test_code_that_is_cut_short_is_not_run(place):
    path = plant(place, b"some code")
    path.write_bytes(path.read_bytes()[:-1])

    assert native.kept("0" * 64) is None
