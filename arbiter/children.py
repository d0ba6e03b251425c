"""The arbiter's view of its children: who they are and what each is at.

Bookkeeping only: takes changes, answers questions, does nothing by itself.
"""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Final

from heeler.workers import messages


class Life(enum.Enum):
    """What a child is at, as the arbiter sees it. A child that is gone is in no book."""

    BOOTING = "booting"
    READY = "ready"
    STOPPING = "stopping"
    """Asked to drain, or to quit."""
    ENDING = "ending"
    """Given up: aborted, killed, or failed in its boot."""


TRANSITIONS: Final[Mapping[Life, frozenset[Life]]] = {
    Life.BOOTING: frozenset({Life.READY, Life.STOPPING, Life.ENDING}),
    Life.READY: frozenset({Life.STOPPING, Life.ENDING}),
    Life.STOPPING: frozenset({Life.ENDING}),
    Life.ENDING: frozenset(),
}
"""From each state, the states that may follow. A child may be gone from any of them."""


class IllegalTransition(AssertionError):
    """A child was to go where its state does not lead: a fault of the policy."""


@dataclasses.dataclass(slots=True, eq=False)
class Child:
    """One child, from just before its fork until it is reaped.

    Args:
        age: counts children since the start; the child's name in events and actions.
        role: what it is for.
        slot: its place; a replacement has the same.
        generation: which reload's code and settings it boots.
        boot_deadline: when it must be ready; None is never.
        parent: the child that forks it; None where the arbiter does.
        pid: 0 until the fork.
        ready_at: when it said so; None before.
        retire: why it is to be replaced now; empty if it is not.
        retire_at: when it is to be replaced; None is never.
        wish: why it has asked to be replaced, where that was too soon.
        is_warm: whether it is to become a mold once it has drained.
        makes_room: whether it drains before its replacement is there, where there is no room for both.
        interrupt_at: when it is interrupted, having been told to quit, or aborted, having been told to show its stacks.
        kill_at: when it is killed unless it is gone by then.
        drain_by: for a child stopped in its boot: its `kill_at` should it turn out to serve.
    """

    age: int
    role: str
    slot: int
    generation: int
    boot_deadline: float | None = None
    parent: int | None = None
    pid: int = 0
    life: Life = Life.BOOTING
    ready_at: float | None = None
    retire: str = ""
    retire_at: float | None = None
    wish: messages.Retire | None = None
    is_warm: bool = False
    makes_room: bool = False
    interrupt_at: float | None = None
    kill_at: float | None = None
    drain_by: float | None = None

    def move(self, to: Life) -> None:
        """Go over to the state `to`.

        Raises:
            IllegalTransition: `TRANSITIONS` does not allow it.
        """
        if to not in TRANSITIONS[self.life]:
            raise IllegalTransition(f"a {self.role} that is {self.life.value} cannot become {to.value}")
        self.life = to

    def put_off(self, seconds: float) -> None:
        """Move every deadline: the time was nobody's."""
        if self.boot_deadline is not None:
            self.boot_deadline += seconds
        if self.interrupt_at is not None:
            self.interrupt_at += seconds
        if self.kill_at is not None:
            self.kill_at += seconds
        if self.drain_by is not None:
            self.drain_by += seconds
        if self.retire_at is not None:
            self.retire_at += seconds

    @property
    def is_active(self) -> bool:
        """True while it serves or is about to."""
        return self.life in (Life.BOOTING, Life.READY)

    @property
    def replace_at(self) -> float | None:
        """When one that serves is to be replaced; None is never, or already."""
        return self.retire_at if self.life is Life.READY else None

    def fields(self) -> tuple[tuple[str, object], ...]:
        """Return how it is named in log lines."""
        return (("slot", self.slot), ("generation", self.generation), ("pid", self.pid))


class Children:
    """All children there are, found by age and by slot."""

    def __init__(self) -> None:
        self._by_age: dict[int, Child] = {}
        self._by_slot: dict[tuple[str, int], list[Child]] = {}
        self._newest = 0

    def add(
        self, role: str, slot: int, generation: int, boot_deadline: float | None, parent: int | None = None
    ) -> Child:
        """Enter a child that is about to be forked."""
        self._newest += 1
        child = Child(self._newest, role, slot, generation, boot_deadline, parent)
        self._by_age[child.age] = child
        self._by_slot.setdefault((role, slot), []).append(child)
        return child

    def remove(self, child: Child) -> None:
        """Strike out a child that is gone."""
        del self._by_age[child.age]
        self._by_slot[child.role, child.slot].remove(child)

    def get(self, age: int) -> Child | None:
        """Return the child of that age, None if it is gone."""
        return self._by_age.get(age)

    def in_slot(self, role: str, slot: int) -> list[Child]:
        """Return who is in a slot, oldest first."""
        return list(self._by_slot.get((role, slot), ()))

    def with_role(self, role: str) -> list[Child]:
        """Return the children of a role, oldest first."""
        return [child for child in self._by_age.values() if child.role == role]

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_age.values()))

    def __len__(self) -> int:
        return len(self._by_age)
