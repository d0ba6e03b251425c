"""What the listener and a worker say to each other, over a pair of sockets of their own: bytes in, values out.

The listener hands out connections; the worker reports what became of them. Every connection has a
number, which is the listener's. Both sides import this, and nothing else knows the bytes.
"""

import enum
import struct
from typing import Final, NamedTuple

MAX_BYTES: Final = 4096
"""The longest datagram."""
UNKNOWN: Final = 0
"""No connection has this number: in a report, one that came from a listener before this one; in a hand, none at all,
and the worker is asked for a sign of life."""


class Kind(enum.IntEnum):
    """What a worker reports."""

    SHARES = 1
    """It serves from now on, and gives each connection back after a response; how many requests it can run at once."""
    KEEPS = 9
    """It serves from now on, and keeps connections as long as it likes; how many requests it can run at once."""
    SLOW = 10
    """The connection waits for its client: to send the rest of a request, or to take that of a response."""
    RUNS = 11
    """It has waited for its client, and runs a request again."""
    TAKEN = 2
    """The connection is the worker's, for as long as it likes."""
    BACK = 3
    """The connection is idle; the worker has closed its copy."""
    GONE = 4
    """The connection is closed."""
    LEAVING = 5
    """It wants no more connections."""
    ROOM = 6
    """It has room again, having had none; or moves, having been asked."""
    ADOPT = 7
    """An idle connection that the listener does not know comes along; how many requests of it were `BUSY`."""
    BUSY = 8
    """The number of requests that it still runs for a listener before this one."""


_REPORT: Final = struct.Struct("<BQ")
_HAND: Final = struct.Struct("<QQ")
REPORT_BYTES: Final = _REPORT.size
unpack_reports = _REPORT.iter_unpack
"""From a datagram to pairs of kind and number."""
pack_report = _REPORT.pack
"""From kind and number to a report; several may stand in one datagram."""
pack_hand = _HAND.pack
"""From the connection's number, and since when its request waits (CLOCK_MONOTONIC ns), to what stands before `Tail`."""
HAND_BYTES: Final = _HAND.size
unpack_hand = _HAND.unpack_from

_NUMBER: Final = struct.Struct("<Q")
pack_number = _NUMBER.pack
"""From the connection's number to what is said quietly: `BACK`, of a connection that was never `SLOW`."""
NUMBER_BYTES: Final = _NUMBER.size
unpack_numbers = _NUMBER.iter_unpack


class Awaits(enum.IntEnum):
    """What the listener waits for, on its page of the scoreboard."""

    NOTHING = 0
    ROOM = 1
    """A request waits until some worker can take it."""
    REPORTS = 2
    """Each connection that comes back: somebody's next request may have come before it."""


class Tail(NamedTuple):
    """What a connection is called: the rest of a hand, and of an `ADOPT`."""

    host: str
    port: int
    address: str
    """Where it came in, as `Address.parse` reads it."""

    def encode(self) -> bytes:
        """Return the bytes."""
        return f"{self.host}\0{self.port}\0{self.address}".encode()

    @classmethod
    def decode(cls, data: bytes) -> "Tail":
        """Return what `encode` was given."""
        host, port, address = data.decode().split("\0")
        return cls(host, int(port), address)
