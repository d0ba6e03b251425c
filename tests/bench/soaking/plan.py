"""When what happens to a server in a soak: by chance, and the same again for the same seed.

Pure: it knows no process and reads no clock.
"""

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class Deed(enum.Enum):
    """What is done to a server; the value is what tables call it."""

    KILL_WORKER = "KILL of a worker"
    KILL_LISTENER = "KILL of the listener"
    TERM_WORKER = "TERM of a worker"
    HOLD_WORKER = "STOP, CONT"
    RELOAD = "HUP"
    BREAK_CODE = "HUP, broken code"
    BREAK_SETTINGS = "HUP, broken settings"
    MEND = "mended"
    """Goes with the two before it: what is broken stays so for a while, and meanwhile all else happens."""
    MORE = "TTIN"
    FEWER = "TTOU"
    REEXEC = "USR2"


_DECK: Final = (
    *(Deed.KILL_WORKER,) * 4,
    *(Deed.TERM_WORKER, Deed.HOLD_WORKER, Deed.RELOAD) * 2,
    *(Deed.BREAK_CODE, Deed.BREAK_SETTINGS),
)
"""How often one happens beside the others; TTIN and TTOU go together, and USR2 by time."""

MEAN_PAUSE_S: Final = 0.7
_PAUSES: Final = (0.05, 2 * MEAN_PAUSE_S - 0.05)
_BROKEN_S: Final = (0.5, 2.5)
_SIZED_S: Final = (0.3, 3.0)
_REEXEC_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One of them.

    Args:
        at_s: seconds from the beginning.
        pick: 0 to 1, says on whom, or how long.
    """

    at_s: float
    deed: Deed
    pick: float


def plan(seed: str, seconds: float, *, has_listener: bool) -> Sequence[Entry]:
    """Return what happens in so many seconds, in its order.

    Another arbiter comes in the first half only: the last one has the second to grow in. What begins and ends, ends
    in time.
    """
    # Chance is what is wanted here, and the same again: nobody guesses it to do harm.
    chance = random.Random(seed)
    found: list[Entry] = []

    def add(at_s: float, deed: Deed) -> None:
        found.append(Entry(at_s, deed, chance.random()))

    deck: list[Deed] = []
    at_s = chance.uniform(*_PAUSES)
    while at_s < seconds:
        if not deck:
            deck = [*_DECK, Deed.MORE, *([Deed.KILL_LISTENER] * 2 if has_listener else [])]
            chance.shuffle(deck)
        deed = deck.pop()
        if deed is Deed.MORE:
            pair = [Deed.MORE, Deed.FEWER]
            chance.shuffle(pair)
            add(at_s, pair[0])
            add(min(at_s + chance.uniform(*_SIZED_S), seconds), pair[1])
        else:
            add(at_s, deed)
        if deed in (Deed.BREAK_CODE, Deed.BREAK_SETTINGS):
            add(min(at_s + chance.uniform(*_BROKEN_S), seconds), Deed.MEND)
        at_s += chance.uniform(*_PAUSES)
    for number in range(max(1, round(seconds / 2 / _REEXEC_EVERY_S))):
        at_s = number * _REEXEC_EVERY_S
        add(chance.uniform(at_s, max(at_s, min(at_s + _REEXEC_EVERY_S, seconds / 2))), Deed.REEXEC)
    return sorted(found, key=lambda entry: entry.at_s)
