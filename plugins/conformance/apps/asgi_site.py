"""The site that the checks visit, for ASGI: the same pages as for WSGI, and what only ASGI has.

It runs on whatever loop the worker class brings.
"""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from heeler.plugins.conformance.apps import common
from heeler.plugins.conformance.apps.any_loop import pause, wait_for
from heeler.plugins.conformance.apps.asgi_websocket import talk

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TEXT = (b"content-type", b"text/plain")
FLOOD_PIECES = 1024
"""64 MiB."""
_flooded = [0]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Do what the first part of the path says, with the rest of it."""
    if scope["type"] == "lifespan":
        await live(scope, receive, send)
        return
    if scope["type"] == "websocket":
        await talk(scope, receive, send)
        return
    name, _, rest = scope["path"][1:].partition("/")
    page: Callable[[Scope, Receive, Send, str], Awaitable[None]] = globals()[
        "page_" + (name or "index").replace("-", "_")
    ]
    await page(scope, receive, send, rest)


async def live(scope: Scope, receive: Receive, send: Send) -> None:
    """Follow the life of the worker."""
    while True:
        message = await receive()
        kind = message["type"].removeprefix("lifespan.")
        common.say(f"lifespan {kind}")
        if "state" in scope and kind == "startup":
            scope["state"]["begun"] = "in the lifespan"
        await send({"type": f"lifespan.{kind}.complete"})
        if kind == "shutdown":
            return


async def begin(send: Send, status: int, *fields: tuple[bytes, bytes]) -> None:
    """Send the head."""
    await send({"type": "http.response.start", "status": status, "headers": [*fields]})


async def body(send: Send, content: bytes, *, more: bool = False) -> None:
    """Send content."""
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def answer(send: Send, content: bytes) -> None:
    """Send a whole response."""
    await begin(send, 200, TEXT, (b"content-length", str(len(content)).encode()))
    await body(send, content)


async def page_index(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Greet."""
    await answer(send, common.GREETING)


async def page_smuggled(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Tell that a request ran that perhaps never should."""
    common.say("ran /smuggled")
    await answer(send, b"smuggled")


async def page_pid(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Tell which worker answers."""
    await answer(send, str(os.getpid()).encode())


async def page_wait(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Answer once the check says so."""
    common.say(f"request begun {rest}")
    await wait_for(rest)
    await answer(send, str(os.getpid()).encode())


async def page_stuck(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Never answer, and let nobody else have the thread."""
    common.say("request stuck")
    common.block()


async def _content(receive: Receive, take: Callable[[bytes], object]) -> bool:
    """Read all content; False where the client went away."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        take(message.get("body", b""))
        if not message.get("more_body", False):
            return True


async def page_echo(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send the content back."""
    parts: list[bytes] = []
    if await _content(receive, parts.append):
        await answer(send, b"".join(parts))


async def page_digest(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Sum the content up."""
    digest = common.Digest()
    if await _content(receive, digest.add):
        await answer(send, digest.text())


async def page_say(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send the rest of the path back."""
    await answer(send, rest.encode())


async def page_slow(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send the rest of the path back, after others had a chance to be quicker."""
    await pause(0.05)
    await answer(send, rest.encode())


async def page_note(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Note that this request ran."""
    if await _content(receive, lambda _data: None):
        common.note(rest)
        await answer(send, rest.encode())


async def page_pieces(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send content without saying how much it will be."""
    await begin(send, 200, TEXT)
    for piece in (b"one, ", b"", b"two, "):
        await body(send, piece, more=True)
    await body(send, b"three")


async def page_large(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send a lot."""
    await begin(send, 200, TEXT, (b"content-length", str(common.LARGE_BYTES).encode()))
    for piece in common.large():
        await body(send, piece, more=True)
    await body(send, b"")


async def page_204(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send nothing."""
    await begin(send, 204)
    await body(send, b"")


async def page_304(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send nothing, though a length is told."""
    await begin(send, 304, (b"content-length", b"5"))
    await body(send, b"")


async def page_404(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Deny."""
    await begin(send, 404, TEXT, (b"content-length", b"0"))
    await body(send, b"")


async def page_raise(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Fail before anything is sent."""
    raise RuntimeError("on purpose, before anything is sent")


async def page_raise_midway(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Fail once some is sent."""
    await begin(send, 200, TEXT)
    await body(send, b"some of it, ", more=True)
    raise RuntimeError("on purpose, in the midst")


async def page_short(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send less than was told."""
    await begin(send, 200, TEXT, (b"content-length", b"10"))
    await body(send, b"short")


# -- what only ASGI has


async def page_scope(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Tell what the scope holds."""
    shown = {name: value for name, value in scope.items() if name != "app"}
    await answer(send, json.dumps(shown, default=_text).encode())


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else repr(value)


async def page_first(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send the first part of the content back before the rest has come, then the number of the rest's bytes."""
    await begin(send, 200, TEXT)
    first = await receive()
    await body(send, first.get("body", b""), more=True)
    digest = common.Digest()
    if not first.get("more_body", False) or await _content(receive, digest.add):
        await body(send, digest.text())


async def page_stream(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send a part, and the rest once the check says so."""
    await begin(send, 200, TEXT)
    await body(send, b"first, ", more=True)
    await wait_for(rest)
    await body(send, b"last")


async def page_disconnect(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send a part, then tell when the client is gone."""
    await begin(send, 200, TEXT)
    await body(send, b"first, ", more=True)
    while (await receive())["type"] != "http.disconnect":
        pass
    common.say(f"disconnected {rest}")
    if rest == "finish":
        await body(send, b"last")


async def page_flood(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Send more than any buffer takes, and count what is accepted."""
    _flooded[0] = 0
    await begin(send, 200, TEXT)
    common.say("flood begun")
    for _ in range(FLOOD_PIECES):
        await body(send, common.PIECE, more=True)
        _flooded[0] += len(common.PIECE)
    await body(send, b"")


async def page_flooded(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Tell how much of the flood was accepted."""
    await answer(send, str(_flooded[0]).encode())


async def page_background(scope: Scope, receive: Receive, send: Send, rest: str) -> None:
    """Answer, and be busy afterwards until the check says so."""
    await answer(send, b"answered")
    await wait_for(rest)
    common.say("background done")
