"""
Forbidden acts, each a few lines that an analyst could type.

Run as a script of its own, with the standard library alone, inside the sandbox or (in the tests) outside it:
`acts.py NAMES TARGETS`, where NAMES is a list with commas and TARGETS is JSON that says where things are. Each
act is tried in a process of its own and reported in a line of its own. An act returns true when it got what
it must not get, and raises OSError when it was refused. Every act works where nothing stops it.
"""

import contextlib
import ctypes
import json
import mmap
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Targets = dict[str, Any]
libc = ctypes.CDLL(None, use_errno=True)

MARK = b"planted-by-the-room"  # what every planted secret holds
PATIENCE = 20  # seconds for one act


@dataclass(frozen=True)
class Act:
    """
    `root`: outside the sandbox it takes root to do this. `later`: only the room can see whether it worked.
    `alone`: it takes the first process of a sandbox, or its end. `inside`: there is nothing to see outside a sandbox.
    """

    ja: str
    en: str
    run: Callable[[Targets], bool]
    root: bool = False
    later: bool = False
    alone: bool = False
    inside: bool = False


def call(targets: Targets, name: str, *arguments: Any) -> int:
    """A system call by its number; OSError when it is refused."""
    result: int = libc.syscall(targets["calls"][name], *arguments)
    return _checked(result)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def reads(name: str) -> Callable[[Targets], bool]:
    """The act of reading a planted file."""

    def act(targets: Targets) -> bool:
        with open(targets[name], "rb") as file:
            return MARK in file.read(1 << 16)

    return act


def opens(name: str) -> Callable[[Targets], bool]:
    """The act of opening a file for writing, after asking for the right to."""

    def act(targets: Targets) -> bool:
        os.chmod(targets[name], 0o644)
        with open(targets[name], "r+b"):
            return True

    return act


def asks(family: int, kind: int, protocol: int = 0) -> Callable[[Targets], bool]:
    """The act of opening a socket of a family that leads out."""

    def act(_: Targets) -> bool:
        socket.socket(family, kind, protocol).close()
        return True

    return act


def hears(family: int, kind: int, name: str) -> Callable[[Targets], bool]:
    """The act of speaking to a server of the host and hearing its answer."""

    def act(targets: Targets) -> bool:
        address = targets[name]
        with socket.socket(family, kind) as talk:
            talk.settimeout(3)
            talk.connect(tuple(address) if isinstance(address, list) else address)
            talk.sendall(b"?")
            return MARK in talk.recv(1 << 12)

    return act


def read_shadow(_: Targets) -> bool:
    with open("/etc/shadow", "rb") as file:
        return bool(file.read())


def append_to_log(targets: Targets) -> bool:
    with open(targets["log"], "ab") as file:
        return file.write(b"{}\n") > 0


def read_through_proc(targets: Targets) -> bool:
    with open(f"/proc/{targets['victim']}/root{targets['raw']}", "rb") as file:
        return MARK in file.read()


def read_by_handle(targets: Targets) -> bool:
    """Ask the file system for a file by its number, past every folder."""
    kind, handle = targets["handle"]
    content = bytes.fromhex(handle)
    asked = len(content).to_bytes(4, sys.byteorder) + kind.to_bytes(4, sys.byteorder) + content
    folder = os.open(targets["workspace"], os.O_RDONLY)
    with open(call(targets, "open_by_handle_at", folder, asked, os.O_RDONLY), "rb") as file:
        return MARK in file.read()


def list_hardware(_: Targets) -> bool:
    return bool(os.listdir("/sys/devices"))


def open_kernel_messages(_: Targets) -> bool:
    os.close(os.open("/dev/kmsg", os.O_RDONLY))
    return True


def delete_dataset(targets: Targets) -> bool:
    os.unlink(targets["dataset_to_delete"])
    return True


def link_dataset(targets: Targets) -> bool:
    os.link(targets["dataset"], targets["workspace"] + "/linked")
    return True


def install_package(targets: Targets) -> bool:
    path = targets["packages"] + "/workbench_planted.py"
    with open(path, "w", encoding="utf-8"):
        pass
    os.unlink(path)
    return True


def swap_connection(targets: Targets) -> bool:
    mine = targets["workspace"] + "/mine.json"
    with open(mine, "w", encoding="utf-8"):
        pass
    os.replace(mine, targets["connection"])
    return True


def swap_gateway(targets: Targets) -> bool:
    os.unlink(targets["gateway"])
    socket.socket(socket.AF_UNIX).bind(targets["gateway"])
    return True


def make_link(targets: Targets) -> bool:
    """Lead the room's side, which opens what it finds in a workspace, to the raw data."""
    os.symlink(targets["raw"], targets["workspace"] + "/notebook.ipynb")
    return True


def make_pipe(targets: Targets) -> bool:
    os.mkfifo(targets["workspace"] + "/pipe")
    return True


def runs_program_in(name: str) -> Callable[[Targets], bool]:
    """The act of bringing a program of one's own and running it."""

    def act(targets: Targets) -> bool:
        path = targets[name] + "/program"
        try:
            shutil.copyfile("/bin/true", path)
            os.chmod(path, 0o755)  # noqa: S103 - a program must be runnable
            return subprocess.run([path], check=False).returncode == 0
        finally:
            os.unlink(path)

    return act


def run_program_in_memory(_: Targets) -> bool:
    """Bring a program of one's own, and run it from a file that has no name."""
    handle = os.memfd_create("program", 0)
    try:
        with open("/bin/true", "rb") as program:
            os.write(handle, program.read())
        path = f"/proc/self/fd/{handle}"
        return subprocess.run([path], check=False, pass_fds=[handle]).returncode == 0
    finally:
        os.close(handle)


def write_own_memory(_: Targets) -> bool:
    """Change what is read-only in this process, through the system's view of it."""
    address = id(None)
    with open("/proc/self/mem", "r+b", buffering=0) as file:
        file.seek(address)
        first = file.read(1)
        file.seek(address)
        return file.write(first) == 1


def read_environment_of_process(targets: Targets) -> bool:
    with open(f"/proc/{targets['victim']}/environ", "rb") as file:
        return MARK in file.read()


def read_command_line(targets: Targets) -> bool:
    with open(f"/proc/{targets['victim']}/cmdline", "rb") as file:
        return MARK in file.read()


def trace_process(targets: Targets) -> bool:
    seize = 0x4206
    call(targets, "ptrace", seize, targets["victim"], None, None)
    return True


def read_memory(targets: Targets) -> bool:
    """Copy from the other process's memory, at the place where the secret lies."""

    class Part(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]

    buffer = ctypes.create_string_buffer(len(MARK))
    mine = Part(ctypes.cast(buffer, ctypes.c_void_p), len(MARK))
    theirs = Part(targets["address"], len(MARK))
    call(targets, "process_vm_readv", targets["victim"], ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return buffer.raw == MARK


def end_process(targets: Targets) -> bool:
    os.kill(targets["to_end"], 9)
    return True


def read_inherited(_: Targets) -> bool:
    """Look through every open file for one that the room forgot to close."""
    for number in range(1 << 12):
        try:
            if MARK in os.pread(number, 1 << 16, 0):
                return True
        except OSError:
            continue
    return False


def read_own_environment(_: Targets) -> bool:
    return any(MARK.decode() in value for value in os.environ.values())


def outlive(targets: Targets) -> bool:
    """Leave a process behind that still writes when the kernel is gone."""
    here = os.open(targets["workspace"], os.O_RDONLY)  # its name may be gone by then
    first = os.fork()
    if first == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            for stream in (0, 1, 2):
                os.close(stream)
            time.sleep(0.7)
            os.close(os.open("outlived", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=here))
            os._exit(0)
        os._exit(0)
    os.waitpid(first, 0)  # by now it is on its own
    return True


def add_key(targets: Targets) -> bool:
    process_keyring = -2
    return call(targets, "add_key", b"user", b"workbench", MARK, len(MARK), process_keyring) > 0


def ask_io_uring(targets: Targets) -> bool:
    return call(targets, "io_uring_setup", 1, ctypes.create_string_buffer(120)) >= 0


def ask_userfaultfd(targets: Targets) -> bool:
    user_mode_only = 1
    return call(targets, "userfaultfd", user_mode_only) >= 0


def ask_bpf(targets: Targets) -> bool:
    array_of_one = b"".join(number.to_bytes(4, sys.byteorder) for number in (2, 4, 4, 1))
    return call(targets, "bpf", 0, array_of_one.ljust(72, b"\0"), 72) >= 0


def ask_perf(targets: Targets) -> bool:
    software_clock = b"".join(number.to_bytes(4, sys.byteorder) for number in (1, 112)).ljust(112, b"\0")
    return call(targets, "perf_event_open", software_clock, 0, -1, -1, 0) >= 0


def read_kernel_log(_: Targets) -> bool:
    return _checked(libc.klogctl(3, ctypes.create_string_buffer(1024), 1024)) > 0


def make_namespace(_: Targets) -> bool:
    new_user = 0x10000000
    return _checked(libc.unshare(new_user)) == 0


def mount(targets: Targets) -> bool:
    """Mount over the workspace, in a mount namespace of its own so that the host is left alone."""
    new_user_and_mounts, private = 0x10020000, 0x44000
    _checked(libc.unshare(new_user_and_mounts))
    _checked(libc.mount(b"none", b"/", None, private, None))
    return _checked(libc.mount(b"mine", targets["workspace"].encode(), b"tmpfs", 0, None)) == 0


def become_root(_: Targets) -> bool:
    os.setresuid(0, 0, 0)
    return os.geteuid() == 0


def name_the_host(_: Targets) -> bool:
    socket.sethostname(socket.gethostname())
    return True


def attach_shared_memory(targets: Targets) -> bool:
    libc.shmat.restype = ctypes.c_void_p
    segment = _checked(libc.shmget(targets["shared_key"], 0, 0))
    place = libc.shmat(segment, None, 0o10000)
    return ctypes.string_at(place, len(MARK)) == MARK


def call_as_32_bit(_: Targets) -> bool:
    """Ask for the process's number through the other table of system calls."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, getpid; int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid()


def take_memory(targets: Targets) -> bool:
    no_reserve = 0x4000
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve
    mmap.mmap(-1, targets["memory"] + (1 << 30), flags=flags).close()
    return True


def take_processes(targets: Targets) -> bool:
    """Start more threads than the limit has processes: the system counts them alike."""
    threading.stack_size(64 << 10)
    enough = threading.Event()
    try:
        for _ in range(targets["processes"] + 1):
            threading.Thread(target=enough.wait, daemon=True).start()
    except RuntimeError as error:
        raise OSError(str(error)) from None
    finally:
        enough.set()
    return True


def write_giant(targets: Targets) -> bool:
    path = targets["workspace"] + "/giant"
    try:
        with open(path, "wb") as file:
            return file.truncate(targets["file_size"] + 1) > 0
    finally:
        os.unlink(path)


def fills(name: str, limit: str) -> Callable[[Targets], bool]:
    """The act of taking more room on a disk than the limit, in files that are each small enough."""

    def act(targets: Targets) -> bool:
        paths = [f"{targets[name]}/part-{number}" for number in range(targets[limit] // PART + 1)]
        try:
            for path in paths:
                with open(path, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, PART)
        finally:
            for path in paths:
                with contextlib.suppress(OSError):
                    os.unlink(path)
        return True

    return act


def read_mounts(targets: Targets) -> bool:
    """Find a name of the room in the table of mounts: its folders are called after people and projects."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        table = file.read()
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", table) for name in targets["names"])


def ask_about_file(targets: Targets) -> bool:
    """Learn that a file is there, its size and when it was written, without opening it."""
    return os.stat(targets["raw"]).st_size > 0


def watch_folder(targets: Targets) -> bool:
    """Be told of every file that the room opens in a folder."""
    watcher = _checked(libc.inotify_init1(0))
    opened = 0x20
    return _checked(libc.inotify_add_watch(watcher, os.path.dirname(targets["raw"]).encode(), opened)) > 0


def open_to_all(targets: Targets) -> bool:
    """Change who may read a file of the room."""
    before = os.stat(targets["state"]).st_mode & 0o7777
    os.chmod(targets["state"], before ^ 0o100)
    return os.stat(targets["state"]).st_mode & 0o7777 != before


def limit_process(targets: Targets) -> bool:
    """Starve another process: its files may have no size any more."""
    resource.prlimit(targets["victim"], resource.RLIMIT_CORE, (0, 0))
    return True


def open_message_queue(targets: Targets) -> bool:
    """Reach a queue of the room, through which another kernel would be spoken to."""
    os.close(_checked(libc.mq_open(targets["queue"].encode(), os.O_RDWR)))
    return True


PART = 4 << 20
AF_VSOCK, AF_PACKET, IPPROTO_MPTCP = 40, 17, 262
UNIX, INET, STREAM, DATAGRAM = socket.AF_UNIX, socket.AF_INET, socket.SOCK_STREAM, socket.SOCK_DGRAM

ACTS: dict[str, Act] = {
    # files of the room
    "raw-data": Act("元データを読む", "read the raw data", reads("raw")),
    "other-workspace": Act("他の分析者の作業場所を読む", "read another analyst's workspace", reads("other")),
    "keys": Act("署名鍵を読む", "read the signing keys", reads("key")),
    "state": Act("台帳のデータベースを読む", "read the ledger's database", reads("state")),
    "log-read": Act("監査ログを読む", "read the log", reads("log")),
    "log-append": Act("監査ログに書き足す", "append to the log", append_to_log),
    "server-token": Act("サーバーの合言葉を読む", "read the server's token", reads("token")),
    "other-kernel": Act("他のカーネルの接続鍵を読む", "read another kernel's key", reads("other_connection")),
    "shadow": Act("パスワードファイルを読む", "read /etc/shadow", read_shadow, root=True),
    "proc-root": Act("/proc を経て読む", "read through /proc", read_through_proc),
    "handle": Act("ファイル番号で開く", "open a file by its handle", read_by_handle, root=True),
    "hardware": Act("機械の構成を見る", "look at the hardware", list_hardware),
    "device": Act("機器ファイルを開く", "open a device", open_kernel_messages, root=True),
    "file-names": Act("ファイルの有無と大きさを調べる", "ask whether a file is there", ask_about_file),
    "mount-names": Act(
        "マウント表から名前を知る",
        "learn names from the table of mounts",
        read_mounts,
        inside=True,
        alone=True,
    ),
    "watch": Act("フォルダーの使われ方を見張る", "watch a folder being used", watch_folder),
    "mode": Act("ファイルの権限を変える", "change who may open a file", open_to_all),
    # what is mounted read-only
    "dataset-write": Act("提供データを書き換える", "write to a dataset", opens("dataset")),
    "dataset-delete": Act("提供データを消す", "delete a dataset", delete_dataset),
    "dataset-link": Act("提供データに別名を作る", "hard-link a dataset", link_dataset),
    "package-write": Act("workbench を書き換える", "change this package", opens("package")),
    "package-install": Act("ライブラリーを入れる", "install a library", install_package),
    "connection-write": Act("接続ファイルを書き換える", "rewrite the connection file", opens("connection")),
    "connection-swap": Act("接続ファイルをすり替える", "swap the connection file", swap_connection),
    "gateway-swap": Act("窓口をすり替える", "swap the gateway's socket", swap_gateway),
    # traps for the room's side
    "link": Act("作業場所にリンクを置く", "leave a link in the workspace", make_link),
    "pipe": Act("作業場所にパイプを置く", "leave a pipe in the workspace", make_pipe),
    "program": Act(
        "作業場所のプログラムを動かす", "run a program left in the workspace", runs_program_in("workspace")
    ),
    "program-in-tmp": Act(
        "一時領域のプログラムを動かす", "run a program left in /tmp", runs_program_in("temporary")
    ),
    "program-in-memory": Act(
        "名前のないメモリー上のプログラムを動かす", "run a program from memory", run_program_in_memory
    ),
    # other processes
    "environ": Act("他プロセスの環境変数を読む", "read a process's environment", read_environment_of_process),
    "command-line": Act("他プロセスの引数を読む", "read a process's arguments", read_command_line),
    "trace": Act("他プロセスを追跡する", "trace a process", trace_process),
    "memory-read": Act("他プロセスのメモリーを読む", "read a process's memory", read_memory),
    "kill": Act("他プロセスを止める", "end a process", end_process, later=True),
    "limits": Act("他プロセスの上限を下げる", "lower a process's limits", limit_process),
    "inherited-file": Act("開いたままのファイルを読む", "read an inherited open file", read_inherited),
    "inherited-environment": Act(
        "受け継いだ環境変数を読む", "read an inherited variable", read_own_environment
    ),
    "own-memory": Act(
        "自分のメモリーを直接書く", "write to memory through /proc", write_own_memory, alone=True
    ),
    "outlive": Act("カーネルの終了後も居残る", "outlive the kernel", outlive, later=True, alone=True),
    # network
    "tcp": Act("TCP で外へつなぐ", "connect by TCP", hears(INET, STREAM, "tcp")),
    "udp": Act("UDP で外へ送る", "send by UDP", hears(INET, DATAGRAM, "udp")),
    "abstract-socket": Act(
        "抽象ソケットにつなぐ", "connect to an abstract socket", hears(UNIX, STREAM, "abstract")
    ),
    "path-socket": Act("ほかのソケットにつなぐ", "connect to another socket", hears(UNIX, STREAM, "socket")),
    "vsock": Act("仮想機械の外へつなぐ", "reach the hypervisor", asks(AF_VSOCK, STREAM)),
    "netlink": Act(
        "ネットワーク設定を見る", "ask about the network", asks(socket.AF_NETLINK, socket.SOCK_RAW)
    ),
    "multipath": Act("MPTCP でつなぐ", "open a multipath socket", asks(INET, STREAM, IPPROTO_MPTCP)),
    "packets": Act("通信を傍受する", "listen to packets", asks(AF_PACKET, socket.SOCK_RAW), root=True),
    # parts of the operating system
    "keyring": Act("鍵束に書く", "use the keyring", add_key),
    "io-uring": Act("io_uring を使う", "use io_uring", ask_io_uring),
    "userfaultfd": Act("userfaultfd を使う", "use userfaultfd", ask_userfaultfd),
    "bpf": Act("BPF を使う", "use BPF", ask_bpf, root=True),
    "perf": Act("性能計測を使う", "use perf", ask_perf, root=True),
    "kernel-log": Act("OS の記録を読む", "read the kernel's log", read_kernel_log, root=True),
    "namespace": Act("名前空間を作る", "make a namespace", make_namespace),
    "mount": Act("マウントする", "mount", mount),
    "root": Act("root になる", "become root", become_root, root=True),
    "hostname": Act("機械の名前を変える", "name the host", name_the_host, root=True),
    "shared-memory": Act("共有メモリーを読む", "read shared memory", reads("shared_file")),
    "system-v-memory": Act("SysV 共有メモリーを読む", "attach System V memory", attach_shared_memory),
    "message-queue": Act(
        "メッセージキューで受け渡す", "hand over through a message queue", open_message_queue
    ),
    "32-bit-calls": Act("32ビットの呼出しを使う", "make 32-bit calls", call_as_32_bit),
    # quantities
    "memory": Act("上限を超えるメモリーを取る", "take memory over the limit", take_memory),
    "processes": Act("上限を超えるプロセスを作る", "start processes over the limit", take_processes),
    "file-size": Act("上限を超えるファイルを書く", "write a file over the limit", write_giant),
    "many-files": Act(
        "上限を超える数のファイルを書く", "fill the workspace with many files", fills("workspace", "disk")
    ),
    "fill-temporary": Act("一時領域を埋める", "fill /tmp", fills("temporary", "temporary_size")),
    "fill-shared-memory": Act(
        "共有メモリーを埋める", "fill /dev/shm", fills("shared_folder", "shared_memory_size")
    ),
}


def attempt(name: str, targets: Targets) -> dict[str, Any]:
    """Try one act and say what came of it."""
    try:
        succeeded = ACTS[name].run(targets)
    except OSError as error:
        return {"result": "refused", "how": error.strerror or str(error), "errno": error.errno}
    except Exception as error:
        return {"result": "broken", "how": repr(error), "errno": None}
    return {"result": "succeeded" if succeeded else "refused", "how": "", "errno": None}


def apart(name: str, targets: Targets) -> dict[str, Any]:
    """Try one act in a process of its own: what it does to itself, no other act feels."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os.close(read)
        os.write(write, json.dumps(attempt(name, targets)).encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    # An act may leave a process behind that keeps the pipe open: what is there now is all there is.
    os.set_blocking(read, False)
    try:
        report: dict[str, Any] = json.loads(os.read(read, 1 << 16))
    except (BlockingIOError, ValueError):
        ended = -os.waitstatus_to_exitcode(status)
        report = {"result": "ended", "how": signal.Signals(ended).name if ended > 0 else "", "errno": None}
    finally:
        os.close(read)
    return report


def main(names: str, targets: Targets) -> None:
    """Try acts; a single one in this very process, which is what a kernel would be."""
    listed = names.split(",")
    run = apart if len(listed) > 1 else attempt
    for name in listed:
        print(json.dumps({"act": name, **run(name, targets)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
