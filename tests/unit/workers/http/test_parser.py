"""The parser's events, phases and limits."""

from collections.abc import Sequence

import pytest

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import Event, RequestParser
from heeler.workers.http.request import END, Request

GET = b"GET /a%20b?c=d?e HTTP/1.1\r\nHost: a:80\r\nX-One: 1\r\n\r\n"


def only_request(events: Sequence[Event]) -> Request:
    """Return the one request that `events` is."""
    assert len(events) == 1
    assert isinstance(events[0], Request), events[0]
    return events[0]


def status(data: bytes, limits: Limits | None = None) -> int:
    """Return the status with which `data` is refused."""
    last = RequestParser(limits or Limits()).feed(data)[-1]
    assert isinstance(last, RemoteProtocolError), last
    return last.status_hint


def test_request() -> None:
    """A GET is one event with all its parts, the target undecoded."""
    request = only_request(RequestParser(Limits()).feed(GET))
    assert (request.method, request.target, request.path, request.query) == ("GET", "/a%20b?c=d?e", "/a%20b", "c=d?e")
    assert (request.minor, request.keep_alive, request.complete) == (1, True, True)
    assert (request.host, request.content_length, request.chunked) == ("a:80", None, False)
    assert (request.expects_continue, request.upgrade) == (False, False)
    assert request.headers == [(b"host", b"a:80"), (b"x-one", b"1")]


def test_request_seen_before() -> None:
    """A request whose fields were seen before says the same as the first."""
    parser = RequestParser(Limits())
    first, second = (only_request(parser.feed(GET)) for _ in range(2))
    assert first.fields is second.fields
    for name in ("method", "target", "path", "query", "minor", "keep_alive", "complete"):
        assert getattr(first, name) == getattr(second, name)


def test_absolute_target() -> None:
    """The authority of an absolute target replaces Host (RFC 9112, section 3.2.2), for that request only."""
    parser = RequestParser(Limits())
    absolute = GET.replace(b"/a%20b", b"HTTP://b.example:81/x")
    request = only_request(parser.feed(absolute))
    assert (request.host, request.path, request.query) == ("b.example:81", "/x", "c=d?e")
    assert request.target == "HTTP://b.example:81/x?c=d?e"
    assert request.headers == [(b"host", b"b.example:81"), (b"x-one", b"1")]
    assert only_request(parser.feed(GET)).host == "a:80"
    assert only_request(parser.feed(GET.replace(b"/a%20b?c=d?e", b"http://b?q"))).path == "/"


@pytest.mark.parametrize(
    "method", ["HEAD", "PUT", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "VERSION-CONTROL", "FOO"]
)
def test_methods(method: str) -> None:
    """Any method in capitals reaches the application."""
    assert only_request(RequestParser(Limits()).feed(GET.replace(b"GET", method.encode()))).method == method


def test_options_asterisk() -> None:
    """`OPTIONS *` has the path `*`."""
    request = only_request(RequestParser(Limits()).feed(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert (request.target, request.path, request.query) == ("*", "*", "")


def test_content_with_length() -> None:
    """Content comes as bytes, then END; what is behind it is the next request."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    parser = RequestParser(Limits())
    request, *rest = parser.feed(head + b"he")
    assert isinstance(request, Request)
    assert (request.complete, request.content_length) == (False, 5)
    assert rest == [b"he"]
    phases = [parser.phase]
    events = parser.feed(b"llo" + GET)
    phases.append(parser.phase)
    assert phases == ["body", "idle"]
    assert events[:2] == [b"llo", END]
    assert isinstance(events[2], Request)


def test_content_of_no_length() -> None:
    """`Content-Length: 0` is a complete request, with no END."""
    parser = RequestParser(Limits())
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    for _ in range(2):
        request = only_request(parser.feed(data))
        assert (request.complete, request.content_length) == (True, 0)


def test_chunked_content() -> None:
    """Chunks that come together are one event; trailers are dropped."""
    parser = RequestParser(Limits())
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"3;x\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"
    request, *rest = parser.feed(data)
    assert isinstance(request, Request)
    assert (request.chunked, request.complete, request.headers[-1][0]) == (True, False, b"transfer-encoding")
    assert rest == [b"abc0123456789", END]


def test_pipelining() -> None:
    """Requests that come together are as many events, and nothing comes behind a close."""
    parser = RequestParser(Limits())
    events = parser.feed(GET * 3 + GET.replace(b"X-One", b"Connection: close\r\nX") + GET)
    assert [event.keep_alive for event in events if isinstance(event, Request)] == [True, True, True, False]
    assert parser.phase == "closed"
    assert parser.feed(GET) == []


def test_events_before_an_error_are_kept() -> None:
    """What is good before a fault is not lost, and after the fault nothing is taken."""
    parser = RequestParser(Limits())
    events = parser.feed(GET + b"GET / HTTP/1.1\r\n\r\n" + GET)
    assert [type(event) for event in events] == [Request, RemoteProtocolError]
    assert parser.feed(GET) == []
    assert parser.phase == "closed"


def test_content_before_an_error_is_kept() -> None:
    """Good chunks before a bad one are still given."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    events = RequestParser(Limits()).feed(head + b"3\r\nabc\r\nx\r\n")
    assert events[1] == b"abc"
    assert isinstance(events[2], RemoteProtocolError)


def test_phases_and_eof() -> None:
    """The end of input is a fault within a head or a body, and none between requests."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    for data, phase in (
        (b"", "idle"),
        (GET, "idle"),
        (b"\r\n", "idle"),
        (b"G", "head"),
        (GET[:-1], "head"),
        (head, "body"),
    ):
        parser = RequestParser(Limits())
        parser.feed(data)
        assert parser.phase == phase
        if phase == "idle":
            parser.eof()
        else:
            with pytest.raises(RemoteProtocolError):
                parser.eof()
        assert parser.phase == "closed"


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_expectation(version: bytes) -> None:
    """100-continue is for HTTP/1.1 with content; in HTTP/1.0 it is ignored."""
    lines = b"POST / %b\r\nHost: a\r\nExpect: 100-Continue\r\n" % version
    request = RequestParser(Limits()).feed(lines + b"Content-Length: 5\r\n\r\n")[0]
    assert isinstance(request, Request)
    assert request.expects_continue == (version == b"HTTP/1.1")
    assert not only_request(RequestParser(Limits()).feed(lines + b"\r\n")).expects_continue


def test_upgrade() -> None:
    """An offer to upgrade is told, and the request read as any other."""
    data = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"
    first, second = RequestParser(Limits()).feed(data * 2)
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert first.upgrade
    assert first.complete


def test_limits_at_their_edge() -> None:
    """A line as long as its limit is good, one byte more is not."""
    limits = Limits(request_line=30, fields=2, field_size=10)
    line = b"GET /%b HTTP/1.1\r\nHost: a\r\n%b\r\n"
    fitting = line % (b"x" * 16, b"X: 4567890\r\n")
    assert only_request(RequestParser(limits).feed(fitting)).path == "/" + "x" * 16
    assert status(line % (b"x" * 17, b""), limits) == 414
    assert status(line % (b"x", b"X: 45678901\r\n"), limits) == 431
    assert status(line % (b"x", b"X: 1\r\nY: 2\r\n"), limits) == 431


def test_limits_while_bytes_trickle() -> None:
    """A limit is enforced as soon as it is passed, not at the end of the line."""
    for data, expected in ((b"GET /" + b"x" * 100, 414), (b"GET / HTTP/1.1\r\nX: " + b"x" * 100, 431)):
        parser = RequestParser(Limits(request_line=30, field_size=50))
        taken = 0
        while not (events := parser.feed(data[taken : taken + 1])):
            taken += 1
        assert isinstance(events[0], RemoteProtocolError)
        assert events[0].status_hint == expected
        assert taken < 90


def test_limit_of_the_head() -> None:
    """The head as a whole has a limit, known fields or not."""
    limits = Limits(request_line=1000, field_size=100, head=1106)
    fields = b"Host: a\r\n" + b"X-Long: 0123456789\r\n" * 4 + b"\r\n"
    assert status(b"GET /%b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"x" * 900, b"X: 0123456789\r\n" * 20), limits) == 431
    assert only_request(RequestParser(limits).feed(b"GET / HTTP/1.1\r\n" + fields)).path == "/"


def test_no_limits() -> None:
    """0 switches a limit off, but for that of the head."""
    limits = Limits(request_line=0, field_size=0)
    data = b"GET /%b HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * 20000, b"y" * 20000)
    assert len(only_request(RequestParser(limits).feed(data)).path) == 20001
    assert status(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 70000), limits) == 414


def test_limit_of_content() -> None:
    """Content over the limit is 413: at the head where its length is declared, else when it passes."""
    limits = Limits(body=5)
    head = b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n"
    assert len(RequestParser(limits).feed(head % b"Content-Length: 5\r\n" + b"hello")) == 3
    assert RequestParser(limits).feed(head % b"Content-Length: 6\r\n")[0].__class__ is RemoteProtocolError
    assert status(head % b"Content-Length: 6\r\n", limits) == 413
    assert status(head % b"Transfer-Encoding: chunked\r\n" + b"3\r\nabc\r\n3\r\n", limits) == 413


def test_large_content_is_not_copied() -> None:
    """A piece that is content from end to end is handed on as it is."""
    parser = RequestParser(Limits())
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
    piece = b"x" * 500
    assert parser.feed(piece)[0] is piece
