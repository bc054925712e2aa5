"""The panel's side of the server: what it tells, to whom, and what its pages may do."""

import json
import re
from types import SimpleNamespace

import pytest

from workbench.errors import NotFound
from workbench.lab import page, panel
from workbench.lab.doors import ALLOWED
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Ledger
from workbench.release import checks
from workbench.release.requests import PROTECTIONS

STATIC = page.EXTENSIONS / "workbench-panel"


def test_every_route_is_one_the_authoriser_knows_and_asks_it():
    for handler in panel.ROUTES.values():
        assert handler.auth_resource in ALLOWED
        for name in ("get", "post"):
            method = getattr(handler, name)
            if method.__qualname__.startswith(handler.__name__):
                assert hasattr(method, "__wrapped__"), f"{handler.__name__}.{name} asks nobody"


def test_every_headline_number_of_a_dataset_is_told_as_a_sentence():
    measured = {
        name
        for protection in PROTECTIONS["dataset"]
        for name, check in checks.CHECKS[protection].items()
        if check.headline
    }

    assert measured <= panel.GUARANTEES.keys()


@pytest.mark.parametrize("check", panel.GUARANTEES)
def test_a_guarantee_holds_its_number_in_both_languages(check):
    number = {"check": check, "value": 0.5, "form": "number", "label": {"ja": "x", "en": "x"}}
    words = panel.guarantee(number)

    assert "0.5" in words["ja"]
    assert "0.5" in words["en"]


def test_a_number_without_a_sentence_keeps_its_label():
    number = {"check": "new", "value": 3, "form": "count", "label": {"ja": "新しい数", "en": "New"}}

    assert panel.guarantee(number) == {"ja": "新しい数 3", "en": "New: 3"}


def test_the_lines_that_load_a_dataset_are_python_whatever_its_name():
    for name in ("child-year", "class"):
        compile(panel.code(SimpleNamespace(name=name, id=f"{name}@1")), "cell", "exec")


def test_the_report_of_a_dataset_that_is_not_mounted_is_not_found(session):
    for name in ("child-year-1.0.0", "other-1", "..", "child-year-1.0.0/data"):
        with pytest.raises(NotFound):
            panel.report_page(session, name)


def test_the_budget_of_the_panel_is_what_this_analyst_may_spend_and_none_outside_a_year(office, state):
    room = SimpleNamespace(state=state, analyst="mori", project="attendance")
    assert panel.budget(room) is None

    ledger = Ledger(state)
    ledger.grant("child-year-raw", micro=1_000_000, granted_by="sato")
    ledger.share("child-year-raw", budget=Budget(300_000), analyst="mori", granted_by="sato")

    assert panel.budget(room)["remaining"] == 0.3


def test_a_report_may_run_nothing_fetch_nothing_and_send_nothing():
    policy = panel.REPORT_POLICY.split("; ")

    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert not any("script" in rule or "connect" in rule for rule in policy)


def test_the_extension_is_whole_without_being_built():
    about = json.loads((STATIC / "package.json").read_text())
    entry = (STATIC / about["jupyterlab"]["_build"]["load"]).read_text()

    assert about["name"] == STATIC.name
    assert f'containers["{about["name"]}"]' in entry
    for file in (STATIC / "static").glob("*.js"):
        text = file.read_text()
        for other in ("plugins.js", "panel.js", "words.js", "room.js"):
            assert other not in text or (STATIC / "static" / other).is_file()
        assert "innerHTML" not in text
        assert "http:" not in text.replace("http://www.w3.org/", "")
        assert "https:" not in text


def test_what_is_absent_has_its_reason():
    assert all(reason for reason in (page.ABSENT | page.ABSENT_COMMANDS).values())


@pytest.mark.parametrize(("chosen", "locale"), [("ja", "ja_JP"), ("en", "en")])
def test_the_page_speaks_the_language_of_the_workbench(monkeypatch, chosen, locale):
    monkeypatch.setenv("WORKBENCH_LANG", chosen)

    assert locale in json.dumps(page.overrides())


def test_the_page_is_told_of_the_extension_and_gets_its_files(lab):
    assert b'"workbench-panel"' in lab.ask("/lab")[2]
    for file in sorted((STATIC / "static").iterdir()):
        status, headers, content = lab.ask(f"/lab/extensions/workbench-panel/static/{file.name}")
        assert (status, content) == (200, file.read_bytes())
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"].startswith(
            {".js": "application/javascript", ".css": "text/css"}[file.suffix]
        )


def test_no_extension_is_loaded_but_ours(lab):
    """A package that a library brings along would put its own code into the page."""
    config = json.loads(
        re.search(rb'id="jupyter-config-data"[^>]*>(.*?)</script>', lab.ask("/lab")[2], re.S)[1]
    )

    assert [one["name"] for one in config["federated_extensions"]] == ["workbench-panel"]


def test_the_panel_is_told_of_the_session(lab):
    told = json.loads(lab.ask("/workbench/panel")[2])

    assert (told["analyst"], told["datasets"]) == ("analyst-1", [])
    assert set(told["kinds"]) == {"dataset", "item", "refresh"}


def test_the_meter_tells_what_was_shown_and_where_the_warning_is(lab):
    told = json.loads(lab.ask("/workbench/meter")[2])

    assert 0 <= told["shown"] <= told["most"]
    assert 0 < told["limit"] < told["most"]


def test_what_is_asked_for_can_be_taken_back(lab):
    asked = {"kind": "dataset", "about": "保健室の来室回数", "why": "登校の判定に使うため"}
    status, _, content = lab.ask("/workbench/requests", method="POST", body=asked)

    number = json.loads(content)["request"]
    assert status == 200
    assert lab.status(f"/workbench/requests/{number}/withdraw", method="POST", body={}) == 200
    assert number not in {one["request"] for one in json.loads(lab.ask("/workbench/panel")[2])["wanted"]}


@pytest.mark.parametrize(
    "body", [[], "x", {"kind": "item"}, {"kind": "dataset", "about": "<b>", "why": "\x00"}]
)
def test_a_form_that_says_nothing_gets_a_sentence_in_both_languages(lab, body):
    status, _, content = lab.ask("/workbench/requests", method="POST", body=body)

    assert status == 400
    assert set(json.loads(content)) == {"ja", "en"}


@pytest.mark.parametrize("path", ["/workbench/panel", "/workbench/meter", "/workbench/report/a-1"])
def test_attack_a_stranger_reads_the_panel(lab, path):
    assert lab.stranger().status(path) in (302, 403)


@pytest.mark.parametrize(
    "path", ["/workbench/notice", "/workbench/requests", "/workbench/requests/D-1/withdraw"]
)
def test_attack_another_site_asks_in_the_analysts_name(lab, path):
    """The browser sends the cookie; the page's own proof it does not have."""
    asked = {"kind": "dataset", "about": "x", "why": "x"}

    assert lab.status(path, method="POST", body=asked, headers={"X-XSRFToken": "made-up"}) == 403


@pytest.mark.parametrize(
    "name", ["..%2f..%2fhome.json", "child-year-1%00", "%2e%2e", "a" * 101, "child-year-1"]
)
def test_attack_a_report_is_a_way_to_a_file(lab, name):
    status, _, content = lab.ask(f"/workbench/report/{name}")

    assert status in (403, 404)
    assert b"schema" not in content
