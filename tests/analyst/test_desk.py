"""At the desk: what opens was verified, what is asked is priced first, what is submitted is complete."""

import json
import os
import socket
import threading

import pytest
from sklearn.linear_model import LogisticRegression

import workbench.analyst as wb
from workbench.analyst import desk as desks
from workbench.analyst.gateway import LONGEST, Gateway, result_of
from workbench.analyst.notebook import code_of, digest_of_notebook
from workbench.errors import NotFound, Refused, Unprotected, Untrusted, Unusable
from workbench.privacy.dp.questions import KINDS, from_request
from workbench.riskflag.export import PATHS
from workbench.scoring.scorer import Scorer


def noisy(value, margin=33.0):
    return {"value": value, "low": value - margin, "high": value + margin}


ANSWER = {
    "kind": "histogram",
    "items": ["aid", "grade"],
    "measures": ["count"],
    "rows": [
        {"cell": ["yes", "就学前"], "count": noisy(12)},
        {"cell": ["yes", "小学"], "count": noisy(-3)},
        {"cell": ["no", "就学前"], "count": noisy(50)},
        {"cell": ["no", "小学"], "count": noisy(61)},
    ],
    "epsilon": 0.1,
    "margin_95": 33.0,
    "unit": "household",
}
PRICE = {
    "epsilon": 0.1,
    "margin_95": None,
    "margin_unit": "item",
    "margin_by_group": {"100": 3.2, "1000": 0.32},
    "smallest_group": 90,
    "cells": 6,
    "split": [{"part": "totals", "draws": 1, "epsilon": 0.1}],
    "remaining": 0.75,
    "how_many_more": 7,
}


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "flag.ipynb"
    cells = [
        {"cell_type": "markdown", "source": ["# Flag"]},
        {"cell_type": "code", "source": ["import workbench\n", "1"], "outputs": [1]},
    ]
    path.write_text(json.dumps({"cells": cells}))
    return path


def test_what_is_admitted_is_listed_with_its_guarantee(desk):
    listed = desk.datasets()

    assert [(row["name"], row["version"], row["protection"]) for row in listed] == [
        ("child-year", "1", "anonymised")
    ]
    html = listed._repr_html_()
    assert "匿名化 / anonymised" in html
    assert "5人以上 / k = 5" in html


def test_a_dataset_opens_as_parts_frames_dictionary_and_report(desk):
    children = desk.dataset("child-year@1")

    assert (len(children.train), len(children.test)) == (3000, 2000)
    assert children.frame()["part"].value_counts().to_dict() == {"train": 3000, "test": 2000}
    assert children.train.recoding("grade")["kind"] == "interval"
    assert children.train.source.purpose == "school-support"
    assert children.dictionary[0]["label"]["ja"] == "学年"
    assert "学年 / Grade" in children.dictionary._repr_html_()
    assert children.report.data == {"verdict": "pass"}
    for thing in (children, children.train):
        assert "<" in thing._repr_html_()


def test_a_synthetic_dataset_has_no_recoding_and_its_numbers_stay_numbers(desk, room, synthetic_files):
    room.mount("synthetic", "1", synthetic_files, protection="synthetic")
    children = desk.dataset("synthetic@1")

    flag = wb.RiskFlag("x", target="absent", capacity=0.1)
    fitted = flag.fit(children.train, LogisticRegression(), features=["days", "aid"])
    assert children.train.recode["items"] == {}
    assert fitted.model.features[0].edges == (1.0, 2.0)


def test_the_report_is_shown_in_a_frame_that_runs_no_script(desk):
    html = desk.dataset("child-year").report._repr_html_()

    assert html.startswith('<iframe sandbox=""')
    assert "<script>" not in html
    assert "匿名性確認報告書" in html


def test_the_newest_version_that_fits_is_opened(desk, room):
    for version in ("1.2.0", "1.10.0", "2.0.0"):
        room.mount("city", version, {"tables/aid.csv": b"aid,count\n"}, protection="dp_tables")

    assert desk.dataset("city").version == "2.0.0"
    assert desk.dataset("city@1").version == "1.10.0"
    assert desk.dataset("city@1.2").version == "1.2.0"
    with pytest.raises(NotFound, match="city-2"):
        desk.dataset("city@3")


def change(folder):
    path = folder / "data" / "test.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"X")


def unsign(folder):
    (folder / "release.dsse.json").unlink()


def add(folder):
    (folder / "data" / "more.parquet").write_bytes(b"")


@pytest.mark.parametrize("attack", [change, unsign, add])
def test_a_dataset_that_was_tampered_with_does_not_open(desk, room, attack):
    attack(room.folder / "datasets" / "child-year-1")

    with pytest.raises(Untrusted):
        desk.dataset("child-year@1")
    assert desk.datasets()[0]["name"] == "child-year-1"


def test_a_dataset_changed_after_opening_is_not_read(desk, room):
    children = desk.dataset("child-year@1")
    change(room.folder / "datasets" / "child-year-1")

    with pytest.raises(Untrusted):
        children.test  # noqa: B018


def test_a_dataset_signed_by_one_role_or_expired_does_not_open(desk, room):
    room.mount("half", "1", {"data/train.parquet": b""}, signers=("role:reviewer",))
    room.mount("old", "1", {"data/train.parquet": b""}, days=-1)

    for name in ("half@1", "old@1"):
        with pytest.raises(Untrusted):
            desk.dataset(name)


def test_released_tables_are_read_as_tables(desk, room):
    room.mount("tables", "1", {"tables/aid.csv": b"aid,count\nyes,12\n"}, protection="dp_tables")

    tables = desk.dataset("tables@1")
    assert tables.tables()["aid"].to_dict("list") == {"aid": ["yes"], "count": [12]}
    with pytest.raises(Refused):
        tables.train  # noqa: B018
    with pytest.raises(Refused):
        desk.dataset("child-year@1").tables()


def test_a_question_has_a_price_before_anything_is_spent(desk, gateway):
    gateway.answers["price"] = PRICE
    question = desk.ask("child-year-raw").mean("days", by="aid", epsilon=0.1)

    assert question.cost["epsilon"] == 0.1
    for told in ("まだ何も使っていません", "smallest group still visible", "内訳", "1,000", "how many more"):
        assert told in question._repr_html_()
    assert question.cost.plot().png.startswith(b"\x89PNG")
    asked = {"kind": "mean", "item": "days", "by": "aid", "epsilon": 0.1}
    assert gateway.asked == [{"verb": "price", "dataset": "child-year-raw", "question": asked}]


def test_every_kind_of_question_is_one_the_gateway_knows(desk):
    """What a notebook can type and what the other room can read are the same."""
    asking, more = desk.ask("child-year-raw"), {"epsilon": 0.1, "where": {"aid": ["yes"]}}
    asked = [
        asking.count(by="grade", **more),
        asking.histogram("grade", **more),
        asking.sum("days", **more),
        asking.mean("days", between=(0, 30), **more),
        asking.variance("days", **more),
        asking.quantile("days", at=0.9, **more),
        asking.contingency("grade", "sex", whole=True, **more),
        asking.groups("school", **more),
        asking.regression("days", on=["score"], **more),
    ]

    assert [from_request(question.details).kind for question in asked] == list(KINDS)
    assert "aid = yes" in repr(asked[0])


def test_rehearsing_and_asking_give_counts_with_their_margin(desk, gateway):
    gateway.answers |= {"rehearse": ANSWER, "answer": ANSWER}
    question = desk.ask("child-year-raw").histogram("grade", by="aid", epsilon=0.1)

    rehearsed, answered = question.rehearse(), question.answer()
    assert [request["verb"] for request in gateway.asked] == ["rehearse", "answer"]
    assert answered.frame()["count"].tolist() == [12, -3, 50, 61]
    assert answered.frame()["low"].tolist()[0] == 12 - 33
    assert "合成データ" in rehearsed._repr_html_()
    assert "noise" in answered._repr_html_()
    assert answered.plot().png.startswith(b"\x89PNG")


def test_totals_and_values_without_an_interval_are_shown_as_such(desk, gateway):
    rows = [
        {"cell": ["yes", "1"], "mean": noisy(3.0, 0.5), "count": noisy(90, 9)},
        {"cell": [None, "1"], "mean": {"value": 2.5, "low": None, "high": None}, "count": noisy(90, 9)},
    ]
    told = ANSWER | {"rows": rows, "measures": ["mean", "count"], "margin_95": None}
    gateway.answers["answer"] = told
    answered = desk.ask("child-year-raw").histogram("grade", by="aid", epsilon=0.1).answer()

    assert answered.frame()["aid"].tolist() == ["yes", "合計 / total"]
    assert answered.frame()["count_low"].tolist() == [81, 81]
    assert answered.margin is None
    assert "NaN" not in answered._repr_html_()
    assert answered.plot().png.startswith(b"\x89PNG")


def test_a_contingency_table_is_shown_crossed_with_its_margins(desk, gateway):
    cells = [("yes", "2"), ("yes", "1"), ("no", "2"), ("no", "1"), ("yes", None), (None, "2"), (None, None)]
    rows = [{"cell": list(cell), "count": noisy(place)} for place, cell in enumerate(cells)]
    gateway.answers["answer"] = ANSWER | {"kind": "contingency", "rows": rows}
    answered = desk.ask("child-year-raw").contingency("aid", "grade", epsilon=0.1).answer()

    assert answered.crossed().loc["yes", "1"] == 1
    assert answered.crossed().columns.tolist() == ["2", "1", "合計 / total"]
    assert "合計 / total" in answered._repr_html_()


@pytest.mark.parametrize("items", [[], ["school"]])
def test_an_answer_without_rows_or_items_is_drawn_too(desk, gateway, items):
    rows = [] if items else [{"cell": [], "count": noisy(12)}]
    gateway.answers["answer"] = ANSWER | {"items": items, "rows": rows}
    answered = desk.ask("child-year-raw").groups("school", epsilon=0.1).answer()

    assert len(answered.frame()) == len(rows)
    assert answered.plot().png.startswith(b"\x89PNG")


def test_the_budget_and_the_requests_print_themselves(desk, gateway):
    gateway.answers |= {
        "budget": {"granted": 1.0, "spent": 0.25, "remaining": 0.75},
        "requests": [{"request": "R-12", "state": "in_review", "votes": 0, "needed": 2}],
    }

    assert desk.budget("child-year-raw")["remaining"] == 0.75
    assert "残り / remaining" in desk.budget("child-year-raw")._repr_html_()
    assert "R-12" in desk.requests()._repr_html_()
    assert gateway.asked[0] == {"verb": "budget", "dataset": "child-year-raw"}


def test_a_refusal_of_the_gateway_is_raised_in_its_family(desk):
    with pytest.raises(Refused) as refusal:
        desk.budget("child-year-raw")

    assert (refusal.value.ja, refusal.value.en) == ("できません。", "It is not done.")


@pytest.fixture
def fitted(desk):
    children = desk.dataset("child-year@1")
    flag = wb.RiskFlag("school-attendance", target="absent", capacity=0.1)
    model = flag.fit(children.train, LogisticRegression(), features=["grade", "days", "aid"])
    return model, flag.evaluate(model, children.test, groups=["aid"])


def test_a_submitted_model_is_complete_and_scores_in_the_other_room(desk, gateway, fitted, notebook):
    gateway.answers["submit"] = {"request": "R-12", "state": "in_review", "votes": 0, "needed": 2}
    submission = desk.submit(*fitted, version="1.0.0", why="Pilot in two districts", notebook=notebook)

    request = gateway.asked[0]
    assert submission["request"] == "R-12"
    assert set(request) == {"verb", "name", "version", "why", "files", "notebook"}
    assert set(request["files"]) == set(PATHS)
    assert request["notebook"] == digest_of_notebook(notebook)
    lineage = json.loads(request["files"]["provenance/lineage.json"])
    assert lineage["dataset"]["digest"] == desk.dataset("child-year@1").admission.manifest.digest
    assert lineage["notebook"] == request["notebook"]

    def content_of(path):
        return request["files"][path].encode()

    scorer = Scorer.read(content_of)
    assert scorer.prove() >= 64
    assert scorer.recode["release"] == "child-year@1"


def test_a_model_without_a_notebook_has_no_origin_and_is_not_submitted(desk, fitted):
    with pytest.raises(Refused):
        desk.submit(*fitted, version="1.0.0", why="Pilot")


def test_a_target_of_the_dataset_is_no_feature(desk):
    flag = wb.RiskFlag("x", target="aid", capacity=0.1)

    with pytest.raises(Refused):
        flag.fit(desk.dataset("child-year").train, LogisticRegression(), features=["absent", "days"])


def test_the_digest_of_a_notebook_is_of_its_code_not_of_its_outputs(notebook):
    assert code_of(notebook) == ["import workbench\n1"]
    before = digest_of_notebook(notebook)
    notebook.write_text(notebook.read_text().replace('"outputs": [1]', '"outputs": [2]'))

    assert digest_of_notebook(notebook) == before
    notebook.write_text(notebook.read_text().replace("import", "import  "))
    assert digest_of_notebook(notebook) != before


@pytest.mark.parametrize("missing", ["WORKBENCH_TRUST", "WORKBENCH_GATEWAY"])
def test_outside_the_room_there_is_no_desk(monkeypatch, room, gateway, missing):
    (room.folder / "trusted.json").write_bytes(room.trusted.to_json())
    monkeypatch.setenv("WORKBENCH_TRUST", str(room.folder / "trusted.json"))
    monkeypatch.setenv("WORKBENCH_GATEWAY", str(gateway.path))
    monkeypatch.setattr(desks, "DATASETS", room.folder / "datasets")
    assert wb.open().dataset("child-year@1").version == "1"

    monkeypatch.delenv(missing)
    with pytest.raises(Unprotected):
        wb.open()


def test_a_gateway_that_is_gone_is_said_to_be_gone(tmp_path):
    with pytest.raises(Unprotected):
        Gateway(tmp_path / "nowhere.sock").ask("budget", dataset="x")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b'{"ok": false}',
        b'{"ok": false, "error": {"family": "X"}}',
        b"[" * 100_000,
        b'{"ok": 1}',
    ],
)
def test_an_answer_that_is_none_is_unusable(line):
    with pytest.raises(Unusable):
        result_of(line)


def test_an_answer_that_never_ends_is_not_read_for_ever(tmp_path):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "g.sock"))
    listening.listen()

    def pour():
        connection, _ = listening.accept()
        with connection:
            try:
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                pass

    threading.Thread(target=pour, daemon=True).start()
    with pytest.raises(Unusable):
        Gateway(tmp_path / "g.sock").ask("budget")
    listening.close()


def test_a_request_that_is_too_large_is_not_sent(gateway):
    with pytest.raises(Refused):
        Gateway(gateway.path).ask("submit", files={"x": "y" * LONGEST})
    assert gateway.asked == []


def test_importing_the_analyst_s_words_loads_no_room_behind_the_gateway():
    import subprocess
    import sys

    program = (
        "import sys, workbench.analyst;"
        "print([name for name in sys.modules if name.startswith(('workbench.release', 'workbench.audit', 'workbench.state',"
        " 'workbench.artifact.signing', 'workbench.artifact.keys', 'workbench.data', 'workbench.privacy'))])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert found.stdout.strip() == "[]"
