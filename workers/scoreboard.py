"""One table in shared memory that tells what every child is doing.

A header page, a page of totals, then a page for each child ("row"). A page is 512
words of 8 bytes; a word has one writer, so a reader sees the old or the new value
and never half of one. The layout stands in `FIELDS` and nowhere else: the writer, the
reader, `heeler status` and the docs are derived from it.
"""

import dataclasses
import enum
import functools
import mmap
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self

from heeler.workers import reload_history
from heeler.workers.reload_history import ReloadHistory

MAGIC: Final = int.from_bytes(b"HEELER\x00\x00", "little")
VERSION: Final = 3
PAGE_WORDS: Final = 512
PAGE_BYTES: Final = PAGE_WORDS * 8

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of the histograms, OpenTelemetry's for http.server.request.duration; a last bucket has no bound."""

IN_FLIGHT_ENTRIES: Final = 24
"""How many requests in flight a row can name; more are counted but not named."""
ENTRY_WORDS: Final = 16
_ENTRY_TEXT_BYTES: Final = (ENTRY_WORDS - 2) * 8


class State(enum.IntEnum):
    """What a child is at. The arbiter writes the first two, the child the rest."""

    FREE = 0
    BOOTING = 1
    READY = 2
    DRAINING = 3
    GONE = 4


class Role(enum.IntEnum):
    """What a child is for."""

    WORKER = 1
    LISTENER = 2
    WATCHER = 3
    MOLD = 4


class Reexec(enum.IntEnum):
    """How the last re-exec ended."""

    NONE = 0
    UNDER_WAY = 1
    DONE = 2
    FAILED = 3


class ScaleMode(enum.IntEnum):
    """Who says how many workers there are."""

    OFF = 0
    """The settings: there are no bounds to move in."""
    ON = 1
    """The scaler."""
    BY_HAND = 2
    """People, until they give it back."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A place in a row.

    Args:
        name: as `heeler status --json` prints it.
        kind: `fact` and `gauge` are of this child alone; a `counter` is folded into
            the totals when the child is gone.
        doc: one phrase, with the unit.
        words: how many words it takes.
    """

    name: str
    kind: Literal["fact", "gauge", "counter"]
    doc: str
    words: int = 1


FIELDS: Final = (
    Field("state", "fact", "0 free, 1 booting, 2 ready, 3 draining, 4 gone"),
    Field("pid", "fact", "process id; 0 before the fork"),
    Field("role", "fact", "1 worker, 2 listener, 3 watcher, 4 mold"),
    Field("slot", "fact", "which worker this is, from 1; its replacement has the same"),
    Field("generation", "fact", "counts reloads, from 1"),
    Field("age", "fact", "counts children since the start, from 1"),
    Field("boot_at", "fact", "CLOCK_MONOTONIC ns before the fork"),
    Field("boot_deadline", "fact", "CLOCK_MONOTONIC ns by which the child must be ready"),
    Field("ready_at", "fact", "CLOCK_MONOTONIC ns when it became ready; 0 before"),
    Field("beat_at", "gauge", "CLOCK_MONOTONIC ns of the serving loop's last turn"),
    Field("capacity", "gauge", "requests it can run at once"),
    Field("connections", "gauge", "open client connections"),
    Field("waits", "gauge", "1 while a listener waits for a worker to have room, 2 for connections to come back"),
    Field("accepted", "counter", "connections accepted"),
    Field("refused", "counter", "requests refused before the application saw them"),
    Field("timeouts", "counter", "connections closed because a client was too slow"),
    Field("cut", "counter", "requests cut by a stop or a kill"),
    Field("overruns", "counter", "requests that took longer than `request_timeout`, or that `timeout` has ended"),
    Field("cut_websockets", "counter", "WebSockets cut, likewise"),
    Field("cut_connections", "counter", "connections reset in the backlog, likewise"),
    Field("cut_tasks", "counter", "tasks cut that requests had left behind, likewise"),
    # From here to `latency` a worker writes all at once (`Row.show`).
    Field("requests", "counter", "requests answered"),
    Field("bytes_in", "counter", "request bytes read, heads included"),
    Field("bytes_out", "counter", "response body bytes"),
    Field("latency_ns", "counter", "sum of request durations, ns"),
    Field("status_1xx", "counter", "final responses of this class (101)"),
    Field("status_2xx", "counter", "responses of this class"),
    Field("status_3xx", "counter", "responses of this class"),
    Field("status_4xx", "counter", "responses of this class"),
    Field("status_5xx", "counter", "responses of this class"),
    Field("latency", "counter", "requests by duration, a bucket each", len(BUCKETS_S) + 1),
    Field("queue_ns", "counter", "sum of waiting times, ns"),
    Field("queue", "counter", "requests by waiting time, a bucket each", len(BUCKETS_S) + 1),
    # Last, so that it stands right before the entries: who runs one request at a time writes both at once.
    Field("in_flight", "gauge", "requests it is running; of a listener: requests that wait for a worker with room"),
)


def _offsets() -> dict[str, int]:
    offsets, at = {}, 0
    for field in FIELDS:
        offsets[field.name] = at
        at += field.words
    assert at + IN_FLIGHT_ENTRIES * ENTRY_WORDS <= PAGE_WORDS, "the entries do not fit the page"
    return offsets


_OFFSETS: Final = _offsets()
ENTRIES_AT: Final = _OFFSETS["in_flight"] + 1

# The words written on the path of a request, by constant: a look-up by name would cost more than the write.
STATE: Final = _OFFSETS["state"]
PID: Final = _OFFSETS["pid"]
ROLE: Final = _OFFSETS["role"]
READY_AT: Final = _OFFSETS["ready_at"]
BEAT_AT: Final = _OFFSETS["beat_at"]
CAPACITY: Final = _OFFSETS["capacity"]
WAITS: Final = _OFFSETS["waits"]
IN_FLIGHT: Final = _OFFSETS["in_flight"]
CONNECTIONS: Final = _OFFSETS["connections"]
ACCEPTED: Final = _OFFSETS["accepted"]
REFUSED: Final = _OFFSETS["refused"]
TIMEOUTS: Final = _OFFSETS["timeouts"]
CUT: Final = _OFFSETS["cut"]
OVERRUNS: Final = _OFFSETS["overruns"]
CUT_WEBSOCKETS: Final = _OFFSETS["cut_websockets"]
CUT_CONNECTIONS: Final = _OFFSETS["cut_connections"]
CUT_TASKS: Final = _OFFSETS["cut_tasks"]

_ENTRY_STARTS: Final = tuple((ENTRIES_AT + entry * ENTRY_WORDS) * 8 for entry in range(IN_FLIGHT_ENTRIES))
_pack_entry: Final = struct.Struct(f"QQ{_ENTRY_TEXT_BYTES}s").pack_into
_pack_only: Final = struct.Struct(f"QQQ{_ENTRY_TEXT_BYTES}s").pack_into
_pack_none: Final = struct.Struct("QQ").pack_into

_TALLY_WORDS: Final = _OFFSETS["latency"] + len(BUCKETS_S) + 1 - _OFFSETS["requests"]
_TALLY_START: Final = _OFFSETS["requests"] * 8
_pack_tally: Final = struct.Struct(f"{_TALLY_WORDS}Q").pack_into
_QUEUE_START: Final = _OFFSETS["queue_ns"] * 8
_pack_queue: Final = struct.Struct(f"{len(BUCKETS_S) + 2}Q").pack_into


@dataclasses.dataclass(frozen=True, slots=True)
class InFlight:
    """A request that a child is running.

    Args:
        started: CLOCK_MONOTONIC, seconds.
        what: method and path without the query, cut to fit.
    """

    started: float
    what: str


class Row:
    """A child's page. The child writes it; others read it.

    `words` is the page as 64-bit words; code on the path of a request writes
    `row.words[REQUESTS] += 1` itself.
    """

    __slots__ = ("enter_only", "index", "leave_only", "page", "words")

    def __init__(self, page: memoryview, index: int) -> None:
        self.index = index
        self.page = page
        self.words: memoryview = page.cast("Q")
        self.enter_only = functools.partial(_pack_only, page, IN_FLIGHT * 8, 1)
        """For one request at a time: `enter_only(started_ns, len(what), what)` names it and counts it as in flight."""
        self.leave_only = functools.partial(_pack_none, page, IN_FLIGHT * 8, 0, 0)
        """The end of `enter_only`."""

    def set(self, name: str, value: int) -> None:
        """Write the field `name`, off the path of a request."""
        self.words[_OFFSETS[name]] = value

    def get(self, name: str) -> int:
        """Read the field `name` (its first word)."""
        return int(self.words[_OFFSETS[name]])

    def enter(self, entry: int, started_ns: int, what: bytes) -> None:
        """Name a request in flight in `entry` (0 to `IN_FLIGHT_ENTRIES` - 1); what does not fit is cut."""
        _pack_entry(self.page, _ENTRY_STARTS[entry], started_ns, len(what), what)

    def leave(self, entry: int) -> None:
        """The request in `entry` is over."""
        self.words[ENTRIES_AT + entry * ENTRY_WORDS] = 0

    def strike(self, started_ns: int) -> None:
        """The request that is in flight since then is seen to, in whichever entry it is named."""
        for entry in range(IN_FLIGHT_ENTRIES):
            if self.words[ENTRIES_AT + entry * ENTRY_WORDS] == started_ns:
                self.leave(entry)

    def show(self, *tally: int) -> None:
        """Write the words from `requests` to the last bucket of `latency`, in that order."""
        _pack_tally(self.page, _TALLY_START, *tally)

    def show_queue(self, *tally: int) -> None:
        """Write the words from `queue_ns` to the last bucket of `queue`, in that order."""
        _pack_queue(self.page, _QUEUE_START, *tally)

    def in_flight(self) -> list[InFlight]:
        """Return the named requests in flight, longest running first."""
        found = []
        for entry in range(IN_FLIGHT_ENTRIES):
            at = ENTRIES_AT + entry * ENTRY_WORDS
            started_ns, length = self.words[at], self.words[at + 1]
            if started_ns:
                text = bytes(self.page[at * 8 + 16 : at * 8 + 16 + min(length, _ENTRY_TEXT_BYTES)])
                found.append(InFlight(started_ns / 1e9, text.decode("latin-1")))
        return sorted(found, key=lambda request: request.started)

    def snapshot(self) -> dict[str, int | list[int]]:
        """Return all fields by name; those of several words as lists."""
        values: dict[str, int | list[int]] = {}
        for field in FIELDS:
            at = _OFFSETS[field.name]
            if field.words == 1:
                values[field.name] = int(self.words[at])
            else:
                values[field.name] = list(self.words[at : at + field.words])
        return values

    def clear(self) -> None:
        """Zero the page, before a new child gets it."""
        self.page[:] = bytes(PAGE_BYTES)

    def fold_into(self, totals: "Row") -> None:
        """Add this row's counters to `totals`, once its child is gone."""
        for field in FIELDS:
            if field.kind == "counter":
                at = _OFFSETS[field.name]
                for word in range(at, at + field.words):
                    totals.words[word] += self.words[word]

    def counters(self) -> dict[str, list[int]]:
        """Return the words of each counter, by its name."""
        return {
            field.name: list(self.words[_OFFSETS[field.name] : _OFFSETS[field.name] + field.words])
            for field in FIELDS
            if field.kind == "counter"
        }

    def add(self, counters: Mapping[str, Sequence[int]]) -> None:
        """Add to the counters what another table has counted; of names that are none here nothing is kept."""
        for field in FIELDS:
            if field.kind == "counter":
                for at, value in zip(range(field.words), counters.get(field.name, ()), strict=False):
                    self.words[_OFFSETS[field.name] + at] += value


# Words of the header page.
_HEADER: Final = (
    *("magic", "version", "rows", "arbiter_pid", "started_at", "generation", "workers", "reload", "reexec"),
    *("workers_min", "workers_max", "scaling"),
    "wish",  # of whoever runs `heeler scale`: the one word here that the arbiter does not write
    "answer",
    # Of a stop: CLOCK_MONOTONIC ns since when no more is to be sent, since when all has drained, and what was cut.
    *("unready_at", "drained_at", "cut"),
    # CLOCK_MONOTONIC ns when the arbiter means to wake; 0 where it waits for something to happen.
    "wake_at",
    "listeners",
)
assert len(_HEADER) <= reload_history.AT, "the words of the header reach into the reloads"
assert reload_history.AT + reload_history.KEPT * reload_history.WORDS <= PAGE_WORDS, "the reloads do not fit the page"


class Scoreboard:
    """The table: made by the arbiter before the first fork, mapped by whoever looks.

    Resource handling: the mapping and the descriptor live as long as the arbiter, or until
    `close`; no name in any file system refers to them, so nothing is left behind.
    """

    def __init__(self, fd: int, memory: mmap.mmap) -> None:
        self.fd = fd
        self._memory = memory
        self._view = view = memoryview(memory)
        self._header = view[:PAGE_BYTES].cast("Q")
        self.reloads = ReloadHistory(view[:PAGE_BYTES])
        self.totals = Row(view[PAGE_BYTES : 2 * PAGE_BYTES], -1)
        count = len(memory) // PAGE_BYTES - 2
        self.rows = [Row(view[at * PAGE_BYTES : (at + 1) * PAGE_BYTES], at - 2) for at in range(2, count + 2)]

    @classmethod
    def create(cls, rows: int) -> Self:
        """Make an empty table for `rows` children, in memory only.

        Where there is no memfd_create(2), an unlinked file of the temporary folder serves.
        """
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("heeler-scoreboard", os.MFD_CLOEXEC)
        else:
            fd, path = tempfile.mkstemp(prefix="heeler-")
            os.unlink(path)
        os.ftruncate(fd, (rows + 2) * PAGE_BYTES)
        board = cls(fd, mmap.mmap(fd, (rows + 2) * PAGE_BYTES))
        board.set("magic", MAGIC)
        board.set("version", VERSION)
        board.set("rows", rows)
        return board

    @classmethod
    def open(cls, path: str, *, writable: bool = False) -> Self:
        """Map the table of another process by its path under /proc.

        Args:
            path: as above.
            writable: whether the word that is not the arbiter's is to be written.

        Raises:
            OSError: it is not there, or not ours to read.
            ValueError: it is no scoreboard, or one of another version.
        """
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if size < 2 * PAGE_BYTES or size % PAGE_BYTES:
                raise ValueError(f"{path} is no scoreboard")
            board = cls(fd, mmap.mmap(fd, size, prot=mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)))
            if board.get("magic") != MAGIC:
                raise ValueError(f"{path} is no scoreboard")
            if board.get("version") != VERSION:
                raise ValueError(f"{path} has layout {board.get('version')}, this Heeler reads {VERSION}")
        except BaseException:
            os.close(fd)
            raise
        return board

    def close(self) -> None:
        """Unmap it: neither the table nor a row of it may be used any more."""
        for row in (self.totals, *self.rows):
            row.words.release()
            row.page.release()
        self.reloads.close()
        self._header.release()
        self._view.release()
        self._memory.close()
        os.close(self.fd)

    def counters(self) -> dict[str, list[int]]:
        """Return what was counted by all, those who are gone included: the words of each counter."""
        every = [row.counters() for row in (self.totals, *self.rows)]
        return {name: [sum(words) for words in zip(*(one[name] for one in every), strict=True)] for name in every[0]}

    def get(self, name: str) -> int:
        """Read a word of the header."""
        return int(self._header[_HEADER.index(name)])

    def set(self, name: str, value: int) -> None:
        """Write a word of the header (but for `wish`, the arbiter only)."""
        self._header[_HEADER.index(name)] = value
