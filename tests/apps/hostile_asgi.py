"""An ASGI application that does what it should not, by path and by name."""

import asyncio
import functools
import os
import pathlib
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from asgi_cases import hello, lifespan, part, start

Message = dict[str, Any]  # Any: what ASGI puts into it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GATE = pathlib.Path("gate")
HANG = pathlib.Path("hang")
say = functools.partial(print, flush=True)
_kept: list[object] = []


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Call the function that the path names."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await globals()[scope["path"].strip("/") or "hello"](scope, receive, send)


async def gate() -> None:
    """Say that it waits, and wait until the gate is opened."""
    say("at the gate")
    await asyncio.to_thread(GATE.read_text)


async def gated(scope: Message, receive: Receive, send: Send) -> None:
    await gate()
    await hello(scope, receive, send)


async def fails(scope: Message, receive: Receive, send: Send) -> None:
    raise ValueError("at once")


async def refuses(scope: Message, receive: Receive, send: Send) -> None:
    """Answer without a look at the content."""
    await start(send, status=413)
    await part(send, b"no")


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Read it all, then answer with it."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message["body"])
        if not message["more_body"]:
            await start(send)
            await part(send, b"".join(parts))
            return


async def asks_late(scope: Message, receive: Receive, send: Send) -> None:
    """Want the content after a while."""
    await gate()
    await echo(scope, receive, send)


async def asks_within(scope: Message, receive: Receive, send: Send) -> None:
    """Want the content when a part of the response is out."""
    await start(send)
    await part(send, b"first", more=True)
    message = await receive()
    say(f"within {message['type']}")
    await part(send, b"last")


async def waits(scope: Message, receive: Receive, send: Send) -> None:
    """Wait until told that the client is gone, and return."""
    await receive()
    say("waiting")
    say(f"told {(await receive())['type']}")


async def large(scope: Message, receive: Receive, send: Send) -> None:
    """Send 8 MiB."""
    await start(send)
    for number in range(128):
        await part(send, bytes([number]) * 65536, more=True)
    await part(send)


async def stubborn(scope: Message, receive: Receive, send: Send) -> None:
    """Take no cancellation."""
    say("stubborn")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            say("not cancelled")


# -- what is done to the loop, the process and its signals


async def raises_in_task(scope: Message, receive: Receive, send: Send) -> None:
    """Leave tasks, callbacks and threads behind that raise what ends a process."""

    async def raises(error: BaseException) -> None:
        raise error

    def raises_now(error: BaseException) -> None:
        raise error

    for error in (SystemExit(5), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")):
        _kept.append(asyncio.ensure_future(raises(error)))
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(raises_now, SystemExit(6))
    asyncio.get_running_loop().call_later(0.01, raises_now, KeyboardInterrupt())
    await asyncio.sleep(0.1)
    await hello(scope, receive, send)


async def stops_loop(scope: Message, receive: Receive, send: Send) -> None:
    """Stop the loop it runs in."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.05)
    await hello(scope, receive, send)


async def takes_signals(scope: Message, receive: Receive, send: Send) -> None:
    """Take signals for itself."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        loop.add_signal_handler(number, say, f"took {number}")
    loop.remove_signal_handler(signal.SIGUSR1)
    await hello(scope, receive, send)


async def forks(scope: Message, receive: Receive, send: Send) -> None:
    """Fork a child that outlives the request; it ends when the gate is opened."""
    if not os.fork():
        try:
            GATE.read_text()  # noqa: ASYNC240 - its only task
        finally:
            os._exit(0)
    await hello(scope, receive, send)


async def blocks_threads(scope: Message, receive: Receive, send: Send) -> None:
    """Leave threads behind that never end."""
    loop = asyncio.get_running_loop()
    for _ in range(3):
        loop.run_in_executor(None, threading.Event().wait)
    threading.Thread(target=threading.Event().wait).start()
    await hello(scope, receive, send)


async def leaves_things(scope: Message, receive: Receive, send: Send) -> None:
    """Leave tasks and generators behind that do not want to end."""

    async def clings() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                say("clings")

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            say("generator ends")
            await asyncio.sleep(60)

    _kept.append(asyncio.ensure_future(clings()))
    _kept.append(left := generator())
    await anext(left)
    await hello(scope, receive, send)


# -- other applications


async def hangs_in_startup(scope: Message, receive: Receive, send: Send) -> None:
    """Never be started where there is a file of that name."""
    if scope["type"] == "lifespan" and HANG.exists():  # noqa: ASYNC240 - nothing else runs
        await receive()
        say("starting")
        await asyncio.sleep(600)
    await app(scope, receive, send)


async def slow_shutdown(scope: Message, receive: Receive, send: Send) -> None:
    """Take a while to shut down, and say how much of the processor that took."""
    if scope["type"] != "lifespan":
        await app(scope, receive, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    before = sum(os.times()[:2])
    await asyncio.sleep(0.4)
    say(f"shut down {sum(os.times()[:2]) - before:.2f}")
    await send({"type": "lifespan.shutdown.complete"})


def make_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop."""
    say("loop made")
    return asyncio.SelectorEventLoop()


def make_nothing() -> None:
    """Return no event loop."""


def make_trouble() -> None:
    """Raise instead."""
    sys.exit("no loop today")
