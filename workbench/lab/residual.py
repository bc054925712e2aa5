"""
What the sandbox does not stop, on which machines, and why a room may be opened all the same.

An act of `acts.py` that succeeds and has no row here for this kind of room is a hole: `lab prove` ends with
10. A row is a decision with its reason, not an excuse: it says what holds the risk instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Room:
    """
    What this machine gives: a user of its own for each workspace (`root`), a file system of its own (`quota`).

    `namespaces` is False where the room was opened without them; see `bound.py`.
    """

    root: bool
    quota: bool
    namespaces: bool = True


@dataclass(frozen=True)
class Residual:
    """`where` says in which rooms the act may succeed; the sentences say what holds the risk there."""

    where: Callable[[Room], bool]
    ja: str
    en: str


RESIDUAL = MappingProxyType(
    {
        "many-files": Residual(
            lambda room: not room.quota,
            "作業場所の容量を OS が止められるのは root の部屋（ループ装置あり）だけです。ここでは、セルを動かす前に毎回"
            "使用量を確かめ、上限を超えていれば次のセルを動かしません。一つのセルの間は、ファイル一つの上限だけが効きます。"
            "名前を消して開いたままのファイルは数えられず、カーネルの終了とともに消えます。",
            "Only a room of root with loop devices has the system bound a workspace. Here the room looks at what is "
            "used before each piece of code and runs no more above the limit; within one piece, only the size of "
            "each file is bounded. A file that is open and has no name is not counted; it goes with its kernel.",
        ),
        "mount-names": Residual(
            lambda room: not (room.root and room.namespaces),
            "マウント表に、ホームと Python を置いたフォルダーの名前が出ます（中身は読めません）。"
            "人・事業・機械の名前を含まない場所に置いてください。root の部屋の bubblewrap では出ません。",
            "The table of mounts shows the names of the folders that the home and Python stand in, never their "
            "content: keep them in places not named after people, projects or machines. A sandbox of root shows "
            "none.",
        ),
        "file-names": Residual(
            lambda room: not room.namespaces,
            "ファイルの中身は読めませんが、名前を言い当てればその有無・大きさ・日時は分かります。"
            "人や事業の名前をファイル名に使わないでください。",
            "No content can be read, but whoever guesses a path learns that a file is there, its size and its time: "
            "give files no names of people or projects.",
        ),
        "path-socket": Residual(
            lambda room: not room.namespaces,
            "カーネルの利用者に開かれているソケット（データベースや Docker など）には届きます。"
            "この機械で、そのようなソケットをすべての利用者に開かないでください。",
            "A socket in the file system that is open to the kernel's user (a database, Docker) can be reached: "
            "keep none on this machine that is open to everyone.",
        ),
        "fill-temporary": Residual(
            lambda room: not room.namespaces,
            "一時領域は作業場所の中にあり、作業場所と合わせて上限を見ます。",
            "What is temporary is kept in the workspace and counts against its limit.",
        ),
    }
)

# What a room without namespaces cannot do for the analyst, said with the risks each time it is opened.
LACKING = (
    "この囲い（landlock）では、multiprocessing・joblib のプロセス並列と、fork した子プロセスの表示が使えません。",
    "Held this way (landlock), process pools of multiprocessing and joblib do not work, nor does what forked "
    "processes print show.",
)

# Where the system gives no control groups (`cgroups.py`), memory has no bound of the room's.
UNGROUPED = (
    "この機械では制御グループ（cgroup）を使えないため、メモリーの上限はプロセスごとに効き、カーネル全体の合計には効きません。"
    "同時に動くカーネルの数だけが合計を抑えます。root で動かすか、systemd の Delegate=yes で制御グループを渡してください。",
    "There are no control groups for this room: memory is bounded for each process and not for all kernels "
    "together, whose number is all that bounds it. Run as root, or hand a control group down (systemd: Delegate=yes).",
)


def accepted(act: str, room: Room) -> Residual | None:
    """The row that accepts this act in this room, or None."""
    row = RESIDUAL.get(act)
    return row if row is not None and row.where(room) else None


def of_room(room: Room) -> dict[str, Residual]:
    """Every risk that remains in this room."""
    return {act: row for act, row in RESIDUAL.items() if row.where(room)}
