"""HTTP exchanges with ASGI applications: the bytes, the order of messages, and what becomes of those that fail."""

import logging
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.access_entry import TIMEOUT
from heeler.workers.client import ClientGoneError
from support.asgi_fakes import GET, POST, Exchanging, FakeWorker

Message = dict[str, Any]  # Any: what ASGI puts into it
Application = Callable[..., Awaitable[None]]

START: Message = {"type": "http.response.start", "status": 200}
TRAILERS: Message = {"type": "http.response.start", "status": 200, "trailers": True}
TE = b"GET / HTTP/1.1\r\nHost: x\r\nTE: deflate, trailers\r\n\r\n"


def body(data: object = b"", *, more: bool = False) -> Message:
    """Return a message of the body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def sends(*messages: Message) -> Application:
    """Return an application that sends these."""

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        for message in messages:
            await send(message)

    return app


def answer(*messages: Message, data: bytes = GET) -> Exchanging:
    """Return an exchange whose application has sent these."""
    running = Exchanging(sends(*messages), data)
    assert running.step()
    return running


def raised(*messages: Message, data: bytes = GET) -> BaseException:
    """Return what the application gets for the last of these messages."""
    seen: list[BaseException] = []

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except Exception as error:
            seen.append(error)
            raise

    Exchanging(app, data).step()
    return seen[0]


# -- bytes


def test_whole_response_is_one_write() -> None:
    """Head and body go out together; the length is known; the connection is kept."""
    running = answer(START | {"headers": [(b"content-type", b"text/plain")]}, body(b"hello"))
    assert running.sent == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    assert len(running.connection.writes) == 1
    assert running.connection.finished == [True]
    entry = running.entry
    assert (entry.status, entry.reason, entry.sent, entry.environ) == (200, "OK", 5, None)
    assert list(entry.headers) == [("content-type", "text/plain")]
    assert running.worker.last_response_ns > 0


def test_head_waits_for_the_body() -> None:
    """Nothing is sent before the first message of the body (ASGI HTTP, Response Start)."""
    pause = FakeWorker().event()

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        await send(START)
        await pause.wait()
        await send(body(more=True))
        pause.is_set = False
        await pause.wait()

    running = Exchanging(app)
    running.step()
    assert (running.connection.writes, running.exchange.has_begun) == ([], False)
    pause.set()
    running.step()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert (running.sent, running.exchange.has_begun) == (head, True)
    running.close()


def test_stream_is_chunked() -> None:
    """Without a length a body is chunked, and its last piece and end are one write."""
    running = answer(START, body(b"abc", more=True), body(b"", more=True), body(b"de"))
    assert running.sent.endswith(b"\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert len(running.connection.writes) == 2
    assert running.entry.sent == 5


def test_stream_of_declared_length() -> None:
    """A declared length is believed and kept to."""
    running = answer(START | {"headers": [(b"content-length", b"5")]}, body(b"abc", more=True), body(b"de"))
    assert running.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"
    assert running.connection.finished == [True]


def test_stream_to_http_1_0() -> None:
    """A client of HTTP/1.0 sees the end of the body by that of the connection."""
    running = answer(START, body(b"abc", more=True), body(), data=b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert running.sent == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc"
    assert running.connection.finished == [False]


@pytest.mark.parametrize("more", [True, False])
def test_body_longer_than_declared(more: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What goes beyond Content-Length is dropped, the connection closes, and the log says so."""
    running = answer(START | {"headers": [(b"content-length", b"2")]}, body(b"abc", more=more), body(b"d"))
    assert running.sent.endswith(b"\r\n\r\nab")
    assert running.connection.finished == [False]
    assert "body longer than Content-Length" in caplog.text
    assert running.entry.sent == 2


@pytest.mark.parametrize("messages", [[body(b"ab")], [body(b"a", more=True), body(b"b")]])
def test_body_shorter_than_declared(messages: list[Message], caplog: pytest.LogCaptureFixture) -> None:
    """A body that stays short is cut with a reset: it must not pass for the whole."""
    running = answer(START | {"headers": [(b"content-length", b"3")]}, *messages)
    assert running.connection.is_aborted
    assert running.connection.finished == []
    assert "body shorter than Content-Length" in caplog.text
    assert running.entry.sent == 2


@pytest.mark.parametrize(
    ("method", "status", "head"),
    [
        ("HEAD", 200, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", 204, b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", 304, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ],
)
def test_without_content(method: str, status: int, head: bytes) -> None:
    """HEAD, 204 and 304 have no content, whatever the application sends."""
    start = START | {"status": status, "headers": [[b"content-length", b"5"]]}
    data = f"{method} / HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for messages in ([body(b"hello")], [body(b"he", more=True), body(b"llo")]):
        running = answer(start, *messages, data=data)
        assert running.sent == head
        assert running.connection.finished == [True]
        assert running.entry.sent == 0


def test_large_body_is_not_copied() -> None:
    """A large body is a write of its own."""
    data = bytes(100_000)
    running = answer(START, body(data))
    assert running.connection.writes[1] is data


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc")])
def test_other_bytes(data: object) -> None:
    """Whatever holds bytes is a body."""
    assert answer(START, body(data)).sent.endswith(b"\r\n\r\nabc")
    assert answer(START, body(data, more=True), body()).sent.endswith(b"3\r\nabc\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_line", "fields", "keeps", "kept"),
    [
        ("GET / HTTP/1.1", "", True, True),
        ("GET / HTTP/1.1", "Connection: close\r\n", True, False),
        ("GET / HTTP/1.1", "", False, False),
        ("GET / HTTP/1.0", "", True, False),
        ("GET / HTTP/1.0", "Connection: keep-alive\r\n", True, True),
    ],
)
def test_keep_alive(request_line: str, fields: str, keeps: bool, kept: bool) -> None:
    """The connection is kept where client and worker want that when the response is made."""
    worker = FakeWorker()
    worker.keep_alive = keeps
    running = Exchanging(sends(START, body()), f"{request_line}\r\nHost: x\r\n{fields}\r\n".encode(), worker=worker)
    running.step()
    assert running.connection.finished == [kept]


def test_application_closes() -> None:
    """An application may close the connection."""
    assert answer(START | {"headers": [(b"connection", b"close")]}, body()).connection.finished == [False]


# -- the order of messages


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([body()], "the application sent http.response.body before http.response.start"),
        ([START, START], "the application sent http.response.start after http.response.start"),
        ([START, body(more=True), START], "the application sent http.response.start within the body"),
        ([TRAILERS, body(), body()], "the application sent http.response.body where only trailers may come"),
        ([START, {"type": "http.response.trailers"}], "the application sent http.response.trailers after"),
        ([{"type": "http.request"}], "'http.request' is no message of an HTTP response"),
        ([{"type": "http.response.start"}], "http.response.start has no status"),
        ([START, body("text")], "the body must be bytes, not str"),
        ([START, body(more=True), body(None)], "the body must be bytes, not NoneType"),
        ([START | {"status": 101}, body()], "the response's status is 101"),
        ([START | {"status": "200"}, body()], "a response's status must be a number"),
        ([START | {"headers": [("a", "b")]}, body()], "a response's status must be a number, its headers pairs"),
        ([START | {"headers": [(b"a b", b"c")]}, body()], "the response header name 'a b' is no token"),
        ([START | {"headers": [(b"a", b"b\r\nc: d")]}, body()], "a character that it may not have"),
    ],
)
def test_illegal_messages(messages: list[Message], reason: str) -> None:
    """An illegal message raises an exception that names it, and the state it came in."""
    error = raised(*messages, data=TE)
    assert isinstance(error, LocalProtocolError)
    assert reason in str(error)


def test_messages_after_the_response() -> None:
    """Once the response is complete, all that follows is ignored (ASGI HTTP, Response Body)."""
    running = answer(START, body(b"a"), body(b"b"), START, {"type": "http.response.pathsend", "path": "/etc/passwd"})
    assert running.sent.endswith(b"\r\n\r\na")
    assert running.entry.sent == 1


# -- the application fails


def test_exception_before_the_response(caplog: pytest.LogCaptureFixture) -> None:
    """An exception before anything was sent is logged and answered with 500."""

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        await send(START | {"status": 201})
        raise ValueError("boom")

    running = Exchanging(app)
    running.step()
    assert running.sent.startswith(b"HTTP/1.1 500 ")
    assert running.connection.finished == [False]
    assert (running.entry.status, list(running.entry.headers)) == (500, [])
    assert "request failed method=GET path=/" in caplog.text
    assert "boom" in caplog.text


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_exception_within_the_response(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """An exception within the body cuts the connection, whatever it is, and does not leave the exchange."""

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        await send(START)
        await send(body(b"abc", more=True))
        raise kind

    running = Exchanging(app)
    assert running.step()
    assert running.connection.is_aborted
    assert running.entry.status == 200
    assert "request failed" in caplog.text


def test_exception_after_the_response(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in the work behind a response is logged; the client has its answer and keeps its connection."""

    async def app(scope: object, receive: object, send: Any) -> None:  # Any: ASGI's
        await send(START)
        await send(body(b"abc"))
        raise ValueError("boom")

    running = Exchanging(app)
    running.step()
    assert running.connection.finished == [True]
    assert running.entry.status == 200
    assert "boom" in caplog.text


@pytest.mark.parametrize("messages", [[], [START]])
def test_no_response(messages: list[Message], caplog: pytest.LogCaptureFixture) -> None:
    """An application that returns without a response gets the client a 500, and a line in the log."""
    running = answer(*messages)
    assert running.sent.startswith(b"HTTP/1.1 500 ")
    assert running.entry.status == 500
    assert "application returned without a response" in caplog.text


def test_half_a_response(caplog: pytest.LogCaptureFixture) -> None:
    """An application that returns within the body has its connection cut."""
    running = answer(START, body(b"a", more=True))
    assert running.connection.is_aborted
    assert "application returned within the body" in caplog.text
    assert running.entry.sent == 1


def test_error_page_for_head() -> None:
    """The error page for HEAD has no content."""
    running = answer(data=b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert running.sent.endswith(b"\r\n\r\n")


class Cancelled(BaseException):
    """What a loop cancels with."""


def waits_for_ever(*messages: Message) -> Application:
    """Return an application that sends these and waits."""

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        for message in messages:
            await send(message)
        await FakeWorker().event().wait()

    return app


@pytest.mark.parametrize(("timed_out", "status"), [(True, 504), (False, 500)])
def test_cancelled_before_the_response(timed_out: bool, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A request that overran its time is answered with 504, one that cancels itself with 500; the task is cancelled."""
    running = Exchanging(waits_for_ever())
    running.step()
    running.exchange.timed_out = timed_out
    with pytest.raises(Cancelled):
        running.throw(Cancelled())
    assert running.sent.startswith(b"HTTP/1.1 %d " % status)
    assert running.entry.status == status
    assert ("request timed out" in caplog.text) is timed_out


def test_cancelled_within_the_response() -> None:
    """A response that overruns its time is cut."""
    running = Exchanging(waits_for_ever(START, body(b"a", more=True)))
    running.step()
    running.exchange.timed_out = True
    with pytest.raises(Cancelled):
        running.throw(Cancelled())
    assert running.connection.is_aborted
    assert running.entry.status == 200


@pytest.mark.parametrize("begun", [False, True])
def test_given_up(begun: bool) -> None:
    """An application that goes on though its time is over is answered for once, or cut."""
    running = Exchanging(waits_for_ever(*([START, body(b"a", more=True)] if begun else [])))
    running.step()
    assert running.exchange.give_up()
    assert not running.exchange.give_up()
    assert running.connection.is_aborted is begun
    assert begun or running.sent.startswith(b"HTTP/1.1 504 ")
    assert (running.entry.status, running.entry.outcome) == (200 if begun else 504, TIMEOUT)


def test_cancelled_behind_the_response(caplog: pytest.LogCaptureFixture) -> None:
    """Work behind a response may be cancelled without a word."""
    running = Exchanging(waits_for_ever(START, body()))
    running.step()
    with pytest.raises(Cancelled):
        running.throw(Cancelled())
    assert running.entry.status == 200
    assert not caplog.text


# -- the content


def reads(count: int, seen: list[Message]) -> Application:
    """Return an application that receives so many messages and then answers."""

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        while len(seen) < count:
            seen.append(await receive())
        await send(START)
        await send(body())

    return app


def content(data: bytes, *, more: bool = False) -> Message:
    """Return a message with content."""
    return {"type": "http.request", "body": data, "more_body": more}


DISCONNECT: Message = {"type": "http.disconnect"}


def test_no_content() -> None:
    """A request without content gives one empty message; then `receive` waits."""
    seen: list[Message] = []
    running = Exchanging(reads(2, seen))
    assert not running.step()
    assert seen == [content(b"")]
    running.close()


def test_content_that_is_there() -> None:
    """Content that came with the head is one message."""
    seen: list[Message] = []
    assert Exchanging(reads(1, seen), POST + b"0123456789").step()
    assert seen == [content(b"0123456789")]


def test_content_that_comes() -> None:
    """Content is given as it comes, and the client is asked for it when the application first wants it."""
    seen: list[Message] = []
    running = Exchanging(reads(3, seen), POST)
    assert running.connection.asked == 0
    running.step()
    assert running.connection.asked == 1
    assert running.exchange.on_content(b"012")
    assert running.exchange.on_content(b"345")
    running.step()
    assert running.exchange.on_content(b"6789")
    running.step()
    assert seen == [content(b"012345", more=True), content(b"6789", more=True)]
    running.exchange.on_end()
    assert running.step()
    assert seen[2:] == [content(b"")]
    assert running.connection.asked == 1


def test_content_is_held_back() -> None:
    """Above the high-water mark no more is read, until the application has taken what there is."""
    seen: list[Message] = []
    pause = FakeWorker().event()

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        await pause.wait()
        seen.append(await receive())

    running = Exchanging(app, POST)
    running.step()
    assert running.exchange.on_content(bytes(65536))
    assert not running.exchange.on_content(b"x")
    assert running.connection.resumed == 0
    pause.set()
    running.step()
    assert len(seen[0]["body"]) == 65537
    assert running.connection.resumed == 1


def test_no_content_after_the_response() -> None:
    """After the response `receive` says that nobody is there, also where content was never read."""
    seen: list[Message] = []

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        await send(START)
        await send(body())
        seen.append(await receive())

    for data in (GET, POST + b"0123", POST + b"0123456789"):
        running = Exchanging(app, data)
        assert running.step()
        assert running.connection.asked == 0
    assert seen == [DISCONNECT] * 3


# -- the client leaves


def test_disconnect_is_told() -> None:
    """An application that waits learns that its client is gone; that is all."""
    seen: list[Message] = []
    running = Exchanging(reads(3, seen))
    running.step()
    running.exchange.on_gone(cut=True)
    assert running.step()
    assert seen == [content(b""), DISCONNECT, DISCONNECT]
    assert running.entry.status == 0
    assert running.worker.cancelling == [30]


def test_half_closed() -> None:
    """A client that ended its side is told of by `receive`, and still gets its response."""
    seen: list[Message] = []
    running = Exchanging(reads(2, seen))
    running.step()
    running.exchange.on_gone(cut=False)
    assert running.step()
    assert seen[1] == DISCONNECT
    assert running.sent.startswith(b"HTTP/1.1 200 ")
    assert running.entry.status == 200


def test_work_behind_a_half_closed_response_goes_on() -> None:
    """Once the response is complete, the application is not cancelled for a client that ended its side."""
    running = Exchanging(waits_for_ever(START, body()))
    running.exchange.on_gone(cut=False)
    running.step()
    assert running.worker.cancelling == [30, float("inf")]
    running.close()


def test_no_grace() -> None:
    """`disconnect_grace` 0 never cancels."""
    running = Exchanging(waits_for_ever(), worker=FakeWorker(disconnect_grace=0))
    running.step()
    running.exchange.on_gone(cut=False)
    running.exchange.on_gone(cut=True)
    assert running.worker.cancelling == []
    running.close()


def test_content_that_is_cut() -> None:
    """Content that was cut short is not given as if it were whole; whole content still is."""
    for rest, told in ((b"", [DISCONNECT]), (b"456789", [content(b"0123456789")])):
        seen: list[Message] = []
        running = Exchanging(reads(1, seen), POST + b"0123" + rest)
        running.exchange.on_gone(cut=True)
        running.step()
        assert seen == told


def test_send_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """`send` raises an OSError once the client is gone, and what comes of that is no fault to be logged."""

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        try:
            await send(START)
            await send(body(b"a", more=True))
        except OSError as error:
            raise ExceptionGroup("of a task group", [RuntimeError("the framework's own")]) from error

    running = Exchanging(app)
    running.connection.is_gone = True
    assert running.step()
    assert running.entry.status == 200
    assert not running.connection.finished
    assert caplog.text.count("request failed") == 1  # the group's own error has another reason
    caplog.clear()
    running = Exchanging(sends(START, body(b"a", more=True), body()))
    running.connection.is_gone = True
    assert running.step()
    assert not caplog.text


def test_messages_to_nobody() -> None:
    """Each message raises ClientGoneError once the client is gone."""
    pause = FakeWorker().event()
    seen: list[type] = []

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        await pause.wait()
        for message in (START, body()):
            try:
                await send(message)
            except OSError as error:
                seen.append(type(error))

    running = Exchanging(app)
    running.step()
    running.exchange.on_gone(cut=True)
    pause.set()
    assert running.step()
    assert seen == [ClientGoneError] * 2


def test_whole_response_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A client that is gone when its whole response is sent is booked once."""
    running = Exchanging(sends(START, body(b"abc")))
    running.connection.is_gone = True
    assert running.step()
    assert running.entry.status == 200
    assert not caplog.text


def test_error_page_to_nobody() -> None:
    """A client that is gone when its error page is sent is booked once."""
    running = Exchanging(sends())
    running.connection.is_gone = True
    assert running.step()
    assert running.entry.status == 500


@pytest.mark.parametrize("cancels", [True, False])
def test_left_alone(cancels: bool, caplog: pytest.LogCaptureFixture) -> None:
    """An application that ends because its client ended is no fault; its response is cut."""
    running = Exchanging(waits_for_ever(), GET) if cancels else Exchanging(reads_then_returns)
    running.step()
    running.exchange.on_gone(cut=False)
    if cancels:
        with pytest.raises(Cancelled):
            running.throw(Cancelled())
    else:
        assert running.step()
    assert running.connection.is_aborted
    assert not caplog.text
    assert running.entry.status == 0


async def reads_then_returns(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
    """Wait for the disconnect."""
    while (await receive())["type"] != "http.disconnect":
        pass


def test_stream_is_told_to_end(caplog: pytest.LogCaptureFixture) -> None:
    """In a drain a stream is told of a disconnect when half of the time is over, and closed without an end."""

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        await receive()
        await send(START)
        await send(body(b"a", more=True))
        assert await receive() == DISCONNECT
        await send(body(b"b", more=True))

    running = Exchanging(app)
    running.step()
    running.exchange.on_stop(soon=True)
    assert not running.step()
    running.exchange.on_stop(soon=False)
    assert running.step()
    assert running.sent.endswith(b"1\r\na\r\n1\r\nb\r\n")
    assert running.connection.finished == [False]
    assert not caplog.text
    assert running.worker.cancelling == []


# -- back-pressure


def test_send_waits_for_the_client() -> None:
    """`send` waits while too much is pending, and goes on when it was told of room."""
    running = Exchanging(sends(START, body(b"a", more=True), body(b"b", more=True), body(b"c")))
    running.connection.pending = 65537
    assert not running.step()
    assert running.sent.endswith(b"1\r\na\r\n")
    assert not running.step()
    running.connection.pending = 1000
    running.exchange.on_drained()
    assert running.step()
    assert running.sent.endswith(b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")


def test_last_send_does_not_wait() -> None:
    """A complete response is the connection's: nothing waits for the client to take it."""
    running = Exchanging(sends(START, body(b"a")))
    running.connection.pending = 1 << 20
    assert running.step()


def test_client_leaves_while_send_waits(caplog: pytest.LogCaptureFixture) -> None:
    """A client that is gone wakes `send`, which raises."""
    running = Exchanging(sends(START, body(b"a", more=True), body(b"b")))
    running.connection.pending = 65537
    running.step()
    running.exchange.on_gone(cut=True)
    assert running.step()
    assert running.entry.sent == 1
    assert not caplog.text


# -- extensions


def test_path(tmp_path: pathlib.Path) -> None:
    """A file is sent by its path, with its length."""
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    running = answer(START, {"type": "http.response.pathsend", "path": str(file)})
    assert running.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
    assert running.entry.sent == 10


def test_path_for_head(tmp_path: pathlib.Path) -> None:
    """HEAD gets no file."""
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    start = START | {"headers": [(b"content-length", b"10")]}
    running = answer(
        start, {"type": "http.response.pathsend", "path": str(file)}, data=b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert running.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize("name", ["missing", "", None])
def test_path_that_is_no_file(name: str | None, tmp_path: pathlib.Path) -> None:
    """A file that cannot be sent is an error of the application's, no OSError, and nothing is sent before."""
    path = str(tmp_path / name) if name is not None else None
    message = {"type": "http.response.pathsend", "path": path}
    assert isinstance(raised(START, message), LocalProtocolError)
    assert answer(START, message).sent.startswith(b"HTTP/1.1 500 ")


def test_open_file(tmp_path: pathlib.Path) -> None:
    """Parts of an open file mix with other parts of the body; its position moves on where no offset is given."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    kind = "http.response.zerocopysend"
    with path.open("rb") as file:
        file.read(1)
        running = answer(
            START,
            body(b"<", more=True),
            {"type": kind, "file": file, "count": 2, "more_body": True},
            {"type": kind, "file": file, "offset": 8, "more_body": True},
            {"type": kind, "file": file, "more_body": True},
            body(b">"),
        )
    assert running.sent.endswith(b"1\r\n<\r\n2\r\n12\r\n2\r\n89\r\n7\r\n3456789\r\n1\r\n>\r\n0\r\n\r\n")


def test_open_file_as_the_whole(tmp_path: pathlib.Path) -> None:
    """A file that is the whole body has its length."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        running = answer(START, {"type": "http.response.zerocopysend", "file": file.fileno(), "count": 4})
        assert file.read() == b"456789"
    assert running.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n0123"


def test_open_files_wait_for_the_client(tmp_path: pathlib.Path) -> None:
    """No more of files is taken on than the client has taken: each part holds a descriptor."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        message = {"type": "http.response.zerocopysend", "file": file, "count": 2, "more_body": True}
        running = Exchanging(sends(START, message, message, body()))
        running.connection.owes_file = True
        assert not running.step()
        running.exchange.on_drained()
        assert not running.step()
        running.connection.owes_file = False
        running.exchange.on_drained()
        assert running.step()


@pytest.mark.parametrize("count", [11, -1])
def test_open_file_too_short(count: int, tmp_path: pathlib.Path) -> None:
    """What is not in a file cannot be sent of it."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        error = raised(START, {"type": "http.response.zerocopysend", "file": file, "count": count})
    assert "the file has 10 bytes" in str(error)


@pytest.mark.parametrize("file", [None, b"", 10_000])
def test_no_open_file(file: object) -> None:
    """What is no open file is an error of the application's."""
    assert isinstance(raised(START, {"type": "http.response.zerocopysend", "file": file}), LocalProtocolError)


def trailers(*headers: tuple[bytes, bytes], more: bool = False) -> Message:
    """Return a message of trailers."""
    return {"type": "http.response.trailers", "headers": headers, "more_trailers": more}


def test_trailers() -> None:
    """Trailers follow a chunked body for a client that looks at them, however the body came."""
    start = TRAILERS | {"headers": [(b"trailer", b"x-a, x-b"), (b"content-length", b"3")]}
    running = answer(start, body(b"abc"), trailers((b"x-a", b"1"), more=True), trailers((b"x-b", b"2")), data=TE)
    assert running.sent == (
        b"HTTP/1.1 200 OK\r\ntrailer: x-a, x-b\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"
    )
    assert running.connection.finished == [True]
    running = answer(TRAILERS, body(b"abc", more=True), body(), trailers((b"x-a", b"1")), data=TE)
    assert running.sent.endswith(b"3\r\nabc\r\n0\r\nx-a: 1\r\n\r\n")


def test_trailers_that_nobody_wants() -> None:
    """A client that did not say `TE: trailers` gets none, and no field that announces them."""
    start = TRAILERS | {"headers": [(b"trailer", b"x-a")]}
    running = answer(start, body(b"abc"), trailers((b"x-a", b"1")))
    assert running.sent == b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    running = answer(start, body(b"abc", more=True), body(), trailers((b"x-a", b"1")))
    assert running.sent.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


def test_trailers_that_do_not_come(caplog: pytest.LogCaptureFixture) -> None:
    """A body whose trailers never come is complete, and the log says so."""
    running = answer(TRAILERS, body(b"abc"), data=TE)
    assert running.sent.endswith(b"3\r\nabc\r\n0\r\n\r\n")
    assert "response without the trailers it announced" in caplog.text


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"a b"])
def test_trailers_that_may_not_be(name: bytes) -> None:
    """Fields that frame the message are no trailers (RFC 9110, section 6.5.1)."""
    error = raised(TRAILERS, body(b"abc"), trailers((name, b"1")), data=TE)
    assert isinstance(error, LocalProtocolError)


def test_early_hints() -> None:
    """Hints go out at once, before and after `http.response.start`; the response follows."""
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]}
    running = answer(hint, START, hint, body(b"a"))
    told = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n"
    assert running.sent == told * 2 + b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"


def test_hints_that_are_too_late_or_too_new() -> None:
    """Hints within the body, or for HTTP/1.0, are dropped."""
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>"]}
    assert b"103" not in answer(START, body(b"a", more=True), hint, body()).sent
    assert b"103" not in answer(hint, START, body(), data=b"GET / HTTP/1.0\r\n\r\n").sent


def test_debug(caplog: pytest.LogCaptureFixture) -> None:
    """What an application says for debugging is named at level debug."""
    caplog.set_level(logging.DEBUG)
    answer({"type": "http.response.debug", "info": {"template": 1, "context": 2}}, START, body())
    assert "response debug path=/ info=template,context" in caplog.text


# -- hooks


def test_hooks() -> None:
    """`pre_request` is called before the application, `post_request` with the response and no environ."""
    calls: list[object] = []

    def post_request(worker: object, request: Any, environ: object, response: Any) -> None:  # Any: as seen
        calls.append(("post", request.path, environ, response.status, response.headers, response.sent))

    worker = FakeWorker(
        pre_request=lambda worker, request: calls.append(("pre", request.path)), post_request=post_request
    )

    async def app(scope: object, receive: Any, send: Any) -> None:  # Any: ASGI's
        calls.append("app")
        await send(START | {"headers": [(b"a", b"\xe4")]})
        await send(body(b"abc"))

    Exchanging(app, worker=worker).step()
    assert calls == [("pre", "/"), "app", ("post", "/", None, "200 OK", [("a", "\xe4")], 3)]


def test_hook_refuses() -> None:
    """A `pre_request` that raises is answered with 500; the application is not called."""

    def pre_request(worker: object, request: object) -> None:
        raise ValueError("no")

    running = Exchanging(sends(START, body(b"a")), worker=FakeWorker(pre_request=pre_request))
    running.step()
    assert running.entry.status == 500
