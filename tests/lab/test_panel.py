"""The panel's side of the server: what it tells, to whom, and what its pages may do."""

import json
from types import SimpleNamespace

import pytest

from workbench.errors import NotFound
from workbench.lab import page, panel
from workbench.lab.doors import ALLOWED
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
