"""What preparing and checking a release may ask for: one home, its policy, its register, one project."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from workbench.data.raw import RawStore
from workbench.data.register import Item, ItemRole, Kind, Register, Table
from workbench.governance.charter import Project
from workbench.home import Home
from workbench.policy import Policy
from workbench.state import State


@dataclass(frozen=True)
class Room:
    """The coordinating body's room, for one project."""

    home: Home
    state: State
    policy: Policy
    register: Register
    project: Project

    @cached_property
    def raw(self) -> RawStore:
        return RawStore(self.home)

    @property
    def person(self) -> str | None:
        """The column of the source that names the person; None where a row is a person."""
        return self.project.person

    @property
    def household(self) -> str | None:
        return self.project.household

    @property
    def smallest_cell(self) -> int:
        """The smallest cell that leaves, in a municipality of this project's size."""
        small = self.project.population < self.policy["small_population"]
        return int(self.policy["min_cell_output_small" if small else "min_cell_output"])

    def releasable(self, table: Table) -> list[Item]:
        """The items of `table` this project may receive: no direct identifier, and justified for a target."""
        return [
            item for item in table if item.role is not ItemRole.DIRECT_IDENTIFIER and self.justifies(item)
        ]

    def justifies(self, item: Item) -> bool:
        """Whether the register says why this project needs the item: in general, or for one of its targets."""
        reason = item.justification
        return bool(reason) if isinstance(reason, str) else any(target in reason for target in self.targets)

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.project.targets)


# A whole number with no more values than this is a category: 0 to 3 missed health checks.
FEW = 20


def public_values(item: Item) -> tuple[str, ...]:
    """Every value the register says the item can take, where these are few; none otherwise."""
    if item.kind is Kind.INTEGER and isinstance(item.minimum, int) and isinstance(item.maximum, int):
        span = range(item.minimum, item.maximum + 1)
        return tuple(map(str, span)) if len(span) <= FEW else ()
    return tuple(item.domain or ())


def quasi_identifiers(table: Table, *, among: Iterable[str]) -> list[str]:
    """The quasi-identifiers of the register among these columns, in the register's order."""
    present = set(among)
    return [name for name in table.of_role(ItemRole.QUASI_IDENTIFIER) if name in present]


def sensitive(table: Table, *, among: Iterable[str]) -> list[str]:
    """The sensitive items of the register among these columns, in the register's order."""
    present = set(among)
    return [name for name in table.of_role(ItemRole.SENSITIVE) if name in present]
