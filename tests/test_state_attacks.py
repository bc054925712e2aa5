"""What is put in the way of a state: a deleted database, one that is none, an address that leads nowhere."""

import shutil

import pytest
import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import Untrusted, Unusable
from workbench.state import State


def delete_database(home):
    for file in home.path.glob("state.db*"):
        file.unlink()


def test_deleting_the_database_of_a_home_with_a_log_is_found(home):
    state = State.open(home)
    state.record(Event.REQUEST_WITHDRAWN, actor="sato", request="R-1")
    state.close()
    delete_database(home)

    for _ in range(2):  # the refusal leaves no ground behind that the next open would accept
        with pytest.raises(Untrusted, match="バックアップ"):
            State.open(home)

    assert state.log.count == 2


def test_a_home_killed_before_its_first_record_still_opens(home):
    state = State(State.open(home).engine, None)
    state.close()
    delete_database(home)
    shutil.rmtree(home.audit)
    home.audit.mkdir()

    assert State.open(home).verify().records == 1


def sentence(refused) -> str:
    """The English sentence, which must be one line and tell nothing of the library or the address."""
    text = refused.value.en
    assert len(text.splitlines()) == 1
    for foreign in ("sqlite", "psycopg", "sqlalchemy", "127.0.0.1", "localhost", "No module", "http"):
        assert foreign not in text.lower().replace("sqlite or postgresql", ""), text
    return text


def test_a_database_overwritten_with_garbage_is_unusable(home):
    State.open(home).close()
    delete_database(home)
    (home.path / "state.db").write_bytes(b"this is no database\n" * 500)

    with pytest.raises(Unusable) as refused:
        State.open(home)

    assert "backup" in sentence(refused)


def test_a_damaged_page_met_while_reading_is_unusable(home):
    state = State.open(home)

    with pytest.raises(Unusable) as refused, state.reading():
        raise sa.exc.DatabaseError("SELECT name FROM children", {}, Exception("malformed"))

    assert "SELECT" not in sentence(refused)


@pytest.mark.parametrize(
    "address", ["foo", "mysql://a/b", "sqlite+nothing:///x", "postgresql://u@h:port/db", "://"]
)
def test_an_address_that_names_no_database_is_unusable(home, monkeypatch, address):
    monkeypatch.setenv("WORKBENCH_STATE_URL", address)

    with pytest.raises(Unusable) as refused:
        State.open(home)

    assert "WORKBENCH_STATE_URL" in sentence(refused)


def test_an_unreachable_server_is_unusable_and_its_address_stays_unsaid(home, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("WORKBENCH_STATE_URL", "postgresql+psycopg://secret:word@127.0.0.1:1/db")

    with pytest.raises(Unusable) as refused:
        State.open(home)

    for said in (sentence(refused), refused.value.ja):
        assert not any(part in said for part in ("secret", "word@", "127.0", ":1/"))
        assert "WORKBENCH_STATE_URL" in said
