"""Header fields: from the bytes of a head to what WSGI and ASGI want of them.

Clients send the same block of fields again and again, so a block is read once and
what it says is kept, keyed by its bytes, in a table that is bounded in count and
size. What is kept is a function of the bytes alone (and of the settings the reader
was made with): whether it was kept can be told by nothing but time.

Decides what each field means; must not know the request line or the connection.
"""

from collections.abc import Callable
from typing import Any, Final

import httptools

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http import framing
from heeler.workers.http.authority import is_authority
from heeler.workers.http.environ_keys import EnvironKeys, HeaderMap
from heeler.workers.http.limits import Limits
from heeler.workers.http.request_line import QuickLines

Pair = tuple[bytes, bytes]

_START: Final = b"GET / HTTP/1.1\r\n"  # the C parser judges fields only; its own request line is never the client's
_KEPT_BLOCKS: Final = 256
_KEPT_BYTES: Final = 2048
_SINGLE: Final = frozenset({"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"})


class Fields:
    """One block of header fields and its meaning. Shared between requests: never change it.

    `environ` holds what WSGI wants: `HTTP_*`, `CONTENT_TYPE` and `CONTENT_LENGTH`;
    `close` and `keep` whether Connection says so; `empty` that no content follows;
    `plain` that Host is there besides, which makes a good HTTP/1.1 request.
    """

    __slots__ = (
        "_pairs",
        "block",
        "chunked",
        "close",
        "content_length",
        "empty",
        "environ",
        "expects_continue",
        "keep",
        "keys",
        "memo",
        "plain",
        "upgrade",
    )

    def __init__(self, block: bytes, environ: dict[str, str], keys: EnvironKeys) -> None:
        self.block = block
        self.environ = environ
        self.keys = keys
        self._pairs: list[Pair] | None = None
        self.content_length: int | None = None
        self.chunked = self.close = self.keep = self.expects_continue = self.upgrade = False
        self.empty = True
        self.plain = False
        # Any: an environ's values.
        self.memo: dict[bool, dict[str, Any]] = {}
        """What the WSGI gateway made of these fields, by whether it trusts the client; kept here to live as long."""

    @property
    def pairs(self) -> list[Pair]:
        """The fields in the order sent, names in lower case, without those that are dropped."""
        if self._pairs is None:
            self._pairs = [(name.lower(), value) for name, value in split(self.block) if self.keys.is_kept(name)]
        return self._pairs

    def with_host(self, authority: str) -> "Fields":
        """Return these fields with Host replaced, for a target in absolute form."""
        environ = {"HTTP_HOST": authority} | self.environ | {"HTTP_HOST": authority}
        other = Fields(self.block, environ, self.keys)
        for name in ("content_length", "chunked", "close", "keep", "expects_continue", "upgrade", "empty", "plain"):
            setattr(other, name, getattr(self, name))
        host = (b"host", authority.encode("latin-1"))
        other._pairs = [host, *(pair for pair in self.pairs if pair[0] != b"host")]
        return other


def split(block: bytes) -> list[Pair]:
    """Return the name and value of each line of a valid block, as sent."""
    pairs = []
    for line in block[:-4].split(b"\r\n") if len(block) > 4 else ():
        name, _, value = line.partition(b":")
        pairs.append((name, value.strip(b" \t")))
    return pairs


class FieldReader:
    """Reads blocks of fields; one serves all connections of a worker.

    Args:
        limits: the parsers' limits.
        header_map: what to do with names that have `_` in them.
    """

    __slots__ = ("_feed", "_longest_kept", "_most", "_raw", "blocks", "keys", "lines")

    def __init__(self, limits: Limits, header_map: HeaderMap = "drop") -> None:
        self._longest_kept = min(_KEPT_BYTES, limits.head_total - limits.longest_quick_line - 4)
        self._most = limits.fields
        self.keys = EnvironKeys(header_map)
        self._raw: dict[bytes, bytes] = {}
        self.blocks: dict[bytes, Fields] = {}
        self.lines = QuickLines()
        self._feed = self._new_feed()

    def _new_feed(self) -> Callable[[bytes], None]:
        """Return `feed_data` of a fresh C parser that writes into `self._raw`."""
        return httptools.HttpRequestParser(_Sink(self._raw)).feed_data

    def read(self, block: bytes) -> Fields:
        """Return the fields of `block`: their lines, and the empty line at their end.

        Raises:
            RemoteProtocolError: the fields are to be refused. Where the fault lies
                in a single line, `head_scan` knows it better.
        """
        fields = self.blocks.get(block)
        if fields is not None:
            return fields
        environ = self._environ(block)
        fields = Fields(block, environ, self.keys)
        interpret(fields)
        if len(block) <= self._longest_kept:
            if len(self.blocks) >= _KEPT_BLOCKS:
                self.blocks.clear()
            self.blocks[block] = fields
        return fields

    def _environ(self, block: bytes) -> dict[str, str]:
        """Return the fields as WSGI wants them, read by the C parser."""
        count = block.count(b"\n") - 1
        if count > self._most:
            raise RemoteProtocolError("too many header fields", 431)
        if count == 0:
            return {}
        if not self._parse(block) or len(self._raw) != count:
            return self._environ_exactly(block)
        keys = self.keys
        # The C parser leaves blanks at the end of a value.
        environ = {keys[name]: value.decode("latin-1").rstrip(" \t") for name, value in self._raw.items()}
        if len(environ) != count or None in environ:
            return self._environ_exactly(block)
        return environ  # type: ignore[return-value]  # None is not in it

    def _parse(self, block: bytes) -> bool:
        """Feed the C parser; False if it finds a fault, or was left in no state to tell."""
        self._raw.clear()
        try:
            self._feed(_START + block)
        except httptools.HttpParserError:
            self._feed = self._new_feed()
            return False
        except httptools.HttpParserUpgrade:
            self._feed = self._new_feed()
        return True

    def _environ_exactly(self, block: bytes) -> dict[str, str]:
        """Return the same for any block: names that repeat, names that are dropped, faults."""
        self._feed = self._new_feed()
        broken = False
        try:
            self._feed(_START + block)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            broken = True
        self._feed = self._new_feed()
        environ: dict[str, str] = {}
        for name, value in split(block):
            key = self.keys[name]
            if key is None:
                continue
            text = value.decode("latin-1")
            if key in environ:
                if key in _SINGLE:
                    raise RemoteProtocolError(f"{name.decode('latin-1').title()} is repeated")
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        if broken:
            interpret(Fields(block, environ, self.keys))
            raise RemoteProtocolError("a header field is malformed")
        return environ


class _Sink:
    """What the C parser calls: a method of C, so that no field costs a Python call."""

    __slots__ = ("on_header",)

    def __init__(self, raw: dict[bytes, bytes]) -> None:
        self.on_header = raw.setdefault


def interpret(fields: Fields) -> None:
    """Set what the fields mean.

    Raises:
        RemoteProtocolError: they contradict each other or HTTP.
    """
    get = fields.environ.get
    host = get("HTTP_HOST")
    if host and not is_authority(host):
        raise RemoteProtocolError("Host is malformed")
    length = get("CONTENT_LENGTH")
    coding = get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None:
            raise RemoteProtocolError("both Content-Length and Transfer-Encoding")
        framing.check_transfer_encoding(coding)
        fields.chunked = True
        fields.empty = False
    elif length is not None:
        fields.content_length = framing.content_length(length)
        fields.empty = fields.content_length == 0
    connection = get("HTTP_CONNECTION")
    if connection == "keep-alive":
        fields.keep = True
    elif connection is not None:
        options = framing.connection_options(connection)
        fields.close = "close" in options
        fields.keep = "keep-alive" in options
        fields.upgrade = "upgrade" in options and bool(get("HTTP_UPGRADE"))
    expect = get("HTTP_EXPECT")
    if expect is not None:
        if expect.lower() != "100-continue":
            raise RemoteProtocolError("the expectation is unknown", 417)
        fields.expects_continue = True
    fields.plain = fields.empty and host is not None
