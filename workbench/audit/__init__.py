"""The append-only log: what happened, in order, kept so that a later change of it shows."""

from workbench.audit.events import SCHEMA, Event
from workbench.audit.log import Log, Verified

__all__ = ["SCHEMA", "Event", "Log", "Verified"]
