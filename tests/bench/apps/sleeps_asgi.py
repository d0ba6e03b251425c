"""The application under uneven load for ASGI: it sleeps as long as the query says, and leaves the loop to others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

BODY = b"Hello, world!"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())]

# ASGI's events are dictionaries of anything.
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 200 with thirteen bytes of text: to `/?ms=100` after 100 ms, to `/` at once."""
    if scope["type"] == "lifespan":
        for _ in ("startup", "shutdown"):
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
        return
    if query := scope["query_string"]:
        await asyncio.sleep(int(query.removeprefix(b"ms=")) / 1000)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
