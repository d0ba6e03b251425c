"""From the bytes of a connection to requests: the one parser of every worker class.

Cuts messages apart, and leaves each part to who knows it: the request line, the
fields, the chunks. Must not know sockets, time or the response.
"""

import enum
from random import getrandbits
from typing import Final, Literal

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http import request_line
from heeler.workers.http.chunked import ChunkedBody
from heeler.workers.http.fields import FieldReader, Fields
from heeler.workers.http.head_scan import HeadScan
from heeler.workers.http.limits import Limits
from heeler.workers.http.request import END, End, Request
from heeler.workers.http.request_maker import make_request

Event = Request | bytes | End | RemoteProtocolError

_END: Final = b"\r\n\r\n"
_OFTEN: Final = 8  # look for fields so often in vain, and from then on at one request of eight, by chance


class _State(enum.Enum):
    HEAD = 0
    LENGTH = 1
    CHUNKS = 2
    CLOSED = 3


class RequestParser:
    """The requests of one connection, pipelined ones too.

    Args:
        limits: the sizes it refuses.
        reader: what reads the fields. All connections of a worker share one, which
            makes it fast; made anew when None.
    """

    __slots__ = (
        "_blocks",
        "_buffer",
        "_chunks",
        "_idle",
        "_keep_alive",
        "_last",
        "_left",
        "_limits",
        "_lines",
        "_longest_block",
        "_longest_line",
        "_reader",
        "_scan",
        "_skipped",
        "_state",
        "_vain",
    )

    def __init__(self, limits: Limits, reader: FieldReader | None = None) -> None:
        self._limits = limits
        self._reader = reader or FieldReader(limits)
        self._blocks = self._reader.blocks
        self._lines = self._reader.lines
        self._vain = 0  # how many requests there were since fields that had been seen before
        self._longest_line = limits.longest_quick_line
        # Of a block that is read without looking at the limits one by one: no line of it can be too long.
        room = limits.head_total - self._longest_line
        self._longest_block = min(limits.field_size or room, room) - 4
        self._last: Fields | None = None  # plain ones, of the last request told quickly
        self._idle = True  # a request line is what comes next, with nothing before it
        self._state = _State.HEAD
        self._buffer = bytearray()  # of a head that is not whole
        self._scan: HeadScan | None = None
        self._skipped = False  # the empty line that may come before a request line
        self._left = 0
        self._keep_alive = True  # of the request whose content is coming
        self._chunks: ChunkedBody | None = None

    @property
    def phase(self) -> Literal["idle", "head", "body", "closed"]:
        """What the parser waits for.

        `idle`: the first byte of a request; `head`: the rest of one; `body`: content;
        `closed`: nothing, what comes is ignored.
        """
        if self._state is _State.HEAD:
            return "head" if self._buffer else "idle"
        return "closed" if self._state is _State.CLOSED else "body"

    def quick(self, data: bytes) -> Request | None:
        """Return the one request without content that `data` is, or None, where `feed` must look at it.

        The common case, told without an exact look: fields that were seen before, most
        often those of the connection's last request.
        """
        if not self._idle:
            return None
        cut = data.find(b"\r\n")
        fields = self._last
        if fields is None or len(data) - cut - 2 != len(fields.block) or not data.endswith(fields.block):
            if not data.endswith(_END):
                return None
            block = data[cut + 2 :]
            vain = self._vain
            look = vain < _OFTEN or not getrandbits(3)
            fields = self._blocks.get(block) if look else None
            if fields is None:
                self._vain = vain + 1
                return self._unseen(data[:cut], block, look)
            self._vain = 0
            if not fields.plain:
                return None
            self._last = fields
        if cut > self._longest_line:
            return None
        line = self._lines[data[:cut]]
        if line is None:
            return None
        if fields.close:
            self._close()
            return Request(line, fields, False, True)
        return Request(line, fields, True, True)

    def _unseen(self, head: bytes, block: bytes, keep: bool) -> Request | None:
        """Return the same for what may be a request line and a block of fields that was not seen before."""
        if len(block) > self._longest_block or len(head) > self._longest_line:
            return None
        try:
            fields = self._reader.learn(block, keep)
        except RemoteProtocolError:
            return None
        line = self._lines[head] if fields.plain else None
        if line is None:
            return None
        if fields.close:
            self._close()
            return Request(line, fields, False, True)
        return Request(line, fields, True, True)

    def _with_content(self, data: bytes) -> list[Event] | None:
        """Return the events of the one request with all its content that `data` is, or None, as `quick` does."""
        end = data.find(_END) + 4
        cut = data.find(b"\r\n")
        if not 4 < end - cut < self._longest_block or cut > self._longest_line:
            return None
        try:
            fields = self._reader.read(data[cut + 2 : end])
        except RemoteProtocolError:
            return None
        length = fields.content_length
        if not length or length != len(data) - end or "HTTP_HOST" not in fields.environ:
            return None
        line = self._lines[data[:cut]]
        if line is None or 0 < self._limits.body < length:
            return None
        if fields.close:
            self._close()
        return [Request(line, fields, not fields.close, False), data[end:], END]

    def feed(self, data: bytes) -> list[Event]:
        """Return the events in `data`, which follows what was fed before.

        A request, its content (`bytes`, never empty), `END`; a request whose `complete`
        is true has neither content nor END. A RemoteProtocolError is the last event ever:
        answer with its status and close. Nothing comes after a request that is not kept
        alive either, and nothing is ever raised.
        """
        request = self.quick(data)
        if request is not None:
            return [request]
        if self._idle and (whole := self._with_content(data)) is not None:
            return whole
        events: list[Event] = []
        try:
            self._feed(data, events)
        except RemoteProtocolError as error:
            self._close()
            events.append(error)
        self._idle = self._state is _State.HEAD and not self._buffer and not self._skipped
        return events

    def eof(self) -> None:
        """Take note that the client sends no more.

        Raises:
            RemoteProtocolError: a message was cut.
        """
        phase = self.phase
        self._close()
        if phase in ("head", "body"):
            raise RemoteProtocolError(f"the connection ended within a {phase}")

    def _close(self) -> None:
        self._state = _State.CLOSED
        self._idle = False
        self._buffer = bytearray()
        self._scan = self._chunks = None

    def _feed(self, data: bytes, events: list[Event]) -> None:
        position = 0
        while position < len(data):
            if self._state is _State.HEAD:
                position = self._take_head(data, position, events)
            elif self._state is _State.LENGTH:
                position = self._take_length(data, position, events)
            elif self._state is _State.CHUNKS:
                position = self._take_chunks(data, position, events)
            else:
                return

    def _take_head(self, data: bytes, position: int, events: list[Event]) -> int:
        """Take a head, or the part of it that came; return where it ends."""
        if self._buffer:
            before = len(self._buffer)
            self._buffer += data[position:] if position else data
            end = self._buffer.find(b"\r\n\r\n", max(0, before - 3))
            head = bytes(self._buffer[: end + 4])
            taken = end + 4 - before
        else:
            end = data.find(b"\r\n\r\n", position)
            head = data[position : end + 4] if end >= 0 else data[position:]
            before, taken = 0, len(head)
        if head[:2] == b"\r\n" and not self._skipped:
            self._skipped = True
            self._buffer.clear()
            return position + 2 - before
        if end < 0:
            if not self._buffer:
                self._buffer += head
            self._examine(self._buffer)
            return len(data)
        self._buffer.clear()
        self._scan = None
        self._skipped = False
        self._begin(self._request(head), events)
        return position + taken

    def _examine(self, head: bytes | bytearray) -> None:
        if self._scan is None:
            self._scan = HeadScan(self._limits, self._lines, self._reader.seen)
        self._scan.advance(head)

    def _request(self, head: bytes) -> Request:
        """Return the request of a whole head."""
        limits = self._limits
        cut = head.find(b"\r\n")
        try:
            if len(head) > limits.field_size or cut > limits.request_line:
                HeadScan(limits).advance(head)
            line = head[:cut]
            fields = self._reader.read(head[cut + 2 :])
            return make_request(self._lines[line] or request_line.read(line), fields)
        except RemoteProtocolError:
            HeadScan(limits).advance(head)  # the first fault decides
            raise

    def _begin(self, request: Request, events: list[Event]) -> None:
        """Make ready for the content that `request` announces."""
        length = request.content_length
        if length is not None and 0 < self._limits.body < length:
            raise RemoteProtocolError("the content is too large", 413)
        events.append(request)
        self._keep_alive = request.keep_alive
        if request.complete:
            if not request.keep_alive:
                self._close()
        elif request.chunked:
            self._chunks = ChunkedBody(self._limits)
            self._state = _State.CHUNKS
        else:
            self._left = length or 0
            self._state = _State.LENGTH

    def _take_length(self, data: bytes, position: int, events: list[Event]) -> int:
        piece = data[position : position + self._left]
        events.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._end(events)
        return position + len(piece)

    def _take_chunks(self, data: bytes, position: int, events: list[Event]) -> int:
        assert self._chunks is not None
        content: list[bytes] = []
        try:
            position = self._chunks.feed(data, position, content)
        finally:
            if content:
                events.append(b"".join(content) if len(content) > 1 else content[0])
        if self._chunks.is_done:
            self._end(events)
        return position

    def _end(self, events: list[Event]) -> None:
        """End the content."""
        events.append(END)
        self._chunks = None
        self._state = _State.HEAD
        if not self._keep_alive:
            self._close()
