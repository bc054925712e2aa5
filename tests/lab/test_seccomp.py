"""The filter of system calls, read as the kernel reads it: step by step, on both kinds of machine."""

import errno
import struct

import pytest

from workbench.lab.seccomp import MACHINES, PRETENDED, PRLIMIT, REFUSED, REFUSED_ALONE, program

ALLOW, KILL = 0x7FFF0000, 0x80000000


def judge(filter_bytes, *, architecture, number, arguments=()):
    """What the filter returns for one call."""
    steps = [struct.unpack_from("<HBBI", filter_bytes, at) for at in range(0, len(filter_bytes), 8)]
    call = struct.pack("<IIQ6Q", number, architecture, 0, *(*arguments, *[0] * (6 - len(arguments))))
    at = word = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            word = struct.unpack_from("<I", call, value)[0]
        elif code == 0x54:
            word &= value
        else:
            holds = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            at += yes if holds else no


def fails(number):
    return 0x00050000 | number


@pytest.fixture(params=sorted(MACHINES))
def machine(request):
    column, architecture, clone, clone3, socket, ioctl = MACHINES[request.param]
    filter_bytes = program(request.param)

    def ask(number, *arguments, architecture=architecture):
        return judge(filter_bytes, architecture=architecture, number=number, arguments=arguments)

    return ask, column, {"clone": clone, "clone3": clone3, "socket": socket, "ioctl": ioctl}


def test_every_refused_call_is_refused(machine):
    ask, column, _ = machine
    numbers = [row[column] for row in REFUSED.values() if row[column] is not None]

    assert {ask(number) for number in numbers} == {fails(errno.EPERM)}
    assert len(numbers) == len(set(numbers))


def test_ordinary_calls_pass(machine):
    ask, column, special = machine
    refused = {row[column] for row in REFUSED.values()} | set(special.values())

    assert {ask(number) for number in range(450) if number not in refused} == {ALLOW}


def test_the_call_table_of_another_architecture_ends_the_process(machine):
    ask, _, _ = machine

    assert ask(1, architecture=0x40000003) == KILL  # 32-bit
    assert ask(0x40000000 | 101) == KILL  # x32


@pytest.mark.parametrize(
    "flag", [0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
)
def test_a_process_starts_in_the_namespaces_it_has(machine, flag):
    ask, _, special = machine

    assert ask(special["clone"], flag | 17) == fails(errno.EPERM)
    assert ask(special["clone"], 0x3D0F00) == ALLOW  # a thread
    assert ask(special["clone3"]) == fails(errno.ENOSYS)


def test_sockets_stay_inside(machine):
    ask, _, special = machine
    socket = special["socket"]
    refused = fails(errno.EOPNOTSUPP)

    assert ask(socket, 1, 1) == ALLOW  # Unix
    assert ask(socket, 2, 1 | 0o2000000) == ALLOW  # TCP, close-on-exec: ipykernel has one for itself
    assert ask(socket, 10, 1, 6) == ALLOW
    assert ask(socket, 2, 2) == refused  # UDP
    assert ask(socket, 2, 1, 262) == refused  # MPTCP
    # libzmq ends the whole process when a netlink socket fails with EAFNOSUPPORT.
    assert {ask(socket, family, 3) for family in (16, 17, 38, 40)} == {refused}


def test_nothing_types_into_the_operators_terminal(machine):
    ask, _, special = machine

    assert ask(special["ioctl"], 0, 0x5412) == fails(errno.EPERM)
    assert ask(special["ioctl"], 0, 0xDEAD00005412) == fails(errno.EPERM)  # only the low half counts
    assert ask(special["ioctl"], 0, 0x5413) == ALLOW


@pytest.fixture(params=sorted(MACHINES))
def alone(request):
    """The filter that no namespaces stand behind."""
    column, architecture, *_, socket, _ = MACHINES[request.param]
    filter_bytes = program(request.param, alone=True)

    def ask(number, *arguments):
        return judge(filter_bytes, architecture=architecture, number=number, arguments=arguments)

    return ask, column, socket


def test_without_namespaces_what_reaches_others_is_refused_too(alone):
    ask, column, socket = alone
    rows = [*REFUSED.values(), *REFUSED_ALONE.values()]

    assert {ask(row[column]) for row in rows if row[column] is not None} == {fails(errno.EPERM)}
    assert ask(socket, 1, 1) == ALLOW
    assert {ask(socket, family, 1) for family in (2, 10, 16, 40)} == {fails(errno.EOPNOTSUPP)}


def test_without_namespaces_a_process_limits_itself_and_no_other(alone):
    ask, column, _ = alone

    assert ask(PRLIMIT[column], 0, 7) == ALLOW
    assert ask(PRLIMIT[column], 4711, 7) == fails(errno.EPERM)


def test_without_namespaces_modes_and_times_are_left_as_they_are(alone):
    ask, column, _ = alone

    assert {ask(row[column]) for row in PRETENDED.values() if row[column] is not None} == {fails(0)}


def test_no_call_is_in_two_lists():
    for column in (0, 1):
        rows = (*REFUSED.values(), *REFUSED_ALONE.values(), *PRETENDED.values(), PRLIMIT)
        numbers = [row[column] for row in rows if row[column] is not None]

        assert len(numbers) == len(set(numbers))
