"""
When an answer about protected rows leaves: at moments that are public beforehand.

How long a computation takes says a little of the table it was made on, and of whether it failed. So the
answer waits for the next of a few moments after the request: a tenth of a second, then half as long again
each time. Neighbouring tables take so nearly the same time that both leave at the same moment, unless one
falls by chance on either side of one; what is left is told by few moments and not by microseconds.
"""

import time
from functools import wraps
from typing import TYPE_CHECKING, Any

from workbench.lab.gateway.server import Handler

if TYPE_CHECKING:
    from workbench.lab.session import Session

FIRST_SECONDS = 0.1
GROWTH = 1.5


def next_moment(seconds: float) -> float:
    """The first public moment, in seconds after the request, that is not before `seconds`."""
    moment = FIRST_SECONDS
    while moment < seconds:
        moment *= GROWTH
    return moment


def at_public_moments(handler: Handler) -> Handler:
    """The same verb, whose answers and refusals alike leave at public moments."""

    @wraps(handler)
    def waiting(session: "Session", request: dict[str, Any]) -> Any:
        began = time.monotonic()
        try:
            return handler(session, request)
        finally:
            taken = time.monotonic() - began
            time.sleep(next_moment(taken) - taken)

    return waiting
