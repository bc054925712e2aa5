"""
How much of the disk a workspace may take.

The room looks at what is used before each piece of code. That stops the next piece and not the running one,
which is bounded by the size of each file alone.
"""

import contextlib
import os
from pathlib import Path

from workbench.errors import Refused
from workbench.lab.limits import MB

MOST_FILES = 200_000  # more are not counted: a workspace that holds them counts as full
UNSEEN = 1 << 62  # more than any disk


def used(folder: Path) -> int:
    """The bytes that the files in `folder` take on the disk. No link is followed."""
    total = files = 0
    try:
        # By open folders and names in them: a path can be made longer than the system takes.
        for _, folders, names, handle in os.fwalk(folder, onerror=gone_or_unseen):
            files += len(folders) + len(names)
            if files > MOST_FILES:
                return UNSEEN
            for name in [*folders, *names]:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(name, dir_fd=handle, follow_symlinks=False).st_blocks * 512
    except (OSError, RecursionError):
        return UNSEEN
    return total


def gone_or_unseen(error: OSError) -> None:
    """The kernel changes the folder while we look: what is gone takes no room; what we cannot see may take all."""
    if not isinstance(error, FileNotFoundError):
        raise error


def why_full(folder: Path, *, size: int) -> Refused | None:
    """Why no more code is run until files are removed, or None."""
    if used(folder) <= size:
        return None
    most = f"{size // MB:,} MB"
    return Refused(
        ja=f"作業場所が上限（{most}）を超えています。要らないファイルを消してから実行してください。",
        en=f"The workspace holds more than its limit ({most}); remove files that you do not need, then run again.",
    )
