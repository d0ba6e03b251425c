"""The last reloads, on the first page of the scoreboard: when each began, and how it ended.

The arbiter writes; whoever has asked for a reload reads, and takes nothing of the arbiter's time. An entry
is found by its number, so no reader takes one reload for another.
"""

import dataclasses
import enum
from typing import Final

KEPT: Final = 8
"""How many there are: who looks ten times a second misses none."""
AT: Final = 64
"""The first word of the entries; the words before are the header's."""
WORDS: Final = 56
"""How many words an entry takes: its number, when it began, how it stands, the length of the reason, and the reason."""
_TEXT_AT: Final = 4
_TEXT_BYTES: Final = (WORDS - _TEXT_AT) * 8


class Reload(enum.IntEnum):
    """How a reload stands."""

    NONE = 0
    UNDER_WAY = 1
    DONE = 2
    FAILED = 3
    SUPERSEDED = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A reload.

    Args:
        number: its generation.
        began_at: CLOCK_MONOTONIC ns, before anything was read.
        state: how it stands.
        reason: why it failed, cut to fit; else empty.
    """

    number: int
    began_at: int
    state: Reload
    reason: str


class ReloadHistory:
    """The entries.

    Args:
        page: where they stand, with room for the header before.

    Resource handling: `close` lets go of the page.
    """

    def __init__(self, page: memoryview) -> None:
        self._page = page
        self._words = page.cast("Q")
        self._asked_at = 0

    def asked(self, now_ns: int) -> None:
        """Note the time: what the next reload reads is what there is from now on (arbiter only)."""
        self._asked_at = now_ns

    def went(self, number: int, state: Reload, reason: str = "") -> None:
        """Note how a reload stands (arbiter only)."""
        words, at = self._words, _place(number)
        if words[at] > number:
            return  # so many have come since that nobody can ask for it any more
        if words[at] != number:
            words[at] = 0
            words[at + 1] = self._asked_at
        text = " ".join(reason.split()).encode("utf-8", "replace")[:_TEXT_BYTES]
        start = (at + _TEXT_AT) * 8
        self._page[start : start + len(text)] = text
        words[at + 3] = len(text)
        words[at + 2] = state  # a reader may look once this says how it ended
        words[at] = number

    def entries(self) -> list[Entry]:
        """Return those there are, oldest first."""
        found = (self.entry(int(self._words[AT + place * WORDS])) for place in range(KEPT))
        return sorted((entry for entry in found if entry is not None), key=lambda entry: entry.number)

    def entry(self, number: int) -> Entry | None:
        """Return the reload of a number; None if it is none of the last."""
        words, at = self._words, _place(number)
        state, length = Reload(words[at + 2]), min(words[at + 3], _TEXT_BYTES)
        start = (at + _TEXT_AT) * 8
        reason = bytes(self._page[start : start + length]).decode("utf-8", "ignore")
        entry = Entry(number, int(words[at + 1]), state, reason)
        return entry if number and words[at] == number else None  # after the rest: it may have been written anew

    def close(self) -> None:
        """Let go of the page."""
        self._words.release()
        self._page.release()


def _place(number: int) -> int:
    return AT + number % KEPT * WORDS
