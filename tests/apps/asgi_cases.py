"""An ASGI application with a path for each thing that a test of the server wants to see."""

import asyncio
import contextvars
import functools
import json
import os
import pathlib
import resource
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]  # Any: what ASGI puts into it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_seen: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="nothing")
FILE = pathlib.Path("file").absolute()
GATE = pathlib.Path("gate")
say = functools.partial(print, flush=True)


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Call the function that the path names."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    await globals()[scope["path"].strip("/") or "hello"](scope, receive, send)


async def lifespan(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["boots"] = [os.getpid()]
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("lifespan stopped")
    await send({"type": "lifespan.shutdown.complete"})


async def start(send: Send, **more: object) -> None:
    await send({"type": "http.response.start", "status": 200} | more)


async def part(send: Send, data: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    await start(send, headers=[(b"content-type", b"text/plain")])
    await part(send, b"hello")


async def told(scope: Message, receive: Receive, send: Send) -> None:
    await start(send)
    known = {name: scope[name] for name in ("client", "server", "path", "root_path", "scheme", "state", "http_version")}
    await part(send, json.dumps(known).encode())


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Send each piece as it comes."""
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await part(send, message["body"], more=more)


async def count(scope: Message, receive: Receive, send: Send) -> None:
    """Read it all; then tell how much it was, and the most memory that ever took."""
    total, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        total += len(message["body"])
        more = message["more_body"]
    await start(send)
    await part(send, f"{total} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}".encode())


async def reads_late(scope: Message, receive: Receive, send: Send) -> None:
    """Read nothing before the gate is opened."""
    say("called")
    await asyncio.to_thread(GATE.read_text)
    await count(scope, receive, send)


async def floods(scope: Message, receive: Receive, send: Send) -> None:
    """Send 64 KiB 1,600 times; say how often that was possible when the client is gone."""
    await start(send)
    sent = 0
    try:
        for _ in range(1600):
            await part(send, bytes(65536), more=True)
            sent += 1
            if sent in (1, 800, 1599):
                say(f"flood {sent}")
    except OSError as error:
        say(f"flood over {sent} {type(error).__name__}")
        raise
    await part(send)


async def refuses(scope: Message, receive: Receive, send: Send) -> None:
    """Answer without a look at the content."""
    await start(send, status=413)
    await part(send, b"no")


async def asks(scope: Message, receive: Receive, send: Send) -> None:
    """Say when the content is wanted."""
    say("about to ask")
    await echo(scope, receive, send)


async def waits(scope: Message, receive: Receive, send: Send) -> None:
    """Wait until the client leaves."""
    await receive()
    say("waiting")
    message = await receive()
    say(f"told {message['type']}")


async def ignores(scope: Message, receive: Receive, send: Send) -> None:
    """Never look whether the client is there."""
    say("ignoring")
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        say("cancelled")
        raise


async def half(scope: Message, receive: Receive, send: Send) -> None:
    """Answer once the client has ended its side."""
    await receive()
    message = await receive()
    await start(send)
    await part(send, message["type"].encode())


async def stays(scope: Message, receive: Receive, send: Send) -> None:
    """Work on behind the response."""
    await hello(scope, receive, send)
    await asyncio.to_thread(GATE.read_text)
    say("stayed")


async def streams(scope: Message, receive: Receive, send: Send) -> None:
    """Send until told that the client is gone."""
    await receive()
    await start(send, headers=[(b"content-type", b"text/event-stream")])
    await part(send, b"data: 1\n\n", more=True)
    say("streaming")
    message = await receive()
    say(f"stream told {message['type']}")
    await part(send, b"data: last\n\n", more=True)


async def context(scope: Message, receive: Receive, send: Send) -> None:
    """Tell what an earlier request has left in the context."""
    before = _seen.get()
    _seen.set("something")
    await start(send)
    await part(send, before.encode())


async def path(scope: Message, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.pathsend", "path": str(FILE)})


async def pieces(scope: Message, receive: Receive, send: Send) -> None:
    """Send a file in four pieces, in the wrong order."""
    await start(send)
    with FILE.open("rb") as file:
        size = os.fstat(file.fileno()).st_size // 4
        for index in (3, 2, 1, 0):
            message = {"type": "http.response.zerocopysend", "file": file, "offset": index * size, "count": size}
            await send(message | {"more_body": index > 0})


async def hints(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await hello(scope, receive, send)


async def trailers(scope: Message, receive: Receive, send: Send) -> None:
    await start(send, trailers=True, headers=[(b"trailer", b"x-sum")])
    await part(send, b"hello")
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})


async def raises(scope: Message, receive: Receive, send: Send) -> None:
    raise ValueError("boom")


async def exits(scope: Message, receive: Receive, send: Send) -> None:
    raise SystemExit(7)


async def cancels_itself(scope: Message, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


async def nothing(scope: Message, receive: Receive, send: Send) -> None:
    pass


# -- other applications


def failing(message: str) -> Callable[..., Awaitable[None]]:
    """Return an application whose startup fails."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})

    return application


async def without_lifespan(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await hello(scope, receive, send)


async def stops_late(scope: Message, receive: Receive, send: Send) -> None:
    """Never be done with its shutdown."""
    if scope["type"] == "http":
        await hello(scope, receive, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    say("stops late")
    await asyncio.sleep(60)


no_database = failing("no database\nat all")
