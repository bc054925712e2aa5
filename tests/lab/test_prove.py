"""Every forbidden act works without the sandbox, and none works in it that is not accepted with a reason."""

import os
import subprocess

import pytest

from workbench.lab import prove, sandbox
from workbench.lab.acts import ACTS
from workbench.lab.limits import Limits
from workbench.lab.prove import (
    Outcome,
    Proof,
    Verdict,
    as_rows,
    battery,
    ground,
    judged,
    read,
    table,
    unprotected,
    why_not_proven,
)
from workbench.lab.residual import RESIDUAL, Room, of_room

pytestmark = pytest.mark.attack

# A part that this machine's own kernel was built without cannot be misused, inside or outside.
ABSENT = {"Function not implemented", "Address family not supported by protocol", "Protocol not supported"}
COVER, PASS = "            cover(target)\n", "            pass\n"
WHOLE = Room(root=True, quota=True)


def test_every_act_works_where_nothing_stops_it():
    """Else the sandbox would be credited with what the act could never do."""
    able = [name for name, act in ACTS.items() if not act.inside and (os.geteuid() == 0 or not act.root)]
    with ground(owner=None) as (_, targets):
        verdicts = battery(unprotected(targets), targets, able)
    stopped = [verdict for verdict in verdicts if verdict.outcome is not Outcome.ALLOWED]

    assert [verdict for verdict in stopped if verdict.how not in ABSENT] == []
    assert len(able) - len(stopped) >= 34


def test_no_act_works_in_the_sandbox():
    proof = prove.prove()

    open_ones = {
        verdict.act
        for verdict in proof.verdicts
        if verdict.outcome not in (Outcome.BLOCKED, Outcome.RESIDUAL)
    }
    assert open_ones == set()
    assert [verdict.act for verdict in proof.verdicts] == list(ACTS)
    assert len(proof.verdicts) >= 65
    assert why_not_proven(proof) is None


def without(*words):
    """The bubblewrap command with these words, which stand together, left out."""

    def change(arguments):
        at = arguments.index(words[0])
        return arguments[:at] + arguments[at + len(words) :]

    return change


def shown():
    """The host's own /tmp, where everything is planted, in place of an empty one."""

    def change(arguments):
        at = len(arguments) - 1 - arguments[::-1].index("/tmp")
        before = arguments.index("--size", at - 5)  # --size N --perms M --tmpfs
        return [*arguments[:before], "--bind", "/tmp", *arguments[at:]]

    return change


def writable(at):
    """The place `at` inside, no longer read-only."""

    def change(arguments):
        changed = list(arguments)
        changed[changed.index(at) - 2] = "--bind"
        return changed

    return change


def none():
    return lambda arguments: arguments


# One protection taken out of the bubblewrap command, and acts that work then. Where two protections stop the
# same act, `both` takes Landlock out as well.
HOLES = {
    "the empty network": (without("--unshare-net"), ["tcp"]),
    "the filter of system calls": (
        without("--seccomp", "11"),
        ["keyring", "io-uring", "userfaultfd", "vsock", "netlink", "32-bit-calls", "program-in-memory"],
    ),
    "memory of its own": (without("--unshare-ipc"), ["system-v-memory"]),
}
HOLES_OF_TWO = {
    "rights given up": (none(), ["program", "program-in-tmp", "own-memory"]),
    "the empty network": (without("--unshare-net"), ["abstract-socket"]),
    "the filter of system calls": (without("--seccomp", "11"), ["link", "pipe"]),
    "processes of its own": (without("--unshare-pid"), ["kill"]),
    "a world of its own": (
        shown(),
        [
            "raw-data",
            "other-workspace",
            "keys",
            "state",
            "log-read",
            "server-token",
            "other-kernel",
            "path-socket",
        ],
    ),
}


@pytest.mark.parametrize("protection", HOLES)
def test_each_protection_is_what_stops_its_acts(protection, monkeypatch):
    """With one of them removed, the battery says ALLOWED."""
    change, acts = HOLES[protection]
    remove(change, monkeypatch)

    assert_found(acts, monkeypatch)


@pytest.mark.parametrize("protection", HOLES_OF_TWO)
def test_two_protections_are_what_stops_these_acts(protection, monkeypatch):
    """With both removed, the battery says ALLOWED."""
    change, acts = HOLES_OF_TWO[protection]
    remove(change, monkeypatch)
    without_rights_given_up(monkeypatch)

    assert_found(acts, monkeypatch)


def test_three_protections_are_what_keeps_a_dataset_as_it_is(monkeypatch, tmp_path):
    """It is mounted read-only, covered read-only, and the right to write to it is given up."""
    remove(writable("/datasets/planted-1.0.0"), monkeypatch)
    relaunch(monkeypatch, tmp_path, COVER, PASS)
    without_rights_given_up(monkeypatch)

    assert_found(["dataset-write", "dataset-delete"], monkeypatch)


def without_rights_given_up(monkeypatch):
    python = sandbox.interpreter().executable
    monkeypatch.setattr(sandbox, "command_inside", lambda command, _: [python, *command[1:]])


def remove(change, monkeypatch):
    whole = sandbox.bwrap_arguments
    monkeypatch.setattr(
        sandbox, "bwrap_arguments", lambda given, *, sources: change(whole(given, sources=sources))
    )


def test_limits_are_what_stops_a_glutton(monkeypatch):
    monkeypatch.setattr(Limits, "resources", lambda _, **__: {})

    assert_found(["memory", "file-size"], monkeypatch)


def test_closing_what_was_open_is_what_stops_the_inherited_file(monkeypatch, tmp_path):
    relaunch(monkeypatch, tmp_path, 'os.closerange(3, os.sysconf("SC_OPEN_MAX"))', "pass")

    assert_found(["inherited-file"], monkeypatch)


def test_names_of_numbers_are_what_hides_where_the_room_stands(monkeypatch, tmp_path):
    """Each folder covered by an overlay of itself: without that the table of mounts says whose it is."""
    if os.geteuid() != 0:
        pytest.skip("only root covers its folders")
    relaunch(monkeypatch, tmp_path, COVER, PASS)

    assert_found(["mount-names"], monkeypatch)


def test_a_file_system_of_its_own_is_what_stops_many_files(monkeypatch):
    monkeypatch.setattr(prove, "judged", lambda verdict, _: judged(verdict, WHOLE))

    assert_found(["many-files"], monkeypatch)


def relaunch(monkeypatch, tmp_path, line, instead):
    """Start kernels with a launcher in which this line is another one."""
    text = sandbox.LAUNCHER.read_text()
    assert line in text
    changed = tmp_path / "launch.py"
    changed.write_text(text.replace(line, instead))
    monkeypatch.setattr(sandbox, "LAUNCHER", changed)


def assert_found(acts, monkeypatch):
    monkeypatch.setattr(prove, "why_not_available", lambda _: None)
    # The file system of a workspace stops some acts once more: it runs no program and follows no link.
    monkeypatch.setattr(prove.quota, "hold", lambda *_, **__: None)
    monkeypatch.setattr(prove, "ACTS", {name: ACTS[name] for name in acts})
    monkeypatch.setattr(prove.battery, "__defaults__", (tuple(acts),))
    proof = prove.prove()
    stopped = [verdict for verdict in proof.verdicts if verdict.outcome is not Outcome.ALLOWED]

    assert [verdict for verdict in stopped if verdict.how not in ABSENT] == [], table(proof)
    assert why_not_proven(proof).exit_code == 10


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "not json",
        '{"act": "keys", "result": "refused", "how": "", "errno": null}',
        '{"act": "raw-data", "result": "broken", "how": "NameError()", "errno": null}',
        '{"act": "raw-data", "result": "ended", "how": "SIGKILL", "errno": null}',
    ],
)
def test_an_act_that_does_not_run_proves_nothing(printed):
    (verdict,) = read(["raw-data"], subprocess.CompletedProcess([], 1, stdout=printed, stderr="Traceback"))

    assert verdict.outcome is Outcome.BROKEN
    assert why_not_proven(Proof([verdict], WHOLE)) is not None


def test_an_act_seen_later_that_did_not_run_proves_nothing():
    ended = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback")
    verdicts = battery(lambda _: ended, {}, ["outlive", "kill"])

    assert {verdict.outcome for verdict in verdicts} == {Outcome.BROKEN}


class TestResidualRisks:
    """What is accepted is written down, with its reason and the rooms it is accepted in."""

    def test_each_is_an_act_that_is_tried(self):
        assert set(RESIDUAL) <= set(ACTS)

    def test_an_act_that_succeeds_and_is_not_on_the_list_ends_with_10(self):
        allowed = judged(Verdict("raw-data", Outcome.ALLOWED, ""), Room(root=False, quota=False))

        assert allowed.outcome is Outcome.ALLOWED
        assert why_not_proven(Proof([allowed], WHOLE)).exit_code == 10

    @pytest.mark.parametrize("act", ["many-files", "mount-names"])
    def test_it_is_accepted_only_in_rooms_that_cannot_do_better(self, act):
        succeeded = Verdict(act, Outcome.ALLOWED, "")

        assert judged(succeeded, Room(root=False, quota=False)).outcome is Outcome.RESIDUAL
        assert judged(succeeded, WHOLE).outcome is Outcome.ALLOWED
        assert of_room(WHOLE) == {}

    def test_it_is_printed_in_both_languages(self):
        room = Room(root=True, quota=False)
        proof = Proof([judged(Verdict("many-files", Outcome.ALLOWED, ""), room)], room)
        (row,) = as_rows(proof)

        assert "RESIDUAL many-files" in table(proof)
        assert RESIDUAL["many-files"].ja in table(proof)
        assert row["residual_en"] == RESIDUAL["many-files"].en
        assert why_not_proven(proof) is None


def test_the_table_has_a_line_for_each_act_in_both_languages():
    verdicts = [Verdict(name, Outcome.BLOCKED, "") for name in ACTS]
    lines = table(Proof(verdicts, WHOLE)).splitlines()

    assert len(lines) == len(ACTS) + 1
    assert all(act.ja in line and act.en in line for act, line in zip(ACTS.values(), lines, strict=False))
    assert lines[-1] == f"{len(ACTS)}/{len(ACTS)} BLOCKED"
