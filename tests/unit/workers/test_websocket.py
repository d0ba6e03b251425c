"""WebSockets of ASGI applications: what may be said when, and what comes of it."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.access_entry import TIMEOUT
from heeler.workers.client import ClientGoneError
from support.websocket_fakes import Session, handshake, make_worker

Message = dict[str, Any]  # Any: what ASGI puts into it
Application = Callable[..., Awaitable[None]]

ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}


async def echo(_scope: Message, receive: Any, send: Any) -> None:
    """Say what was heard."""
    assert await receive() == {"type": "websocket.connect"}
    await send(ACCEPT)
    while (message := await receive())["type"] != "websocket.disconnect":
        await send(message | {"type": "websocket.send"})


def sends(*messages: Message) -> Application:
    """Return an application that sends these, and then returns."""

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


def told(*messages: Message) -> tuple[Application, list[Message]]:
    """Return an application that sends these and then takes what comes, and the list of what came."""
    got: list[Message] = []

    async def app(_scope: Message, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        while not got or got[-1]["type"] != "websocket.disconnect":
            got.append(await receive())

    return app, got


def raised(*messages: Message) -> BaseException | None:
    """Return what the application gets for the last of these."""
    seen: list[BaseException] = []

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except Exception as error:
            seen.append(error)

    Session(app).step()
    return seen[0] if seen else None


def text(data: str) -> Message:
    """Return a message of text."""
    return {"type": "websocket.send", "text": data}


# -- from end to end


def test_messages_go_both_ways() -> None:
    """Text stays text and bytes stay bytes, one at a time or many at once."""
    session = Session(echo)
    session.open()
    session.say("héllo")
    session.say(b"a", "", "c" * 70000)
    assert session.heard() == ["héllo", b"a", "", "c" * 70000]
    session.client.send_close(4000, "bye")
    session.flush()
    assert session.heard() == [Close(4000, "bye")]
    assert session.is_done
    assert session.connection.finished == [False]


def test_a_session_is_one_line_in_the_log() -> None:
    """It is logged and counted at its end: status 101, and the bytes of its frames."""
    session = Session(echo)
    session.open()
    session.say("hello")
    assert not session.worker.heard.entries
    session.client.send_close(1000)
    session.flush()
    assert (session.entry.status, session.entry.sent) == (101, 2 + 5 + 4)
    assert session.worker.heard.counts == [(1, 11)]


def test_the_scope_says_what_is_asked_for() -> None:
    """It is that of ASGI's specification, in full."""
    scopes: list[Message] = []

    async def app(scope: Message, _receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(CLOSE)

    Session(app, subprotocols=["chat", "superchat"]).step()
    (scope,) = scopes
    headers = scope.pop("headers")
    assert (b"host", b"x") in headers
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/chat",
        "raw_path": b"/chat",
        "query_string": b"room=1",
        "root_path": "",
        "client": ("192.0.2.1", 50000),
        "server": ("127.0.0.1", 8000),
        "subprotocols": ["chat", "superchat"],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }


def test_the_application_chooses_subprotocol_and_headers() -> None:
    """The client gets both with the 101."""
    session = Session(
        sends({"type": "websocket.accept", "subprotocol": "superchat", "headers": [(b"x-a", b"1")]}),
        subprotocols=["chat", "superchat"],
    )
    session.open()
    assert session.client.subprotocol == "superchat"
    assert b"\r\nx-a: 1\r\n" in session.connection.sent


@pytest.mark.parametrize("is_wanted", [True, False])
def test_compression_is_the_operators_choice(is_wanted: bool) -> None:
    """`websocket_compression` decides, where the client offers it."""
    worker = make_worker(websocket_compression=is_wanted)
    session = Session(echo, worker=worker, deflate=ClientPerMessageDeflateFactory())
    session.open()
    assert bool(session.client.extensions) == is_wanted
    session.say("x" * 1000)
    assert session.heard() == ["x" * 1000]
    assert (len(session.connection.sent) < 600) == is_wanted


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (handshake().replace(b": 13", b": 8"), 426, b"Sec-WebSocket-Version: 13\r\n"),
        (handshake(more=b""), 400, b"Connection: close\r\n"),
        (handshake(b"Sec-WebSocket-Extensions: ;"), 400, b"Connection: close\r\n"),
    ],
)
def test_a_bad_handshake_never_reaches_the_application(
    data: bytes, status: int, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered, logged and counted, and the connection ends."""
    caplog.set_level(logging.INFO)
    session = Session(sends({"type": "no such thing"}), data, worker=make_worker(websocket_compression=True))
    assert session.step()
    assert session.status == session.entry.status == status
    assert line in session.connection.sent
    assert session.connection.finished == [False]
    assert "request refused" in caplog.text


def test_without_the_library_the_log_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is told that it is not to be had here."""
    monkeypatch.setitem(__import__("sys").modules, "heeler.workers.websocket_frames", None)
    session = Session(echo)
    assert session.step()
    assert session.status == session.entry.status == 501
    assert "pip install 'heeler[websocket]'" in caplog.text


# -- denial


def test_closing_first_is_forbidden() -> None:
    """`websocket.close` before `websocket.accept` is 403."""
    session = Session(sends(CLOSE))
    assert session.step()
    assert session.status == session.entry.status == 403
    assert session.connection.finished == [False]


def test_an_application_may_deny_with_a_response_of_its_own() -> None:
    """In one piece it has a length, in several it is chunked."""
    start = {"type": "websocket.http.response.start", "status": 418, "headers": [(b"x-a", b"1")]}
    body = {"type": "websocket.http.response.body", "body": b"short and stout"}
    whole = Session(sends(start, body))
    assert whole.step()
    assert whole.connection.sent.startswith(b"HTTP/1.1 418 ")
    assert b"\r\nx-a: 1\r\n" in whole.connection.sent and b"Content-Length: 15\r\n" in whole.connection.sent
    assert whole.connection.sent.endswith(b"\r\n\r\nshort and stout")
    assert (whole.entry.status, whole.entry.sent) == (418, 15)
    pieces = Session(sends(start, body | {"more_body": True}, body | {"body": b""}))
    assert pieces.step()
    assert pieces.connection.sent.endswith(b"\r\n\r\nf\r\nshort and stout\r\n0\r\n\r\n")
    assert pieces.connection.finished == [False]


@pytest.mark.parametrize("ending", [(), ({"type": "websocket.http.response.body", "body": b"a", "more_body": True},)])
def test_a_denial_that_stops_short_is_no_whole_one(ending: tuple[Message, ...]) -> None:
    """Before its first byte it becomes a 500, after that the connection is cut."""
    session = Session(sends({"type": "websocket.http.response.start", "status": 401}, *ending))
    assert session.step()
    assert session.status == (401 if ending else 500)
    assert session.connection.is_aborted == bool(ending)


# -- order


DENY: Message = {"type": "websocket.http.response.start", "status": 403}


@pytest.mark.parametrize(
    "messages",
    [
        (text("early"),),
        ({"type": "http.response.start", "status": 200},),
        ({"type": "websocket.http.response.body", "body": b""},),
        ({"type": "websocket.http.response.start", "status": 101},),
        (ACCEPT, ACCEPT),
        (ACCEPT, DENY),
        (DENY, ACCEPT),
        (DENY, CLOSE),
        (ACCEPT, CLOSE, text("late")),
        (ACCEPT, CLOSE, CLOSE),
        (CLOSE, ACCEPT),
        (ACCEPT, {"type": "websocket.send"}),
        (ACCEPT, {"type": "websocket.send", "text": None, "bytes": None}),
        (ACCEPT, {"type": "websocket.send", "text": "a", "bytes": b"a"}),
        (ACCEPT, {"type": "websocket.send", "text": b"a"}),
        (ACCEPT, {"type": "websocket.send", "bytes": "a"}),
        (ACCEPT, {"type": "websocket.close", "code": 1006}),
        (ACCEPT, {"type": "websocket.close", "reason": "x" * 200}),
        ({"type": "websocket.accept", "subprotocol": "not offered"},),
        ({"type": "websocket.accept", "headers": [(b"a", b"b\nc")]},),
    ],
)
def test_what_may_not_be_said_is_an_error_in_the_application(messages: tuple[Message, ...]) -> None:
    """The application gets an exception that says why, and nothing is sent."""
    assert isinstance(raised(*messages), LocalProtocolError)


@pytest.mark.parametrize("extra", [{}, {"bytes": None}])
def test_the_other_kind_may_be_none(extra: Message) -> None:
    """`bytes: None` beside text is as good as none."""
    assert raised(ACCEPT, text("a") | extra) is None


# -- ends


def test_the_application_closes() -> None:
    """Its code and reason go out; the connection ends with the client's answer; what it hears is its own code."""
    app, got = told(ACCEPT, {"type": "websocket.close", "code": 4001, "reason": "enough"})
    session = Session(app)
    session.open()
    assert session.is_done
    assert session.heard() == [Close(4001, "enough")]
    assert not session.connection.finished
    session.flush()
    assert session.connection.finished == [False]
    assert got[-1] == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}
    assert not session.worker.cancelling


def test_a_client_that_does_not_answer_the_close_is_left() -> None:
    """After a while the connection ends anyway."""
    session = Session(sends(ACCEPT, CLOSE))
    session.open()
    session.exchange.on_deadline(session.exchange.deadline)
    assert session.connection.finished == [False]


def test_returning_closes() -> None:
    """With 1000 once it is accepted; with 500, and a line in the log, before."""
    session = Session(sends(ACCEPT))
    session.open()
    assert session.heard() == [Close(1000, "")]
    session = Session(sends())
    assert session.step()
    assert session.status == session.entry.status == 500


def test_raising_closes(caplog: pytest.LogCaptureFixture) -> None:
    """With 1011 once it is accepted, with 500 before; the traceback is in the log."""

    async def app(scope: Message, _receive: Any, send: Any) -> None:
        if scope["query_string"]:
            await send(ACCEPT)
        raise ValueError("a mistake")

    session = Session(app)
    session.open()
    assert session.heard() == [Close(1011, "")]
    assert "a mistake" in caplog.text
    session = Session(app, handshake())
    assert session.step()
    assert session.status == session.entry.status == 500


@pytest.mark.parametrize(
    ("code", "data", "reason"),
    [
        (1005, b"\x88\x80\0\0\0\0", ""),
        (4000, b"\x88\x84\0\0\0\0\x0f\xa0hi", "hi"),
        (1002, b"\x81\x01a", "incorrect masking"),
    ],
)
def test_the_application_hears_how_it_ended(code: int, data: bytes, reason: str) -> None:
    """1005 where the client gave no code, the client's code, or that of its fault; and hears it again if it asks."""
    app, got = told(ACCEPT)
    session = Session(app)
    session.open()
    session.feed(data)
    assert got == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": code, "reason": reason}]
    assert session.worker.cancelling == [30]


def test_messages_before_the_end_are_heard() -> None:
    """The disconnect comes behind what came before it."""
    app, got = told(ACCEPT)
    session = Session(app)
    session.open()
    session.client.send_text(b"a")
    session.client.send_close(1000)
    session.flush()
    assert [message["type"] for message in got[1:]] == ["websocket.receive", "websocket.disconnect"]


def test_a_broken_connection_is_1006() -> None:
    """The application hears of it, and is cancelled if it goes on for too long."""
    app, got = told(ACCEPT)
    session = Session(app)
    session.open()
    session.exchange.on_gone(cut=True)
    assert session.step()
    assert got[-1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    assert session.worker.cancelling == [30]
    assert session.entry.status == 101


@pytest.mark.parametrize("cut", [True, False])
def test_a_client_that_leaves_before_the_answer(cut: bool) -> None:
    """The application hears 1006, and cannot accept."""
    errors: list[OSError] = []

    async def app(_scope: Message, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["code"] == 1006
        try:
            await send(ACCEPT)
        except OSError as error:
            errors.append(error)

    session = Session(app)
    assert not session.step()
    session.exchange.on_gone(cut=cut)
    assert session.step()
    assert errors and not session.connection.sent
    assert session.entry.status == 0


def test_sending_to_a_client_that_left_is_an_oserror(caplog: pytest.LogCaptureFixture) -> None:
    """As the specification wants it; closing what is closed is no error; nobody is to blame in the log."""
    caplog.set_level(logging.INFO)

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        await send(ACCEPT)
        session.connection.is_gone = True
        with pytest.raises(ClientGoneError):
            await send(text("a"))
        await send(CLOSE)
        await send(text("b"))

    session = Session(app)
    assert session.step()
    assert not caplog.text
    assert session.entry.status == 101


def test_a_cancelled_application_closes_with_1011() -> None:
    """The cancellation passes on."""

    class CancelledError(BaseException):
        """What a loop has for it."""

    session = Session(echo)
    session.open()
    with pytest.raises(CancelledError):
        session.throw(CancelledError())
    assert session.heard() == [Close(1011, "")]


def test_an_application_that_does_not_answer_in_time_is_504() -> None:
    """The worker cancels it at `request_timeout`; once it has accepted there is no such limit."""

    class CancelledError(BaseException):
        """What a loop has for it."""

    async def app(_scope: Message, receive: Any, _send: Any) -> None:
        while True:
            await receive()

    session = Session(app)
    session.step()
    session.exchange.timed_out = True
    with pytest.raises(CancelledError):
        session.throw(CancelledError())
    assert session.status == session.entry.status == 504
    assert session.entry.outcome == TIMEOUT


def test_an_application_that_is_given_up() -> None:
    """An open WebSocket is closed with 1011: the worker is about to end."""
    session = Session(echo)
    session.open()
    assert not session.exchange.give_up()
    assert session.heard() == [Close(1011, "")]
    assert not session.exchange.give_up()
