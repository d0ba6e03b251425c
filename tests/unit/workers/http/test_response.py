"""Response heads: framing, what is dropped, what is refused."""

from typing import Any

import pytest

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.http.error_page import error_page
from heeler.workers.http.response import LAST_CHUNK, Head, ResponseEncoder, chunk

DATE = b"Mon, 23 Nov 2026 16:08:48 GMT"
TYPE = ("Content-Type", "text/plain")


def encode(
    status: str = "200 OK",
    headers: Any = (),  # Any: the tests give what no type checker would let pass
    *,
    method: str = "GET",
    minor: int = 1,
    keep_alive: bool = True,
    body_length: int | None = None,
    encoder: ResponseEncoder | None = None,
) -> Head:
    """Return a head made by a new encoder."""
    return (encoder or ResponseEncoder(b"heeler")).encode_head(
        status, list(headers), method=method, minor=minor, keep_alive=keep_alive, date=DATE, body_length=body_length
    )


def lines(head: Head) -> list[bytes]:
    """Return the lines of a head, sorted but for the status line."""
    assert head.data.endswith(b"\r\n\r\n")
    first, *rest = head.data[:-4].split(b"\r\n")
    return [first, *sorted(rest)]


def test_head_with_declared_length() -> None:
    """The application's fields, Server and Date are sent; HTTP/1.1 keeps alive without saying so."""
    head = encode(headers=[TYPE, ("content-length", "13"), ("X", "\xe4\t b")])
    assert lines(head) == [
        b"HTTP/1.1 200 OK",
        b"Content-Length: 13",
        b"Content-Type: text/plain",
        b"Date: " + DATE,
        b"Server: heeler",
        b"X: \xe4\t b",
    ]
    assert (head.code, head.reason, head.content_length) == (200, "OK", 13)
    assert (head.bodyless, head.chunked, head.keep_alive) == (False, False, True)


@pytest.mark.parametrize(
    ("minor", "declared", "known", "field", "kept"),
    [
        (1, None, None, b"Transfer-Encoding: chunked", True),
        (1, None, 5, b"Content-Length: 5", True),
        (1, "6", 5, b"Content-Length: 6", True),
        (0, None, None, b"Connection: close", False),
        (0, None, 5, b"Connection: keep-alive", True),
        (0, "0", None, b"Connection: keep-alive", True),
    ],
)
def test_framing(minor: int, declared: str | None, known: int | None, field: bytes, kept: bool) -> None:
    """A length frames where there is one, else chunks, else the end of the connection."""
    headers = [] if declared is None else [("Content-Length", declared)]
    head = encode(headers=headers, minor=minor, body_length=known)
    assert field in lines(head)
    assert head.keep_alive is kept
    assert head.chunked is (b"chunked" in field)


@pytest.mark.parametrize(
    ("status", "method", "sends_length"),
    [("204 No Content", "GET", False), ("304 Not Modified", "GET", True), ("200 OK", "HEAD", True)],
)
def test_no_content(status: str, method: str, sends_length: bool) -> None:
    """204, 304 and HEAD have no content: no chunks, no length made up, the declared one where it is allowed."""
    bare = encode(status, method=method, body_length=5)
    assert bare.bodyless
    assert bare.keep_alive
    assert not bare.chunked
    assert b"ontent-" not in bare.data.split(b"\r\n", 1)[1]
    assert (b"Content-Length: 7" in lines(encode(status, [("Content-Length", "7")], method=method))) is sends_length


def test_closing() -> None:
    """Whoever wants to close, it is said, and once."""
    for head in (
        encode(keep_alive=False, body_length=1),
        encode(headers=[("Connection", "foo, Close")], body_length=1),
        encode(headers=[("connection", "close"), ("Connection", "close")], keep_alive=False, body_length=1, minor=0),
    ):
        assert not head.keep_alive
        assert [line for line in lines(head) if line.lower().startswith(b"connection")] == [b"Connection: close"]


def test_hop_by_hop_fields_are_dropped() -> None:
    """What is said between neighbours only is the server's to say."""
    names = ("Connection", "Keep-Alive", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Proxy-Connection")
    assert lines(encode(headers=[(name, "chunked, x") for name in names], body_length=1)) == lines(
        encode(body_length=1)
    )


def test_own_date_and_server() -> None:
    """The application's Date and Server are sent instead of ours, for that response only."""
    encoder = ResponseEncoder(b"heeler")
    for _ in range(2):
        own = encode(headers=[("Date", "then"), ("server", "me")], body_length=1, encoder=encoder)
        assert lines(own) == [b"HTTP/1.1 200 OK", b"Content-Length: 1", b"Date: then", b"server: me"]
        assert b"Server: heeler" in lines(encode(body_length=1, encoder=encoder))
    assert b"Date: then" in lines(encode(headers=[("Date", "then")], encoder=ResponseEncoder()))
    assert b"erver" not in encode(encoder=ResponseEncoder()).data


@pytest.mark.parametrize("status", ["200", "200 ", "404 Not Found \xe4", "299 x\ty", "999 Own"])
def test_good_status(status: str) -> None:
    """The reason may be empty, and is sent as it is."""
    head = encode(status, body_length=1)
    assert lines(head)[0] == b"HTTP/1.1 %b %b" % (status[:3].encode(), status[4:].encode("latin-1"))
    assert head.reason == status[4:]


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "2000 OK", "200OK", "200\tOK", "+20 OK", "\u0662\u0660\u0660 OK", "100 Continue", "099 x",
     "200 O\r\nX: y", "200 O\nK", "200 O\x00", "200 \x7f", "200 \u2603", "200 OK\n", b"200 OK", 200, None],
)  # fmt: skip
def test_bad_status(status: Any) -> None:  # Any: what an application may give
    """A status that is not `3DIGIT [reason]` is refused; no CR or LF of it is ever sent."""
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            encode(status)


@pytest.mark.parametrize(
    "pair",
    [("", "x"), ("A B", "x"), ("A:", "x"), ("A\r\n", "x"), ("A\n", "x"), ("\xc4", "x"), ("A\x00", "x"),
     ("X", "a\r\nSet-Cookie: y"), ("X", "a\n"), ("X", "\ra"), ("X", "\x00"), ("X", "\x0b"), ("X", "\x7f"),
     ("X", "\u2603"), ("X", 1), ("X", b"y"), ("X", None), (b"X", "y"), ("X",), ("X", "y", "z"), ["X", "y"], "Xy", None,
     ("Content-Length", "+5"), ("Content-Length", "5, 5"), ("Content-Length", ""), ("Content-Length", "1_0"),
     ("Content-Length", "-1"), ("Content-Length", " 5"), ("Content-Length", "\xb2"), ("Content-Length", "9" * 40)],
)  # fmt: skip
def test_bad_header(pair: Any) -> None:  # Any: what an application may give
    """A header that is no token with a printable latin-1 value is refused."""
    encoder = ResponseEncoder()
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            encode(headers=[TYPE, pair], encoder=encoder)


def test_repeated_length() -> None:
    """Content-Length twice is refused, same or not."""
    with pytest.raises(LocalProtocolError):
        encode(headers=[("Content-Length", "5"), ("content-length", "5")])


def test_what_is_kept_is_bounded() -> None:
    """An application whose headers never repeat does not grow the encoder, and every value arrives."""
    encoder = ResponseEncoder()
    for number in range(3000):
        head = encode(f"200 {number}", [("ETag", f"{number}"), ("X", "y" * 500)], encoder=encoder)
        assert b"ETag: %d\r\n" % number in head.data
        assert head.data.startswith(b"HTTP/1.1 200 %d\r\n" % number)
    assert len(encoder._lines) <= 1024
    assert len(encoder._statuses) <= 1024


def test_chunks() -> None:
    """An empty piece is no chunk: it would end the content."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b""
    assert LAST_CHUNK == b"0\r\n\r\n"


@pytest.mark.parametrize("status", [400, 413, 417, 431, 500, 501, 505, 599])
def test_error_page(status: int) -> None:
    """A page is a whole response with its length, and says to close."""
    head, _, page = error_page(status, DATE, "<&>").partition(b"\r\n\r\n")
    fields = head.split(b"\r\n")
    assert fields[0].startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-Length: %d" % len(page) in fields
    assert b"Connection: close" in fields
    assert b"Date: " + DATE in fields
    assert b"&lt;&amp;&gt;" in page
    assert error_page(status, DATE, "<&>", head_only=True, more=b"Retry-After: 5\r\n").endswith(b"\r\n\r\n")
    assert b"\r\nRetry-After: 5\r\n" in error_page(status, DATE, more=b"Retry-After: 5\r\n")


def encode_raw(status: Any, headers: Any, **more: Any) -> Head:  # Any: as in `encode`
    """Return a head as ASGI gives it, made by a new encoder."""
    arguments: dict[str, Any] = {"method": "GET", "minor": 1, "keep_alive": True, "date": DATE} | more
    return ResponseEncoder(b"heeler").encode_raw(status, headers, **arguments)


@pytest.mark.parametrize("headers", [[(b"a", b"\xe4")], [[b"a", b"\xe4"]], iter([(b"a", b"\xe4")]), ((b"a", b"\xe4"),)])
def test_raw_head(headers: Any) -> None:
    """A number and bytes give the same head as text does, whatever holds the pairs."""
    head = encode_raw(200, headers, body_length=3)
    assert head.data == encode(headers=[("a", "\xe4")], body_length=3).data
    assert (head.code, head.reason, head.content_length) == (200, "OK", 3)


def test_raw_status() -> None:
    """A number without a usual reason phrase has none."""
    assert lines(encode_raw(599, []))[0] == b"HTTP/1.1 599 "


@pytest.mark.parametrize("status", ["200", None, 199, 1000, True, 200.0])
def test_raw_status_is_refused(status: object) -> None:
    """What is no status, or an interim one, is refused."""
    with pytest.raises(LocalProtocolError, match="status"):
        encode_raw(status, [])


@pytest.mark.parametrize(
    "headers", [[("a", "b")], [(b"a",)], [b"ab"], [None], None, [(b"a", bytearray(b"b"))], [(b"a", b"b", b"c")]]
)
def test_raw_headers_are_refused(headers: object) -> None:
    """What are no pairs of bytes is refused."""
    with pytest.raises(LocalProtocolError, match="pairs of bytes"):
        encode_raw(200, headers)


@pytest.mark.parametrize("pair", [(b"a b", b""), (b"a", b"\r\nb: c"), (b"content-length", b"-1")])
def test_raw_headers_are_checked(pair: tuple[bytes, bytes]) -> None:
    """Bytes are checked as text is."""
    with pytest.raises(LocalProtocolError):
        encode_raw(200, [pair])


def test_raw_heads_are_kept_apart() -> None:
    """A head that was kept is found again only where all is the same."""
    encoder = ResponseEncoder(b"heeler")
    arguments = [
        (200, ((b"a", b"b"),), "GET", 1, True, DATE, 3, False),
        (201, ((b"a", b"b"),), "GET", 1, True, DATE, 3, False),
        (200, ((b"a", b"c"),), "GET", 1, True, DATE, 3, False),
        (200, ((b"a", b"b"),), "HEAD", 1, True, DATE, 3, False),
        (200, ((b"a", b"b"),), "GET", 0, True, DATE, 3, False),
        (200, ((b"a", b"b"),), "GET", 1, False, DATE, 3, False),
        (200, ((b"a", b"b"),), "GET", 1, True, DATE, None, False),
        (200, ((b"a", b"b"),), "GET", 1, True, DATE, 3, True),
    ]
    fresh = [ResponseEncoder(b"heeler").encode_raw(*each) for each in arguments]
    for _ in range(2):
        assert [encoder.encode_raw(*each).data for each in arguments] == [head.data for head in fresh]
    assert encoder.encode_raw(*arguments[0]) is encoder.encode_raw(*arguments[0])


def test_trailer_is_announced_where_one_comes() -> None:
    """`Trailer` is sent with trailers only, and those make a body chunked whatever was declared."""
    headers = [(b"trailer", b"x"), (b"content-length", b"3")]
    assert b"trailer" not in encode_raw(200, headers).data
    head = encode_raw(200, headers, trailers=True, body_length=3)
    assert b"trailer: x\r\n" in head.data
    assert (head.chunked, head.content_length) == (True, None)
    assert b"Content-Length" not in head.data


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"trailer", b"date", b"a b"])
def test_fields_that_are_no_trailers(name: bytes) -> None:
    """What frames or routes a message may stand in its head only (RFC 9110, section 6.5.1)."""
    with pytest.raises(LocalProtocolError):
        ResponseEncoder().field_lines([(name, b"1")])
