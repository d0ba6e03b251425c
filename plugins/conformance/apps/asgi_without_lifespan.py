"""An ASGI application that knows of no lifespan."""

from collections.abc import Awaitable, Callable
from typing import Any

from heeler.plugins.conformance.apps import asgi_site


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Greet, and refuse all else."""
    if scope["type"] != "http":
        raise NotImplementedError(f"no {scope['type']} here")
    await asgi_site.page_index(scope, receive, send, "")
