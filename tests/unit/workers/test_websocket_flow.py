"""WebSockets and what presses on them: more than fits, silence, and the end of the worker."""

import math
from typing import Any

import pytest
from websockets.frames import PING, Close, Frame

from heeler.workers.websocket_inbox import MOST_MESSAGES
from heeler.workers.websocket_link import CLOSE_S, HIGH_WATER
from support.websocket_fakes import Session, make_worker

Message = dict[str, Any]  # Any: what ASGI puts into it


class App:
    """Accepts, and then takes as many messages as it is let."""

    def __init__(self, takes: float = math.inf) -> None:
        self.takes = takes
        self.got: list[Message] = []

    async def __call__(self, _scope: Message, receive: Any, send: Any) -> None:
        """Serve a WebSocket."""
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            while len(self.got) >= self.takes:
                await Pause()
            self.got.append(await receive())
            if self.got[-1]["type"] == "websocket.disconnect":
                return

    @property
    def texts(self) -> list[str]:
        """What it got."""
        return [message["text"] for message in self.got if "text" in message]


class Pause:
    """Gives way once."""

    def __await__(self) -> Any:  # Any: a generator, as the protocol has it
        """Give way."""
        yield


def opened(app: Any, **settings: object) -> Session:  # Any: an ASGI application
    """Return a session whose application has accepted."""
    session = Session(app, worker=make_worker(**settings))
    session.open()
    return session


# -- too much comes


def test_reading_stops_while_the_application_is_behind() -> None:
    """One by one, messages are taken up to a bound; then nothing is read until all of them are handled."""
    app = App(takes=0)
    session = opened(app)
    wanted = [session.say(str(number)) for number in range(MOST_MESSAGES)]
    assert wanted == [True] * (MOST_MESSAGES - 1) + [False]
    app.takes = MOST_MESSAGES - 1
    session.step()
    assert (len(app.texts), session.connection.resumed) == (MOST_MESSAGES - 1, 0)
    app.takes = math.inf
    session.step()
    assert app.texts == [str(number) for number in range(MOST_MESSAGES)]
    assert session.say("more")
    assert session.connection.resumed == 1
    assert app.texts[-1] == "more"


def test_many_messages_at_once_are_not_all_kept_ready() -> None:
    """What comes in one piece is looked at as the application goes on, and nothing of it is lost."""
    app = App(takes=0)
    session = opened(app)
    many = [str(number) for number in range(5 * MOST_MESSAGES)]
    assert not session.say(*many)
    app.takes = math.inf
    session.step()
    assert app.texts == many
    assert session.connection.resumed == 1


def test_large_messages_count_by_their_size() -> None:
    """One that is larger than all the room is taken, and then nothing more."""
    app = App(takes=0)
    session = opened(app)
    assert not session.say("x" * 300_000)
    app.takes = math.inf
    session.step()
    assert session.connection.resumed == 1
    assert session.say("x" * 1000)


def test_what_came_before_the_connection_broke_is_heard() -> None:
    """Also what was not looked at by then."""
    app = App(takes=0)
    session = opened(app)
    many = [str(number) for number in range(2 * MOST_MESSAGES)]
    session.say(*many)
    session.exchange.on_gone(cut=True)
    app.takes = math.inf
    session.step()
    assert app.texts == many
    assert app.got[-1]["code"] == 1006


def test_a_flood_of_pings_is_bounded_by_what_the_client_takes() -> None:
    """Pongs are not piled up for a client that does not read them."""
    app = App()
    session = opened(app)
    session.connection.pending = HIGH_WATER + 1
    assert not session.feed(Frame(PING, b"p").serialize(mask=True) * 10)
    session.connection.pending = 0
    session.exchange.on_drained()
    assert session.connection.resumed == 1


# -- too much goes


def test_send_waits_for_a_slow_client() -> None:
    """Above the high-water mark, until it has taken most of it."""
    sent: list[int] = []

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        session.connection.pending = HIGH_WATER + 1
        for number in range(3):
            await send({"type": "websocket.send", "bytes": b"x"})
            sent.append(number)

    session = Session(app)
    session.step()
    assert not sent
    session.connection.pending = 100
    session.exchange.on_drained()
    session.step()
    assert sent == [0, 1, 2]


def test_send_does_not_wait_for_a_client_that_left() -> None:
    """It goes on, and the next call says so."""
    errors: list[OSError] = []

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        session.connection.pending = HIGH_WATER + 1
        await send({"type": "websocket.send", "bytes": b"x"})
        try:
            await send({"type": "websocket.send", "bytes": b"x"})
        except OSError as error:
            errors.append(error)

    session = Session(app)
    session.step()
    session.connection.pending = 0
    session.exchange.on_gone(cut=True)
    assert session.step()
    assert len(errors) == 1


# -- silence


def pings(session: Session) -> int:
    """Return how many pings have come since the last call."""
    return sum(frame.opcode is PING for frame in session.events())


def let_time_pass(session: Session) -> None:
    """Let the deadline come."""
    assert session.exchange.deadline < math.inf
    session.exchange.on_deadline(session.exchange.deadline)


def test_a_client_that_answers_pings_stays() -> None:
    """It is asked again and again."""
    app = App()
    session = opened(app)
    for _ in range(3):
        let_time_pass(session)
        assert pings(session) == 1
        session.flush()  # the pong
        let_time_pass(session)
        assert pings(session) == 0
    assert not app.got


def test_a_silent_client_is_closed_with_1011() -> None:
    """The application hears of it; the connection ends when the client does not answer that either."""
    app = App()
    session = opened(app)
    let_time_pass(session)
    let_time_pass(session)
    assert session.heard()[-1] == Close(1011, "keepalive ping timeout")
    session.step()
    assert app.got == [{"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"}]
    let_time_pass(session)
    assert session.connection.finished == [False]


def test_a_client_that_cannot_be_heard_stays() -> None:
    """Its pong may stand behind messages that the application has not taken."""
    app = App(takes=0)
    session = opened(app)
    session.say(*"x" * (2 * MOST_MESSAGES))
    let_time_pass(session)
    let_time_pass(session)
    let_time_pass(session)
    assert session.client.close_code is None
    assert not any(isinstance(item, Close) for item in session.heard())


def test_without_an_interval_there_is_no_deadline() -> None:
    """`websocket_ping_interval = 0` asks nobody."""
    assert opened(App(), websocket_ping_interval=0).exchange.deadline == math.inf


# -- the worker's end


def test_a_drain_closes_with_1012() -> None:
    """The application hears it at once; the client has a while to answer."""
    app = App()
    session = opened(app)
    session.exchange.on_stop(soon=True)
    session.step()
    assert app.got == [{"type": "websocket.disconnect", "code": 1012, "reason": "service restart"}]
    assert session.heard() == [Close(1012, "service restart")]
    assert not session.connection.finished
    assert 0 < session.exchange.deadline < math.inf
    session.flush()
    assert session.connection.finished == [False]
    assert session.entry.status == 101


def test_a_client_that_does_not_answer_the_drain_is_cut() -> None:
    """At half of the grace, or when the close has waited long enough."""
    session = opened(App())
    session.exchange.on_stop(soon=True)
    session.exchange.on_stop(soon=False)
    assert session.connection.finished == [False]
    assert CLOSE_S < 30


def test_a_drain_finds_the_answer_behind_what_was_not_read() -> None:
    """Reading goes on, though the application is behind."""
    app = App(takes=0)
    session = opened(app)
    session.say(*"x" * (2 * MOST_MESSAGES))
    session.exchange.on_stop(soon=True)
    assert session.connection.resumed == 1
    session.heard()
    session.flush()
    assert session.connection.finished == [False]
    app.takes = math.inf
    session.step()
    assert session.is_done and app.got[-1]["code"] == 1012


def test_what_is_accepted_in_a_drain_is_closed_at_once() -> None:
    """The client learns why."""
    app = App()
    session = Session(app)
    session.exchange.on_stop(soon=True)
    session.open()
    assert session.heard() == [Close(1012, "service restart")]
    assert session.is_done


@pytest.mark.parametrize("is_begun", [True, False])
def test_what_is_not_accepted_in_time_is_503(is_begun: bool) -> None:
    """The application hears that it is too late, if it has begun."""
    got: list[Message] = []

    async def app(_scope: Message, receive: Any, _send: Any) -> None:
        got.extend([await receive(), await receive()])

    session = Session(app)
    if is_begun:
        session.step()
    session.exchange.on_stop(soon=True)
    session.exchange.on_stop(soon=False)
    assert session.status == session.entry.status == 503
    assert session.step()
    assert [message.get("code") for message in got] == ([None, 1012] if is_begun else [])


def test_whatever_the_application_does_next_the_end_is_one() -> None:
    """A client that leaves while a close is on its way is counted once."""
    session = opened(App())
    session.exchange.on_stop(soon=True)
    session.exchange.on_gone(cut=True)
    session.exchange.on_stop(soon=False)
    session.step()
    assert session.entry.status == 101
