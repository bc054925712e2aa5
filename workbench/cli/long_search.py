"""A search that takes long: its standing on the terminal, and stopping it by the clock or by Ctrl-C."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import language

if TYPE_CHECKING:
    from workbench.privacy.anonymity.lattice import Standing, Stop


@contextlib.contextmanager
def interruptible(seconds: float | None) -> Iterator["Stop"]:
    """
    Says when to stop: after so many seconds, or when the person does, once there is something to show.

    A second Ctrl-C ends the command as it always does.
    """
    from workbench.privacy.anonymity.lattice import within

    pressed = []
    before = signal.getsignal(signal.SIGINT)

    def press(number: int, _: Any) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    late = within(seconds) if seconds else None
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        signal.signal(signal.SIGINT, press)
    try:
        yield lambda standing: bool(
            (pressed and standing.best is not None) or (late is not None and late(standing))
        )
    finally:
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, before)


class Shown:
    """The standing of a long search on a terminal, one line that is written over."""

    def __init__(self) -> None:
        self.on = sys.stderr.isatty()
        self.told = 0.0

    def __call__(self, standing: "Standing") -> None:
        if not self.on or time.monotonic() - self.told < 0.2:
            return
        self.told = time.monotonic()
        best = "–" if standing.best is None else f"{standing.best:.6g}"
        click.echo(
            PROGRESS[language()].format(
                share=standing.settled / standing.nodes, best=best, bound=standing.bound
            ),
            nl=False,
            err=True,
        )


PROGRESS = {
    "ja": "\r探索 {share:6.1%}  最良 {best}  下限 {bound:.6g}\033[K",
    "en": "\rsearched {share:6.1%}  best {best}  bound {bound:.6g}\033[K",
}
