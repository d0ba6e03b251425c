"""The slots of one role: which are vacant, which are to be renewed, and when.

Decides the order of forks and their back-off. Pure: `heeler.arbiter.policy` asks
it after every event, and does what it says.

A slot has at most two live children: the one that serves, and either its
replacement in its boot or its predecessor in its drain. Children beyond one a slot
are the surge. No replacement is begun that would make the surge larger than allowed,
so the memory in use has a bound that the operator chooses. Where there is no room for it
beside its predecessor, that one makes room first, if as many slots may be vacant.

A generation that comes beside the one that serves, in all slots, is a surge by itself: both serve until
all of it is ready, and then the other one goes; or it goes itself, and nothing has changed.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from heeler.arbiter.children import Child, Children, Life

BACKOFF_FIRST_S: Final = 0.25
"""The pause after a failure; each further failure in a row doubles it."""
BACKOFF_LIMIT_S: Final = 30.0
STABLE_S: Final = 5.0
"""A child that served this long before it crashed is replaced at once."""
UNPROVEN_BOOTS: Final = 4
"""How many boot side by side while no child of their generation has been ready.

With the back-off this keeps an application that crashes the interpreter in its
import below 10 boots in the first 6 seconds, however many workers are wanted.
"""


def backoff_s(failures: int) -> float:
    """Return the pause after that many failures in a row."""
    if failures <= 0:
        return 0.0
    return min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 32), BACKOFF_LIMIT_S)


class Generation:
    """The children that boot the same code and settings.

    Failures to boot are counted here and not by slot: what fails in one slot will
    fail in the others, and together they must not fork faster than one alone.

    Args:
        number: its own.
        first_boots: how many boot side by side until one has been ready.
        waits: whether a slot is left vacant until nobody of an earlier generation is in it. While code is being
            worked on, it may hold what there is only once: a port, a lock.
        beside: how many slots it is to be ready in before anybody else goes; 0 where it proves itself in one, and
            comes to the others one after another.
    """

    def __init__(self, number: int, first_boots: int, *, waits: bool = False, beside: int = 0) -> None:
        self.number: Final = number
        self.waits: Final = waits
        self.beside: Final = beside
        self.deaths = 0
        self.is_proven = False
        self.failures = 0
        self.not_before = 0.0
        self._first_boots = first_boots

    def boot_limit(self) -> float:
        """Return how many of its children may boot at once."""
        if self.failures:
            return 1
        return math.inf if self.is_proven else self._first_boots

    def proven(self) -> None:
        """One of its children is ready."""
        self.is_proven = True
        self.failures = 0
        self.not_before = 0.0

    def failed(self, now: float) -> None:
        """One of its children did not become ready."""
        self.deaths += 1
        self.failures += 1
        self.not_before = now + backoff_s(self.failures)


class Slot:
    """How the children of a slot have fared since they served."""

    def __init__(self) -> None:
        self.crashes = 0
        self.not_before = 0.0

    def crashed(self, served_s: float, now: float) -> None:
        """Its child died after serving for `served_s`; the first time is pardoned."""
        self.crashes = self.crashes + 1 if served_s < STABLE_S else 1
        self.not_before = now + backoff_s(self.crashes - 1)


class Wish(NamedTuple):
    """A child that is wanted."""

    slot: int
    generation: Generation


class Pool:
    """The slots of one role.

    Args:
        role: whose slots they are.
        target: how many are to be filled.
        max_surge: how many children beyond one a slot replacements may take; None as of `surge`.
        children: the book that all roles share.
        max_unavailable: how many slots may be vacant at a time for the sake of replacements.
    """

    def __init__(
        self, role: str, target: int, max_surge: int | None, children: Children, max_unavailable: int = 0
    ) -> None:
        self.role: Final = role
        self.target = target
        self.max_surge = max_surge
        self.max_unavailable = max_unavailable
        self.serving = Generation(1, UNPROVEN_BOOTS)
        self.coming: Generation | None = None
        self.may_boot: Callable[[Generation], bool] = lambda _: True
        """Whether what a child of a generation needs for its boot is there."""
        self._children = children
        self._slots: dict[int, Slot] = {}

    def slot(self, number: int) -> Slot:
        """Return the record of a slot."""
        return self._slots.setdefault(number, Slot())

    def forgive(self) -> None:
        """Forget all crashes: what crashed is not the code that comes now."""
        self._slots.clear()

    def generation_of(self, child: Child) -> Generation | None:
        """Return the child's generation, None if it was superseded."""
        for generation in (self.serving, self.coming):
            if generation is not None and generation.number == child.generation:
                return generation
        return None

    # -- who is to go

    def surplus(self) -> list[Child]:
        """Return the active children that nobody needs any more, and those that must make room."""
        missing = self._missing()
        spare = [child for child in self._mine() if child.is_active and self._is_surplus(child)]
        beyond = [child for child in self._mine() if child.is_active and self._is_beyond(child)]
        serving = [child for child in beyond if child.life is Life.READY]
        # Whoever serves in a slot that is not wanted any more does so until those that are wanted are taken.
        spare += [child for child in beyond if child.life is Life.BOOTING] + serving[missing:]
        return spare or self._in_the_way(missing)

    def _in_the_way(self, missing: int) -> list[Child]:
        """Return those that are to end before their replacements begin, where these cannot be beside them."""
        if self.excess() < self.surge() or (self.coming is not None and self.coming.beside):
            return []
        if self.coming is None:
            stale = [child for child in self._alone() if self._is_stale(child)]
            leaving, most = sorted(stale, key=_turn), self.max_unavailable
        else:  # one is enough to prove itself
            leaving, most = self._alone(), min(self.max_unavailable, 0 if self.surge() else 1)
        most = min(most, max(1, self.target - 1))  # never all at once
        found = leaving[: max(0, most - missing)]
        for child in found:
            child.makes_room = True
        return found

    def _alone(self) -> list[Child]:
        """Return those who serve and have their slot to themselves."""
        slots = [self._in_slot(number) for number in range(1, self.target + 1)]
        return [slot[0] for slot in slots if len(slot) == 1 and slot[0].life is Life.READY]

    def _missing(self) -> int:
        """Return how many slots are vacant."""
        slots = [self._in_slot(number) for number in range(1, self.target + 1)]
        return sum(not any(child.life is Life.READY for child in slot) for slot in slots)

    def _is_surplus(self, child: Child) -> bool:
        if self._is_beyond(child):
            return False
        others = [other for other in self._in_slot(child.slot) if other.life is Life.READY and other is not child]
        if child.life is Life.BOOTING:
            # While newer code proves itself, nobody is renewed with what would have to go at once.
            is_overtaken = self.coming is not None and child.generation == self.serving.number and bool(others)
            return is_overtaken or self.generation_of(child) is None
        return not self._comes(child) and any(self._outranks(other, child) for other in others)

    def _outranks(self, other: Child, child: Child) -> bool:
        """True if, of two who serve in one slot, the other one stays."""
        return not self._comes(other) and self._rank(other) > self._rank(child)

    def _rank(self, child: Child) -> tuple[bool, int, int]:
        is_given_up = child.generation > self.serving.number
        return not is_given_up, child.generation, child.age

    def _comes(self, child: Child) -> bool:
        """True if it is of a generation that comes, and those who serve neither make room for it nor it for them."""
        return self.coming is not None and child.generation == self.coming.number

    def _is_beyond(self, child: Child) -> bool:
        """True if its slot is not wanted."""
        beside = self.coming.beside if self.coming is not None and self._comes(child) else 0
        return child.slot > max(self.target, beside)

    # -- who is to come

    def next_spawn(self, now: float) -> Wish | None:
        """Return the child to fork now, None if there is none."""
        return next((wish for wish in self._wishes() if self._due(wish) <= now), None)

    def wake_at(self) -> float | None:
        """Return when a back-off that something waits for is over."""
        return min((self._due(wish) for wish in self._wishes()), default=None)

    def _due(self, wish: Wish) -> float:
        return max(wish.generation.not_before, self.slot(wish.slot).not_before)

    def _wishes(self) -> Iterator[Wish]:
        for wish in self._wants():
            booting = sum(
                child.life is Life.BOOTING and child.generation == wish.generation.number for child in self._mine()
            )
            if booting < wish.generation.boot_limit() and self.may_boot(wish.generation):
                yield wish

    def _wants(self) -> Iterator[Wish]:
        """What is missing: first service, then proof of a new generation, then renewal."""
        free = [number for number in range(1, self.target + 1) if len(self._in_slot(number)) < 2]
        vacant = [number for number in free if not any(self._holds(child) for child in self._in_slot(number))]
        has_room = self.excess() < self.surge()
        proof = self.coming if not self.surge() and self._lacks_proof() else None
        for number in vacant:
            if proof is not None and not self._in_slot(number):
                yield Wish(number, proof)
                proof = None
            elif self._waits(number):
                continue
            elif has_room or not any(self._needs_room(child) for child in self._in_slot(number)):
                yield Wish(number, self.serving)
        if self.coming is not None and self.coming.beside:
            yield from self._beside(self.coming)
            return
        if not has_room:
            return
        if self.coming is not None:
            if free and self._lacks_proof():
                yield Wish(free[0], self.coming)
            return
        stale = [child for number in free for child in self._in_slot(number) if self._is_stale(child)]
        for child in sorted(stale, key=_turn):
            yield Wish(child.slot, self.serving)

    def _beside(self, coming: Generation) -> Iterator[Wish]:
        """What a generation lacks that comes to all slots at once."""
        for number in range(1, coming.beside + 1):
            here = self._in_slot(number)
            if len(here) < 2 and not any(child.is_active and self._comes(child) for child in here):
                yield Wish(number, coming)

    def _lacks_proof(self) -> bool:
        """True if a new generation is to prove itself, and none of its children lives."""
        coming = self.coming
        return coming is not None and not any(child.generation == coming.number for child in self._mine())

    def _needs_room(self, child: Child) -> bool:
        """True if no other may be begun beside it where there is no surge: it was to make room, or proves itself."""
        return child.makes_room or (child.life is Life.BOOTING and not self.surge())

    def _holds(self, child: Child) -> bool:
        """True if its slot is not vacant because of it."""
        if child.life is Life.BOOTING:
            return child.generation == self.serving.number
        return child.life is Life.READY

    def _waits(self, number: int) -> bool:
        """True if somebody is to be gone first."""
        return self.serving.waits and any(child.generation != self.serving.number for child in self._in_slot(number))

    def _is_stale(self, child: Child) -> bool:
        return child.life is Life.READY and (bool(child.retire) or child.generation != self.serving.number)

    # -- how things stand

    def excess(self) -> int:
        """Return how many children there are beyond one a slot."""
        return sum(max(0, len(self._in_slot(number)) - 1) for number in range(1, self.target + 1))

    def surge(self) -> int:
        """Return how many there may be.

        Unless `max_surge` says so, it is one. A reload renews a quarter of the slots at a
        time then: the memory peak stays at 5/4, the boots do not starve those who serve, and the time
        it takes hardly grows with the number of workers.
        """
        if self.coming is not None and self.coming.beside:
            return self.target
        if self.max_surge is not None:
            return self.max_surge
        return 1 if self.coming is None and self.is_uniform() else math.ceil(self.target / 4)

    def has_come(self, generation: Generation) -> bool:
        """True if it is ready wherever it has to be before anybody else goes."""
        return all(
            any(child.life is Life.READY and child.generation == generation.number for child in self._in_slot(number))
            for number in range(1, generation.beside + 1)
        )

    def is_uniform(self) -> bool:
        """True if no child of an earlier generation serves."""
        return all(child.generation == self.serving.number for child in self._mine() if child.is_active)

    def is_renewed(self) -> bool:
        """True if every slot is served by the serving generation, and nobody of another is left, draining or not."""
        return all(child.generation == self.serving.number for child in self._mine()) and all(
            any(child.life is Life.READY for child in self._in_slot(number)) for number in range(1, self.target + 1)
        )

    def _mine(self) -> list[Child]:
        return self._children.with_role(self.role)

    def _in_slot(self, number: int) -> list[Child]:
        return self._children.in_slot(self.role, number)


def _turn(child: Child) -> tuple[int, int]:
    """Return whose turn it is to be replaced, lowest first: earlier code, then who has served longest.

    In the order of slots the first ones, which retire again and again, would keep the others from it for ever.
    """
    return child.generation, child.age
