"""The lifespan: what counts as support, what as failure, and that nobody waits for ever."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from heeler.plugins.errors import BootError
from heeler.workers.lifespan import Lifespan
from support.asgi_fakes import FakeWorker, Stepped

Application = Callable[..., Awaitable[None]]
COMPLETE = {"type": "lifespan.startup.complete"}


class Living:
    """A lifespan, its task and its worker."""

    def __init__(self, application: Application, mode: str = "auto") -> None:
        self.worker = cast("Any", FakeWorker())  # Any: only what is needed of a worker
        self.lifespan = Lifespan(self.worker, application, mode)
        self.task = Stepped(self.lifespan.run())

    def start(self) -> None:
        """Start it as a worker does; raises what the boot fails with."""
        startup = Stepped(self.lifespan.startup())
        startup.step()
        self.task.step()
        assert startup.is_done or startup.step(), "startup still waits"

    def stop(self) -> None:
        """Stop it."""
        shutdown = Stepped(self.lifespan.shutdown())
        shutdown.step()
        if not self.task.is_done:
            self.task.step()
        assert shutdown.is_done or shutdown.step(), "shutdown still waits"


def says(*kinds: str, then: BaseException | None = None, message: str = "") -> Application:
    """Return an application that answers each thing it is asked with one of these, and then raises or returns."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        for kind in kinds:
            await receive()
            await send({"type": f"lifespan.{kind}", "message": message})
        if then is not None:
            raise then

    return app


def test_whole_life(caplog: pytest.LogCaptureFixture) -> None:
    """The application is told of startup and shutdown, fills the state, and its answers are waited for."""
    told: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        told.append((scope["type"], scope["asgi"]["version"]))
        scope["state"]["pool"] = 1
        told.append(await receive())
        await send(COMPLETE)
        told.append(await receive())
        await send({"type": "lifespan.shutdown.complete"})

    living = Living(app, "on")
    living.start()
    assert living.worker.state == {"pool": 1}
    living.stop()
    assert told == [("lifespan", "3.0"), {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    assert living.task.is_done
    assert not caplog.text


def test_startup_is_waited_for() -> None:
    """Startup lasts until the application says that it is complete."""
    ready = FakeWorker().event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        await ready.wait()
        await send(COMPLETE)

    living = Living(app)
    startup = Stepped(living.lifespan.startup())
    living.task.step()
    assert not startup.step()
    ready.set()
    living.task.step()
    assert startup.step()


def test_shutdown_is_waited_for() -> None:
    """Shutdown lasts until the application says that it is complete."""
    ready = FakeWorker().event()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        await receive()
        await send(COMPLETE)
        await receive()
        await ready.wait()
        await send({"type": "lifespan.shutdown.complete"})
        await receive()  # never comes

    living = Living(app)
    living.start()
    shutdown = Stepped(living.lifespan.shutdown())
    shutdown.step()
    living.task.step()
    assert not shutdown.step()
    ready.set()
    assert not living.task.step()
    assert shutdown.step()
    living.task.close()


@pytest.mark.parametrize("then", [ValueError("no lifespan"), AssertionError("scope type"), None])
def test_auto_without_support(then: BaseException | None, caplog: pytest.LogCaptureFixture) -> None:
    """An application that raises, or returns, before its answer has no lifespan: it boots, and nothing waits."""
    caplog.set_level(logging.DEBUG)
    living = Living(says(then=then))
    living.start()
    living.stop()
    assert "lifespan not supported slot=3" in caplog.text
    assert all(record.levelno == logging.DEBUG for record in caplog.records)


def test_on_without_support() -> None:
    """Where it must have one, what it raises fails the boot."""
    with pytest.raises(ValueError, match="no lifespan"):
        Living(says(then=ValueError("no lifespan")), "on").start()
    with pytest.raises(BootError, match=r"without lifespan\.startup\.complete"):
        Living(says(), "on").start()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_startup_failed(mode: str) -> None:
    """An application that says that it failed does not boot, in its own words, whatever it raises then."""
    living = Living(says("startup.failed", message="no database", then=ValueError("more")), mode)
    with pytest.raises(BootError, match="worker in slot 3 did not boot: no database") as caught:
        living.start()
    assert caught.value.slot == 3


def test_startup_failed_without_a_word() -> None:
    """A failure without a message has one of ours."""
    with pytest.raises(BootError, match="lifespan startup failed"):
        Living(says("startup.failed")).start()


def test_off() -> None:
    """Where it is off, the application is not called."""

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("called")

    living = Living(app, "off")
    living.start()
    living.stop()


@pytest.mark.parametrize("then", [ValueError("boom"), SystemExit(3)])
def test_dies_while_serving(then: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """A lifespan that dies while the worker serves is logged with its traceback, and stopping does not wait for it."""
    living = Living(says("startup.complete", then=then))
    living.start()
    assert "lifespan failed slot=3" in caplog.text
    assert type(then).__name__ in caplog.text
    living.stop()


def test_returns_while_serving(caplog: pytest.LogCaptureFixture) -> None:
    """A lifespan may end early."""
    living = Living(says("startup.complete"))
    living.start()
    living.stop()
    assert not caplog.text


def test_shutdown_failed(caplog: pytest.LogCaptureFixture) -> None:
    """A shutdown that fails is logged once, in the application's words."""
    living = Living(says("startup.complete", "shutdown.failed", message="lost it", then=ValueError("again")))
    living.start()
    living.stop()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert (record.getMessage(), record.__dict__["block"]) == ("lifespan shutdown failed slot=3", "lost it")


def test_shutdown_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A shutdown that raises is logged, and over."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        await receive()
        await send(COMPLETE)
        await receive()
        raise ValueError("boom")

    living = Living(app)
    living.start()
    living.stop()
    assert "lifespan failed slot=3" in caplog.text


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["shutdown.complete"], "lifespan.shutdown.complete while it starts"),
        (["nonsense"], "'lifespan.nonsense' is no message of a lifespan"),
    ],
)
def test_illegal_messages(kinds: list[str], reason: str) -> None:
    """An answer that may not come then fails a boot that must have a lifespan."""
    with pytest.raises(Exception, match=reason):
        Living(says(*kinds), "on").start()


def test_answer_twice(caplog: pytest.LogCaptureFixture) -> None:
    """A second answer is the application's fault."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        await send(COMPLETE)
        await send(COMPLETE)

    Living(app).start()
    assert "the application said lifespan.startup.complete while it serves" in caplog.text


def test_cancelled() -> None:
    """A cancelled lifespan keeps nobody waiting."""

    class Cancelled(BaseException):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:  # Any: ASGI's
        await receive()
        await FakeWorker().event().wait()

    living = Living(app)
    startup = Stepped(living.lifespan.startup())
    startup.step()
    living.task.step()
    with pytest.raises(Cancelled):
        living.task.throw(Cancelled())
    assert startup.step()
