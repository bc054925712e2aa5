"""Who somebody is: what a thief, a guesser and a neighbour try with an account."""

import base64
import contextlib
import json
import os
import threading
from urllib.parse import parse_qs, urlparse

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from workbench.cli.account import account
from workbench.errors import NotFound, Refused, Unprotected, Untrusted, Unusable, Usage
from workbench.governance import accounts as module
from workbench.governance import one_time_codes, passphrase
from workbench.governance.accounts import FIRST_WAIT, LONGEST_WAIT, MOST_FAILURES, Accounts, account_key
from workbench.governance.one_time_codes import STEP, code_at, step_of
from workbench.governance.passphrase import PARAMETERS, Scrypt
from workbench.governance.people import People, Person, Role
from workbench.state import State

WORDS = "桜の下で three cats sleep"
FREE = 5


class Clock:
    now = 1_800_000_000.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """The real cost is tested once; elsewhere it would only take time."""
    monkeypatch.setitem(PARAMETERS, passphrase.NOW, Scrypt(2**4, 8, 1, "test"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def state(home):
    state = State.open(home)
    people = People(state)
    people.add(Person("oka", "岡 課長", Role.MANAGER, "企画課"))
    people.add(Person("mori", "森 花子", Role.ANALYST, "研究室"), actor="oka")
    people.add(Person("sato", "佐藤", Role.COORDINATOR, "企画課"), actor="oka")
    yield state
    state.close()


@pytest.fixture
def accounts(home, state, clock):
    return Accounts(home, state, clock=clock)


def secret_of(enrolled):
    return base64.b32decode(parse_qs(urlparse(enrolled.address).query)["secret"][0])


@pytest.fixture
def mori(accounts):
    return accounts.add("mori", WORDS, actor="oka")


@pytest.fixture
def code(mori, clock):
    """The code that Mori's application shows now, or so many steps away."""
    return lambda steps=0: code_at(secret_of(mori), clock.now + steps * STEP)


def failures(state):
    return [r["details"]["reason"] for r in state.log.records() if r["event"] == "login.failed"]


def refused(accounts, *given):
    with pytest.raises(Refused) as error:
        accounts.log_in(*given)
    return error.value.en


def test_who_knows_passphrase_and_code_is_who_they_are(accounts, state, code):
    login = accounts.log_in("mori", WORDS, code())

    assert (login.person.id, login.method) == ("mori", "passphrase and code")
    accounts.log_out(login, reason="logged_out")
    first, last = state.log.records()[-2:]
    assert (first["event"], first["actor"]) == ("login.opened", "mori")
    assert last["details"] == {"login": login.id, "person": "mori", "reason": "logged_out"}


def test_codes_are_those_of_rfc_6238():
    """Appendix B, SHA-1; the last six of its eight digits."""
    secret = b"12345678901234567890"
    table = {59: "94287082", 1111111109: "07081804", 1234567890: "89005924", 20000000000: "65353130"}

    assert {moment: code_at(secret, moment) for moment in table} == {m: c[-6:] for m, c in table.items()}


def test_full_width_digits_blanks_and_composed_letters_are_the_same_code_and_passphrase(accounts, code):
    wide = code().translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    words = WORDS.replace("three", "ｔｈｒｅｅ").replace("で", "て\u3099")

    assert accounts.log_in("mori", words, f"{wide[:3]} {wide[3:]}").person.id == "mori"


@pytest.mark.parametrize(("steps", "is_good"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_good_for_its_step_and_its_neighbours(mori, clock, code, steps, is_good):
    assert (step_of(secret_of(mori), code(steps), now=clock.now) is not None) == is_good


def test_attack_a_code_that_was_seen_is_used_again(accounts, state, code):
    accounts.log_in("mori", WORDS, code())

    refused(accounts, "mori", WORDS, code())
    assert failures(state) == ["code used"]


def test_attack_an_earlier_code_is_used_after_a_later_one(accounts, code):
    """Its own window is still open; it was seen over a shoulder."""
    accounts.log_in("mori", WORDS, code(1))

    for steps in (-1, 0, 1):
        refused(accounts, "mori", WORDS, code(steps))


def test_attack_one_code_is_used_twice_at_once(home, accounts, clock, code, monkeypatch):
    """Both have their passphrase checked before either takes the code."""
    together, given, won = threading.Barrier(2), code(), []
    checked = passphrase.holds
    monkeypatch.setattr(
        module.passphrase, "holds", lambda *words: (checked(*words), together.wait(timeout=10))[0]
    )

    def one():
        with contextlib.suppress(Refused):
            won.append(Accounts(home, accounts.state, clock=clock).log_in("mori", WORDS, given))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_attack_guessing_makes_the_account_wait_longer_each_time(accounts, clock, code, mori):
    for _ in range(FREE):
        refused(accounts, "mori", "guess", "000000")
    waits = []
    for _ in range(9):
        waits.append(accounts.all()[0].waits_until - clock.now)
        refused(accounts, "mori", WORDS, code())  # what is right does not help either
        clock.passes(waits[-1])
        refused(accounts, "mori", "guess", "000000")

    assert waits[:4] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT, 8 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT
    clock.passes(LONGEST_WAIT)
    assert accounts.log_in("mori", WORDS, code()).person.id == "mori"
    assert accounts.all()[0].failures == 0


def test_attack_guessing_goes_on_for_ever(accounts, state, clock, code, mori):
    """After so many failures in a row time alone does not open the account."""
    with state.engine.begin() as connection:
        connection.execute(module.accounts.update().values(failures=MOST_FAILURES - 1))
    refused(accounts, "mori", "guess", "000000")
    clock.passes(10 * LONGEST_WAIT)

    refused(accounts, "mori", WORDS, code())
    assert accounts.all()[0].locked
    accounts.unlock("mori", actor="oka")
    assert accounts.log_in("mori", WORDS, code()).person.id == "mori"


def test_attack_a_restart_forgets_the_failures(home, accounts, clock, code, mori):
    for _ in range(FREE):
        refused(accounts, "mori", "guess", "000000")
    again = State.open(home)

    refused(Accounts(home, again, clock=clock), "mori", WORDS, code())
    again.close()


def test_attack_names_are_told_from_the_answer_and_its_work(accounts, state, monkeypatch, code):
    """An unknown name, a wrong passphrase, a wrong code, a locked account: one sentence, one work."""
    derived, statements = [], []
    derive = Scrypt.derive
    monkeypatch.setattr(
        Scrypt, "derive", lambda self, *given: (derived.append(self), derive(self, *given))[1]
    )
    sa.event.listen(
        state.engine, "before_cursor_execute", lambda *given: statements.append(given[2].split()[0])
    )

    def tried(*given):
        derived.clear(), statements.clear()
        sentence = refused(accounts, *given)
        return sentence, len(derived), len(statements)

    told = [
        tried("nobody", WORDS, code()),
        tried("", "", ""),
        tried("oka", WORDS, code()),  # a person without an account
        tried("mori", "wrong", code()),
        tried("mori", "wrong", "000000"),
    ]
    assert len(set(told)) == 1
    assert told[0][1] == 1
    wrong_code = tried("mori", WORDS, "000000")
    accounts.lock("mori", actor="oka")
    locked = tried("mori", WORDS, code())
    # A stranger, who does not know the passphrase, learns nothing from the code's own statement.
    assert {wrong_code[:2], locked[:2]} == {told[0][:2]}
    assert failures(state)[:3] == ["unknown", "unknown", "unknown"]


def test_a_name_nobody_has_is_not_in_the_log(accounts, state):
    refused(accounts, "my secret passphrase", "x", "x")
    refused(accounts, "hunter2hunter2", "x", "x")

    assert b"hunter2" not in (state.log.folder / "log.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["", "\x00", "mori\x00", "MORI", "森" * 100_000, "' or 1=1 --", "\ud800"])
def test_a_name_that_is_none_is_refused_like_any_other(accounts, mori, name):
    refused(accounts, name, WORDS, "\ud800")


def test_a_recovery_code_is_good_once_and_for_its_owner_only(accounts, state, mori, clock):
    accounts.add("sato", WORDS + "!", actor="oka")
    first, second, *_ = mori.recovery_codes
    refused(accounts, "sato", WORDS + "!", first)

    assert accounts.log_in("mori", WORDS, first.lower().replace("-", " ")).method == "recovery"
    refused(accounts, "mori", WORDS, first)
    assert accounts.log_in("mori", WORDS, second).method == "recovery"
    assert [one.recovery_codes for one in accounts.all()] == [8, 10]


def test_attack_a_recovery_code_without_the_passphrase(accounts, mori):
    refused(accounts, "mori", "wrong", mori.recovery_codes[0])

    assert accounts.log_in("mori", WORDS, mori.recovery_codes[0]).method == "recovery"


def test_a_lock_and_a_reset_end_the_log_ins_there_are(accounts, clock, code):
    login = accounts.log_in("mori", WORDS, code())
    assert accounts.holds(login)
    accounts.lock("mori", actor="sato")
    assert not accounts.holds(login)
    accounts.unlock("mori", actor="oka")
    assert accounts.holds(login)
    fresh = accounts.reset("mori", "another sentence of hers", actor="oka")

    assert not accounts.holds(login)
    refused(accounts, "mori", WORDS, code(1))
    moment = clock.now
    assert accounts.log_in("mori", "another sentence of hers", code_at(secret_of(fresh), moment))


def test_a_reset_does_not_open_a_locked_account_nor_leave_old_recovery_codes(accounts, mori):
    accounts.lock("mori", actor="oka")
    fresh = accounts.reset("mori", WORDS, actor="oka")
    refused(accounts, "mori", WORDS, fresh.recovery_codes[0])
    accounts.unlock("mori", actor="oka")

    refused(accounts, "mori", WORDS, mori.recovery_codes[0])
    assert accounts.log_in("mori", WORDS, fresh.recovery_codes[0])


@pytest.mark.parametrize("actor", ["mori", "sato", "workbench"])
def test_only_the_manager_makes_and_mends_accounts(accounts, mori, actor):
    for act in (accounts.add, accounts.reset):
        with pytest.raises(Refused):
            act("mori", WORDS, actor=actor)
    with pytest.raises(Refused):
        accounts.unlock("mori", actor=actor)


def test_an_account_is_a_persons_and_there_is_one(accounts, mori):
    with pytest.raises(NotFound):
        accounts.add("stranger", WORDS, actor="oka")
    with pytest.raises(Refused, match="reset"):
        accounts.add("mori", WORDS, actor="oka")
    with pytest.raises(NotFound):
        accounts.lock("sato", actor="oka")


@pytest.mark.parametrize(
    "words", ["short", "aaaaaaaaaaaaaaaaaaaa", "I am mori of the lab", "森 花子 is my name, ok", "x" * 300]
)
def test_a_weak_passphrase_is_refused(accounts, words):
    with pytest.raises(Unusable):
        accounts.add("mori", words, actor="oka")


def test_attack_the_stolen_table_gives_away_neither_secret_nor_codes(home, state, mori):
    content = (home.path / "state.db").read_bytes() + (home.path / "state.db-wal").read_bytes()

    assert b"accounts" in content
    for secret in (
        WORDS.encode(),
        secret_of(mori),
        *(code.replace("-", "").encode() for code in mori.recovery_codes),
    ):
        assert secret not in content


def test_attack_a_row_is_put_under_another_name(accounts, state, mori, clock):
    """Whoever writes the table gives the manager the secret of an account of their own."""
    accounts.add("sato", WORDS + "!", actor="oka")
    with state.engine.begin() as connection:
        sealed = (
            sa.select(module.accounts.c.secret).where(module.accounts.c.person == "mori").scalar_subquery()
        )
        connection.execute(
            module.accounts.update().where(module.accounts.c.person == "sato").values(secret=sealed)
        )

    with pytest.raises(Untrusted):
        accounts.log_in("sato", WORDS + "!", code_at(secret_of(mori), clock.now))


def test_attack_a_key_that_others_may_read_is_not_used(home, accounts, code):
    path = home.keys / module.KEY_FILE
    path.chmod(0o644)

    with pytest.raises(Unprotected):
        accounts.log_in("mori", WORDS, code())
    path.chmod(0o600)
    assert len(account_key(home)) == 32


def test_a_passphrase_under_older_parameters_is_derived_anew_at_log_in(accounts, state, monkeypatch, code):
    row = sa.select(module.accounts.c.passphrase)
    monkeypatch.setitem(PARAMETERS, "later", Scrypt(2**5, 8, 1, "test"))
    monkeypatch.setattr(passphrase, "NOW", "later")
    accounts.log_in("mori", WORDS, code())

    with state.reading() as connection:
        assert connection.execute(row).scalar_one().startswith("scrypt$later$")
    assert accounts.log_in("mori", WORDS, code(1))


def test_the_cost_is_what_its_source_asks_for(monkeypatch):
    monkeypatch.undo()
    newest = list(PARAMETERS.values())[-1]

    assert (newest.n, newest.r, newest.p) == (131072, 8, 1)
    kept = passphrase.keep("x")
    assert passphrase.holds(kept, "x")
    assert not passphrase.holds(kept, "y")


def test_someone_made_certain_of_elsewhere_is_admitted_unless_locked(accounts, state, mori):
    assert accounts.admit("sato", method="oidc").method == "oidc"
    assert accounts.holds(accounts.admit("sato", method="hub"))
    accounts.lock("mori", actor="oka")
    with pytest.raises(Refused):
        accounts.admit("mori", method="oidc")
    with pytest.raises(NotFound):
        accounts.admit("stranger", method="oidc")


ISSUER = "https://id.example"


def test_a_providers_subject_is_the_person_the_manager_said(accounts, state):
    accounts.link("sato", issuer=ISSUER, subject="s-1", actor="oka")
    login = accounts.admit_linked(ISSUER, "s-1")

    assert (login.person.id, login.method) == ("sato", "oidc")
    assert accounts.holds(login)
    accounts.lock("sato", actor="oka")
    assert not accounts.holds(login)
    with pytest.raises(Refused):
        accounts.admit_linked(ISSUER, "s-1")


@pytest.mark.parametrize(
    ("issuer", "subject"), [(ISSUER, "sato"), (ISSUER, "s-2"), ("https://other.example", "s-1")]
)
def test_attack_a_subject_that_nobody_linked_is_admitted(accounts, state, issuer, subject):
    """Also one that another provider calls by the same name, or that is named like a person."""
    accounts.link("sato", issuer=ISSUER, subject="s-1", actor="oka")
    with pytest.raises(Refused):
        accounts.admit_linked(issuer, subject)

    assert failures(state) == ["not linked"]


def test_attack_a_subject_is_linked_to_a_second_person(accounts):
    accounts.link("sato", issuer=ISSUER, subject="s-1", actor="oka")
    with pytest.raises(Refused):
        accounts.link("mori", issuer=ISSUER, subject="s-1", actor="oka")
    for actor in ("sato", "mori"):
        with pytest.raises(Refused):
            accounts.link("mori", issuer=ISSUER, subject="s-2", actor=actor)


def run(home, *words):
    return CliRunner().invoke(account, [*words, "--home", str(home.path)], catch_exceptions=False)


def test_the_command_takes_the_passphrase_from_a_descriptor_and_shows_the_way_in_once(
    home, state, accounts, clock
):
    reader, writer = os.pipe()
    os.write(writer, f"{WORDS}\n".encode())
    os.close(writer)
    shown = run(home, "add", "mori", "--by", "oka", "--passphrase-fd", str(reader), "--json")
    os.close(reader)
    told = json.loads(shown.output)

    assert told["address"].startswith("otpauth://totp/")
    assert len(told["recovery_codes"]) == 10
    assert accounts.log_in("mori", WORDS, told["recovery_codes"][0])
    assert "mori  有効" in run(home, "list").output
    run(home, "lock", "mori", "--by", "sato")
    assert "mori  停止" in run(home, "list").output
    run(home, "unlock", "mori", "--by", "oka")
    assert json.loads(run(home, "list", "--json").output)[0]["locked"] is False


def test_the_command_asks_at_the_terminal_and_draws_the_picture(home, state):
    shown = CliRunner().invoke(
        account, ["add", "mori", "--by", "oka", "--home", str(home.path)], input=f"{WORDS}\n{WORDS}\n"
    )

    assert "otpauth://totp/" in shown.output
    assert "▄" in shown.output
    assert WORDS not in shown.output


def test_no_command_takes_a_passphrase_as_an_argument():
    for name, command in account.commands.items():
        given = {option for parameter in command.params for option in getattr(parameter, "opts", [])}
        assert not {o for o in given if "pass" in o} - {"--passphrase-fd"}, name


def test_in_a_demonstration_the_secrets_repeat(demonstration, tmp_path):
    state = State.open(demonstration)
    People(state).add(Person("oka", "Oka", Role.MANAGER, "x"))
    first = Accounts(demonstration, state).add("oka", WORDS, actor="oka")
    again = Accounts(demonstration, state).reset("oka", WORDS, actor="oka")
    state.close()

    assert secret_of(first) == demonstration.entropy("authenticator oka 1", size=one_time_codes.SECRET)
    assert secret_of(first) != secret_of(again)


class TestOnesOwnChange:
    NEW = "梅の下で four dogs sleep"

    def test_the_owner_changes_the_passphrase_and_every_log_in_ends(self, accounts, state, clock, code):
        login = accounts.log_in("mori", WORDS, code())
        clock.passes(STEP)

        made = accounts.change("mori", WORDS, code(), new_words=self.NEW, new_authenticator=False)

        assert made is None
        assert not accounts.holds(login)
        clock.passes(STEP)
        refused(accounts, "mori", WORDS, code())
        clock.passes(STEP)
        assert accounts.holds(accounts.log_in("mori", self.NEW, code()))
        changed = [record for record in state.log.records() if record["event"] == "account.changed"]
        assert [record["details"] for record in changed] == [{"person": "mori", "what": ["passphrase"]}]
        assert changed[0]["actor"] == "mori"

    def test_a_new_authenticator_makes_the_old_one_and_its_recovery_codes_worthless(
        self, accounts, mori, clock, code
    ):
        """A lost telephone: one recovery code, and the rest are new."""
        made = accounts.change("mori", WORDS, mori.recovery_codes[0], new_words=None, new_authenticator=True)

        clock.passes(STEP)
        for old in (code(), mori.recovery_codes[1]):
            refused(accounts, "mori", WORDS, old)
        assert accounts.log_in("mori", WORDS, code_at(secret_of(made), clock.now))
        assert accounts.log_in("mori", WORDS, made.recovery_codes[0])

    @pytest.mark.parametrize("what", ["words", "code", "used code", "locked"])
    def test_attack_a_change_without_the_whole_proof(self, accounts, state, clock, code, what):
        if what == "used code":
            accounts.log_in("mori", WORDS, code())
        if what == "locked":
            accounts.lock("mori", actor="oka")
        words = "not the words at all" if what == "words" else WORDS
        given = "000000" if what == "code" else code()
        before = accounts.all(), failures(state)

        with pytest.raises(Refused, match="ログインできません"):
            accounts.change("mori", words, given, new_words=self.NEW, new_authenticator=True)

        assert len(failures(state)) == len(before[1]) + 1
        assert accounts.all()[0].recovery_codes == before[0][0].recovery_codes
        if what != "locked":
            assert accounts.all()[0].failures == 1
            clock.passes(2 * STEP)
            assert accounts.log_in("mori", WORDS, code())

    @pytest.mark.parametrize("new", [None, WORDS])
    def test_nothing_new_is_said_so_and_takes_no_code(self, accounts, code, new):
        with pytest.raises(Usage):
            accounts.change("mori", WORDS, code(), new_words=new, new_authenticator=False)
        assert accounts.log_in("mori", WORDS, code())

    def test_a_weak_one_is_refused(self, accounts, code):
        with pytest.raises(Unusable):
            accounts.change("mori", WORDS, code(), new_words="short", new_authenticator=False)
        assert accounts.log_in("mori", WORDS, code())

    def test_by_command(self, home, mori, accounts):
        read, write = os.pipe()
        os.write(write, f"{WORDS}\n{mori.recovery_codes[0]}\n{self.NEW}\n".encode())
        os.close(write)

        ended = run(home, "change", "mori", "--what", "both", "--passphrase-fd", str(read), "--json")

        os.close(read)
        assert ended.exit_code == 0, ended.output
        codes = json.loads(ended.output)["recovery_codes"]
        assert accounts.log_in("mori", self.NEW, codes[0])
