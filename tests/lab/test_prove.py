"""Every forbidden act works without the sandbox, and none works in it."""

import os
import subprocess

import pytest

from workbench.lab import prove, sandbox
from workbench.lab.acts import ACTS
from workbench.lab.limits import Limits
from workbench.lab.prove import Outcome, battery, ground, judge, table, unprotected, why_not_proven

# A part that this machine's own kernel was built without cannot be misused, inside or outside.
ABSENT = {"Function not implemented", "Address family not supported by protocol", "Protocol not supported"}


def test_every_act_works_where_nothing_stops_it():
    """Else the sandbox would be credited with what the act could never do."""
    with ground(owner=None) as (_, targets):
        verdicts = battery(unprotected(targets), targets)
    able = [verdict for verdict in verdicts if os.geteuid() == 0 or not ACTS[verdict.act].root]
    stopped = [verdict for verdict in able if verdict.outcome is not Outcome.ALLOWED]

    assert [verdict for verdict in stopped if verdict.how not in ABSENT] == []
    assert len(able) - len(stopped) >= 28


def test_no_act_works_in_the_sandbox():
    verdicts = prove.prove()

    assert [verdict for verdict in verdicts if verdict.outcome is not Outcome.BLOCKED] == []
    assert [verdict.act for verdict in verdicts] == list(ACTS)
    assert len(verdicts) >= 50
    assert why_not_proven(verdicts) is None


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
        ["keyring", "io-uring", "userfaultfd", "vsock", "netlink", "32-bit-calls"],
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
    "datasets read-only": (writable("/datasets/planted-1.0.0"), ["dataset-write", "dataset-delete"]),
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
    monkeypatch.setattr(
        sandbox,
        "command_inside",
        lambda command, _: [sandbox.interpreter().executable, *command[1:]],
    )

    assert_found(acts, monkeypatch)


def remove(change, monkeypatch):
    whole = sandbox.bwrap_arguments
    monkeypatch.setattr(
        sandbox, "bwrap_arguments", lambda given, *, sources: change(whole(given, sources=sources))
    )


def test_limits_are_what_stops_a_glutton(monkeypatch):
    monkeypatch.setattr(Limits, "resources", lambda _, **__: {})

    assert_found(["memory", "file-size"], monkeypatch)


def test_closing_what_was_open_is_what_stops_the_inherited_file(monkeypatch, tmp_path):
    leaky = tmp_path / "launch.py"
    closing = 'os.closerange(3, os.sysconf("SC_OPEN_MAX"))'
    text = sandbox.LAUNCHER.read_text()
    assert closing in text
    leaky.write_text(text.replace(closing, "pass"))
    monkeypatch.setattr(sandbox, "LAUNCHER", leaky)

    assert_found(["inherited-file"], monkeypatch)


def assert_found(acts, monkeypatch):
    monkeypatch.setattr(prove, "why_not_available", lambda: None)
    monkeypatch.setattr(prove, "ACTS", {name: ACTS[name] for name in acts})
    verdicts = prove.prove()
    stopped = [verdict for verdict in verdicts if verdict.outcome is not Outcome.ALLOWED]

    assert [verdict for verdict in stopped if verdict.how not in ABSENT] == [], table(verdicts)
    assert why_not_proven(verdicts).exit_code == 10


@pytest.mark.parametrize(
    "printed", ["", "not json", '{"result": "broken", "how": "NameError()", "errno": null}']
)
def test_an_act_that_does_not_run_proves_nothing(printed):
    verdict = judge("raw-data", subprocess.CompletedProcess([], 1, stdout=printed, stderr="Traceback"))

    assert verdict.outcome is Outcome.BROKEN
    assert why_not_proven([verdict]) is not None


def test_the_table_has_a_line_for_each_act_in_both_languages():
    verdicts = [judge(name, subprocess.CompletedProcess([], 159, stdout="", stderr="")) for name in ACTS]
    lines = table(verdicts).splitlines()

    assert len(lines) == len(ACTS) + 1
    assert all(act.ja in line and act.en in line for act, line in zip(ACTS.values(), lines, strict=False))
    assert lines[-1] == f"{len(ACTS)}/{len(ACTS)} BLOCKED"
