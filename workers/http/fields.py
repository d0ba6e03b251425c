"""Header fields: from the bytes of a head to what WSGI and ASGI want of them.

Clients send the same block of fields again and again, and most lines of a block where
the block differs. So a line is read once, and a block too, and what they say is kept,
keyed by their bytes, in tables that are bounded in count and size. What is kept is a
function of the bytes alone (and of the settings the reader was made with): whether it
was kept can be told by nothing but time.

Decides what each field means; must not know the request line or the connection.
"""

from collections.abc import Container
from typing import Any, Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http import framing
from heeler.workers.http.environ_keys import EnvironKeys, HeaderMap
from heeler.workers.http.kept import Kept
from heeler.workers.http.limits import Limits
from heeler.workers.http.request_line import QuickLines
from heeler.workers.http.seen_lines import SeenLines

Pair = tuple[bytes, bytes]

_KEPT_BLOCKS: Final = 256
_KEPT_BYTES: Final = 2048
_SINGLE: Final = frozenset({"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"})


class Fields:
    """One block of header fields and its meaning. Shared between requests: never change it.

    `environ` holds what WSGI wants: `HTTP_*`, `CONTENT_TYPE` and `CONTENT_LENGTH`;
    `close` and `keep` whether Connection says so; `empty` that no content follows;
    `plain` that Host is there besides, which makes a good HTTP/1.1 request; `odd_names`
    that there may be names with `_`, which are in `block` and perhaps nowhere else.
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
        "odd_names",
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
        self.plain = self.odd_names = False
        # Any: a gateway's values.
        self.memo: dict[bool, dict[str, Any]] = {}
        """What the gateway made of these fields, by whether it trusts the client; kept here to live as long."""

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
        for name in (
            "content_length",
            "chunked",
            "close",
            "keep",
            "expects_continue",
            "upgrade",
            "empty",
            "plain",
            "odd_names",
        ):
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

    __slots__ = ("_latest", "_most", "_seen", "blocks", "keys", "lines")

    def __init__(self, limits: Limits, header_map: HeaderMap = "drop") -> None:
        self._most = limits.fields
        self.keys = EnvironKeys(header_map)
        self._seen = SeenLines(self.keys)
        longest = min(_KEPT_BYTES, limits.head_total - limits.longest_quick_line - 4)
        self.blocks: Kept[bytes, Fields] = Kept(_KEPT_BLOCKS, longest)
        self.lines = QuickLines()
        self._latest = Fields(b"", {}, self.keys)

    @property
    def seen(self) -> Container[str]:
        """Field lines that are known to be good by themselves."""
        return self._seen

    def read(self, block: bytes) -> Fields:
        """Return the fields of `block`: their lines, and the empty line at their end.

        Raises:
            RemoteProtocolError: the fields are to be refused. Where the fault lies
                in a single line, `head_scan` knows it better.
        """
        return self.blocks.get(block) or self.learn(block)

    def learn(self, block: bytes, keep: bool = True) -> Fields:
        """Return the same for a block that is not in `blocks`; `keep` where it may come again."""
        latest = self._latest
        if latest.block == block:  # looked at by `quick`, now by `feed`
            return latest
        lines = block.decode("latin-1").split("\r\n")
        del lines[-2:]  # the empty line, and what is behind its CRLF
        count = len(lines)
        if count > self._most:
            raise RemoteProtocolError("too many header fields", 431)
        environ = self._seen.environ(lines)
        odd_names = None in environ or self.keys.header_map == "dangerous"
        if odd_names or len(environ) != count:
            environ = self._joined(lines)
        fields = Fields(block, environ, self.keys)  # type: ignore[arg-type]  # None is not in it
        fields.odd_names = odd_names
        interpret(fields)
        self._latest = fields
        if keep:
            self.blocks.keep(block, fields)
        return fields

    def _joined(self, lines: list[str]) -> dict[str | None, str]:
        """Return the environ of any lines: names that repeat, names that are dropped."""
        environ: dict[str | None, str] = {}
        for line in lines:
            key, text = self._seen.pair(line)
            if key is None:
                continue
            if key in environ:
                if key in _SINGLE:
                    raise RemoteProtocolError(f"{key} is repeated")
                text = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text
            environ[key] = text
        return environ


def interpret(fields: Fields) -> None:
    """Set what the fields mean.

    Raises:
        RemoteProtocolError: they contradict each other or HTTP.
    """
    environ = fields.environ
    if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
        _frame(fields)
    connection = environ.get("HTTP_CONNECTION")
    if connection == "keep-alive":
        fields.keep = True
    elif connection is not None:
        options = framing.connection_options(connection)
        fields.close = "close" in options
        fields.keep = "keep-alive" in options
        fields.upgrade = "upgrade" in options and bool(environ.get("HTTP_UPGRADE"))
    if "HTTP_EXPECT" in environ:
        if environ["HTTP_EXPECT"].lower() != "100-continue":
            raise RemoteProtocolError("the expectation is unknown", 417)
        fields.expects_continue = True
    fields.plain = fields.empty and "HTTP_HOST" in environ


def _frame(fields: Fields) -> None:
    """Set what the fields say about the content."""
    length = fields.environ.get("CONTENT_LENGTH")
    coding = fields.environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None:
            raise RemoteProtocolError("both Content-Length and Transfer-Encoding")
        framing.check_transfer_encoding(coding)
        fields.chunked = True
        fields.empty = False
    elif length is not None:
        fields.content_length = framing.content_length(length)
        fields.empty = fields.content_length == 0
