"""Says what it was asked, path and content, whatever the path; for ASGI."""

from collections.abc import Awaitable, Callable
from typing import Any

from heeler.plugins.conformance.apps import asgi_site, common


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer with path, blank, content."""
    if scope["type"] == "lifespan":
        await asgi_site.live(scope, receive, send)
        return
    content, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        content += message.get("body", b"")
        more = message.get("more_body", False)
    common.say(f"ran {scope['path']}")
    await asgi_site.answer(send, scope["path"].encode() + b" " + content)
