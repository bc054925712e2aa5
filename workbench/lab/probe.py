"""
Can this machine give the sandbox? Found out by running it, never by looking at versions or settings.
"""

import errno
import json
import os
import platform
import subprocess
from pathlib import Path

from workbench.errors import Unprotected
from workbench.lab import bound, landlock, modes, run_folder, seccomp
from workbench.lab.modes import Mode
from workbench.lab.sandbox import OWNERS, Sandbox, bubblewrap

PATIENCE = 30

# Run inside. Each line must be true before any kernel starts.
LOOK = """
import ctypes, json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
words = {name: value.split() for name, value in status.items()}
def writable(path):
    try:
        return open(path, "r+") is not None
    except OSError:
        return False
print(json.dumps({
    "an unprivileged user": os.getuid() != 0 and words["CapEff"] == words["CapBnd"] == ["0" * 16],
    "no new privileges": words["NoNewPrivs"] == ["1"],
    "the filter of system calls": words["Seccomp"] == ["2"],
    "an empty network": [line.split(":")[0].strip() for line in open("/proc/net/dev")][2:] == ["lo"],
    "processes of its own": len([name for name in os.listdir("/proc") if name.isdigit()]) <= 3,
    "rights given up (Landlock)": not writable("/proc/self/comm"),
    "no further namespaces": ctypes.CDLL(None).unshare(0x10000000) != 0,
    "a world of its own": not os.path.exists("/root") and not os.path.exists("/home"),
    "nothing written but the workspace": not os.access("/usr", os.W_OK) and not os.access("/run", os.W_OK),
}))
"""


# The same for a kernel that has no namespaces.
LOOK_ALONE = """
import errno, json, os, socket
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
words = {name: value.split() for name, value in status.items()}
def refused(act, *arguments):
    try:
        act(*arguments)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EPERM, errno.EOPNOTSUPP)
    return False
print(json.dumps({
    "an unprivileged user": os.getuid() != 0 and words["CapEff"] == words["CapPrm"] == ["0" * 16],
    "no new privileges": words["NoNewPrivs"] == ["1"],
    "the filter of system calls": words["Seccomp"] == ["2"],
    "no network": refused(socket.socket, socket.AF_INET),
    "rights given up (Landlock)": refused(os.listdir, "/") and refused(os.listdir, "/proc"),
    "signals to nobody else": refused(os.kill, os.getppid(), 0),
    "one process group": refused(os.setsid) and refused(os.setpgid, 0, 0),
}))
"""


def why_not_available(mode: Mode | None = None) -> Unprotected | None:
    """
    Why no kernel can be protected here, or None after one was really built and looked at.

    `mode` is the way that was chosen when it is not given.
    """
    mode = mode or modes.chosen()
    if platform.system() != "Linux" or not seccomp.supported():
        return Unprotected(
            ja="この種類の機械ではカーネルを囲えません。Linux（x86_64 または aarch64）で動かしてください。",
            en="Kernels cannot be sandboxed on this kind of machine; run this on Linux (x86_64 or aarch64).",
        )
    if mode is Mode.SANDBOX and bubblewrap() is None:
        return Unprotected(
            ja="bubblewrap がないため、カーネルを囲えません。apt-get install bubblewrap で入れてください。",
            en="There is no bubblewrap, so kernels cannot be sandboxed; install it: apt-get install bubblewrap.",
        )
    if landlock.abi() < 1:
        return Unprotected(
            ja="このカーネルには Landlock がないため、囲いが完全になりません。Landlock を有効にした Linux で動かしてください。",
            en="There is no Landlock here, so the sandbox would not be whole; run this on a Linux that has it enabled.",
        )
    if mode is Mode.LANDLOCK and landlock.abi() < bound.NEEDED:
        return Unprotected(
            ja="この Linux の Landlock は古く、名前空間なしでは囲えません。Linux 6.12 以降か、名前空間を許可した機械で動かしてください。",
            en="Landlock is too old here to hold a kernel without namespaces; use Linux 6.12 or later, or allow user namespaces.",
        )
    return _why_not_running(mode)


def _why_not_running(mode: Mode) -> Unprotected | None:
    folder = run_folder.make()
    try:
        process = _look(mode, folder)
        if process.returncode != 0:
            return _did_not_start(process.stderr, mode)
        missing = [name for name, holds in json.loads(process.stdout).items() if not holds]
        return _incomplete(missing) if missing else None
    except subprocess.TimeoutExpired:
        return _did_not_start("time-out", mode)
    except OSError as error:
        # A root that owns no other user (in a container of another kind) cannot give one to a kernel.
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise
        return _did_not_start(str(error.strerror), mode)
    finally:
        run_folder.remove(folder)


def _look(mode: Mode, folder: Path) -> subprocess.CompletedProcess[str]:
    workspace = folder / "workspace"
    workspace.mkdir()
    owner = OWNERS[-1] if os.geteuid() == 0 else None
    if owner:
        os.chown(workspace, owner, owner)
    code = LOOK if mode is Mode.SANDBOX else LOOK_ALONE
    command = modes.launch_command(
        mode, Sandbox(workspace, owner=owner), ["python", "-I", "-S", "-c", code], folder=folder
    )
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False
    )


def _did_not_start(reason: str, mode: Mode) -> Unprotected:
    """`reason` is what the launch says of this machine; no kernel has run and no data was near."""
    last = (reason.strip().splitlines() or ["?"])[-1][:200]
    if mode is Mode.LANDLOCK:
        return Unprotected(
            ja=f"この機械では名前空間なしでもカーネルを囲えません（{last}）。root でなく一般の利用者として動かしてください。",
            en=f"Kernels cannot be held without namespaces here either ({last}); run the lab as an ordinary user, not as root.",
        )
    return Unprotected(
        ja=f"この機械ではカーネルを囲えません（{last}）。利用者名前空間を許可した機械で動かすか、"
        "弱い囲いでよければ workbench lab --sandbox landlock を選んでください。",
        en=f"Kernels cannot be sandboxed on this machine ({last}); run this where user namespaces are allowed, or "
        "choose the weaker 'workbench lab --sandbox landlock'.",
    )


def _incomplete(missing: list[str]) -> Unprotected:
    listed = ", ".join(missing)
    return Unprotected(
        ja=f"カーネルの囲いが完全ではありません（欠けているもの: {listed}）。別の機械で動かしてください。",
        en=f"The kernels' sandbox is not complete here (missing: {listed}); run this on another machine.",
    )
