"""What the Autobahn testsuite talks to: an ASGI application that sends back each message, text as text."""

from collections.abc import Awaitable, Callable
from typing import Any

# Any: the messages of ASGI are dictionaries of values of many types.
Message = dict[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Echo."""
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
