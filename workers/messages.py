"""Everything the arbiter and its children say to each other.

One frozen dataclass a message, fields of JSON types only; descriptors travel beside it, in `fds`.
One message is one datagram on a SOCK_SEQPACKET pair, so the kernel keeps the borders.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import get_args

MAX_BYTES = 65536
"""The largest datagram; texts are cut to fit."""

TOO_LARGE = "max_worker_memory"
"""The reason to retire of a worker that uses too much memory; the arbiter treats it apart."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """Child to arbiter: the application is loaded; I serve from now on.

    Args:
        worker_class: the name of the class that serves, where the child has chosen it.
    """

    worker_class: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class BootFailed:
    """Child to arbiter: I cannot boot, and trying again would not help.

    Args:
        exit_status: the `ExitStatus` the child ends with.
        text: what the arbiter shows: one line, or the application's traceback.
    """

    exit_status: int
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Retire:
    """Child to arbiter: replace me, I still serve (e.g. `max_requests`).

    Args:
        reason: a fixed phrase, e.g. `max_requests`.
        reached: how much it was, for people; empty where `reason` says it all.
        limit: how much it may be.
    """

    reason: str
    reached: str = ""
    limit: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Leaving:
    """Child to arbiter: I drain, though you have not asked for it; another may take my place at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """Arbiter to child: drain, then exit.

    Args:
        timeout_s: seconds the drain may take; what is left then is cut and counted.
        last: True when the whole server stops: what waits in the backlog is
            served first, since nobody else will. False too where another arbiter has taken over.
    """

    timeout_s: float
    last: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Quit:
    """Arbiter to child: exit now; what is in flight is cut and counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReopenLogs:
    """Arbiter to child: the log files were moved; open them again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Attach:
    """Arbiter to worker: a listener hands you connections from now on.

    Args:
        page: of the listener, on the scoreboard.
        fds: the worker's end of the pair of sockets.
    """

    page: int
    fds: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Join:
    """Arbiter to listener: there is another worker; it says itself when it serves.

    Args:
        age: its name.
        slot: its place.
        page: its page of the scoreboard.
        fds: the listener's end of the pair of sockets, and a copy of the worker's.
    """

    age: int
    slot: int
    page: int
    fds: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Leave:
    """Arbiter to listener: a worker is gone, and was reaped.

    Args:
        age: its name.
    """

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class Listen:
    """Arbiter to listener: after a reload, these are the listening sockets.

    Args:
        addresses: of them, as `Address.parse` reads them.
        keepalive_s: how long a connection may be idle; 0 is for ever. This and the rest: what the settings say now.
        header_timeout_s: how long a new one has for its first request; 0 is for ever.
        connections: how many there may be.
        fds: the sockets, in the same order.
    """

    addresses: tuple[str, ...]
    keepalive_s: float
    header_timeout_s: float
    connections: int
    fds: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Lend:
    """Arbiter to child: accept from these sockets as well, whose slots are vacant.

    Args:
        numbers: of the listeners.
        fds: their descriptors, in the same order. Each side has its own: they travel beside the datagram.
    """

    numbers: tuple[int, ...]
    fds: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class TakeBack:
    """Arbiter to child: accept no more from these sockets that were lent to you.

    Args:
        numbers: of the listeners.
    """

    numbers: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Changed:
    """Watcher to arbiter: files of the project have changed, and are at rest again.

    Args:
        count: how many.
        names: of the first few, for the log.
    """

    count: int
    names: str


@dataclasses.dataclass(frozen=True, slots=True)
class Fork:
    """Arbiter to mold: have a worker forked from you. To a worker: have a mold forked from you, once you have drained.

    Args:
        age: its name.
        slot: its place.
        generation: of the code and the settings.
        page: its page of the scoreboard.
        addresses: of the listening sockets it accepts from, as `Address.parse` reads them.
        numbers: of those, as of `Listener`.
        fds: its end of the channel, then the listening sockets.
    """

    age: int
    slot: int
    generation: int
    page: int
    addresses: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    fds: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Warm:
    """Worker to arbiter: I have served as many requests as a worker is to serve before it becomes a mold."""


@dataclasses.dataclass(frozen=True, slots=True)
class Born:
    """Child that was not forked by the arbiter, to it: I am there, and your child by now.

    Args:
        pid: its process id.
    """

    pid: int


@dataclasses.dataclass(frozen=True, slots=True)
class Complete:
    """New arbiter to old: I serve with all my workers. This and what follows is said in a re-exec, by any version."""


@dataclasses.dataclass(frozen=True, slots=True)
class TakeOver:
    """Old arbiter to new: all is yours."""


@dataclasses.dataclass(frozen=True, slots=True)
class TakenOver:
    """New arbiter to old: the pid file names me; you may go."""


@dataclasses.dataclass(frozen=True, slots=True)
class Announced:
    """Old arbiter to new: the init system takes you for the server; what you say to it is believed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """Old arbiter to new: add this to what you count.

    Args:
        counters: the words of each counter of the scoreboard, by its name.
    """

    counters: Mapping[str, Sequence[int]]


Message = (
    Ready
    | BootFailed
    | Retire
    | Leaving
    | Stop
    | Quit
    | ReopenLogs
    | Lend
    | TakeBack
    | Attach
    | Join
    | Leave
    | Listen
    | Changed
    | Fork
    | Warm
    | Born
    | Complete
    | TakeOver
    | TakenOver
    | Announced
    | Counts
)
_BY_NAME: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}

MAX_FDS = 253
"""The most descriptors that one message brings: of more the kernel will not hear (SCM_MAX_FD)."""


def fds_of(message: Message) -> tuple[int, ...]:
    """Return the descriptors that travel with `message`."""
    return message.fds if isinstance(message, Attach | Join | Listen | Lend | Fork) else ()


def encode(message: Message) -> bytes:
    """Return the datagram for `message`; long texts are cut to `MAX_BYTES`."""
    fields = dataclasses.asdict(message)
    fields.pop("fds", None)
    raw = json.dumps([type(message).__name__, fields]).encode()
    if len(raw) > MAX_BYTES:
        # Escapes make a character up to 6 bytes long (12 outside the BMP, as a pair).
        longest = max((k for k in fields if isinstance(fields[k], str)), key=lambda k: len(fields[k]))
        fields[longest] = fields[longest][-(MAX_BYTES // 16) :]
        raw = json.dumps([type(message).__name__, fields]).encode()
    return raw


def decode(datagram: bytes, fds: Sequence[int] = ()) -> Message:
    """Return the message in `datagram`.

    Args:
        datagram: as `encode` made it.
        fds: the descriptors that came with it.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        name, fields = json.loads(datagram)
        if fds:
            fields["fds"] = tuple(fds)
        for name_of_list in [key for key, value in fields.items() if isinstance(value, list)]:
            fields[name_of_list] = tuple(fields[name_of_list])
        return _BY_NAME[name](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message: {datagram[:80]!r}") from error
