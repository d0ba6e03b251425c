"""A WebSocket application: what it does stands in the path."""

from collections.abc import Awaitable, Callable
from typing import Any

from heeler.plugins.conformance.apps import common

Message = dict[str, Any]


async def talk(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Echo, refuse, pick a subprotocol, or close with a code of its own."""
    first = await receive()
    assert first["type"] == "websocket.connect", first
    if scope["path"] == "/reject":
        await send({"type": "websocket.close"})
        return
    offered = scope.get("subprotocols", [])
    await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None})
    if scope["path"] == "/close":
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        return
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            common.say(f"websocket disconnected {message.get('code')}")
            return
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"]})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
