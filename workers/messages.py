"""Everything the arbiter and its children say to each other.

One frozen dataclass a message, fields of JSON types only. One message is one
datagram on a SOCK_SEQPACKET pair, so the kernel keeps the borders.
"""

import dataclasses
import json

MAX_BYTES = 65536
"""The largest datagram; texts are cut to fit."""


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
    """

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Leaving:
    """Child to arbiter: I drain, though you have not asked for it; another may take my place at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop:
    """Arbiter to child: drain, then exit.

    Args:
        timeout_s: seconds the drain may take; what is left then is cut and counted.
        last: True when the whole server stops: what waits in the backlog is
            served first, since nobody else will.
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
class Lend:
    """Arbiter to child: accept from these sockets as well, whose slots are vacant.

    Args:
        numbers: of the listeners.
        fds: their descriptors, in the same order. Each side has its own: they travel beside the datagram.
    """

    numbers: list[int]
    fds: list[int]


@dataclasses.dataclass(frozen=True, slots=True)
class TakeBack:
    """Arbiter to child: accept no more from these sockets that were lent to you.

    Args:
        numbers: of the listeners.
    """

    numbers: list[int]


Message = Ready | BootFailed | Retire | Leaving | Stop | Quit | ReopenLogs | Lend | TakeBack

_BY_NAME: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Ready, BootFailed, Retire, Leaving, Stop, Quit, ReopenLogs, Lend, TakeBack)
}


def encode(message: Message) -> bytes:
    """Return the datagram for `message`; long texts are cut to `MAX_BYTES`."""
    fields = dataclasses.asdict(message)
    raw = json.dumps([type(message).__name__, fields]).encode()
    if len(raw) > MAX_BYTES:
        # Escapes make a character up to 6 bytes long (12 outside the BMP, as a pair).
        longest = max((k for k in fields if isinstance(fields[k], str)), key=lambda k: len(fields[k]))
        fields[longest] = fields[longest][-(MAX_BYTES // 16) :]
        raw = json.dumps([type(message).__name__, fields]).encode()
    return raw


def decode(datagram: bytes) -> Message:
    """Return the message in `datagram`.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        name, fields = json.loads(datagram)
        return _BY_NAME[name](**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a message: {datagram[:80]!r}") from error
