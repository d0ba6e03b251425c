"""WebSockets, one behaviour a path."""

from typing import Any

Message = dict[str, Any]  # Any: what ASGI puts into it


async def app(scope: Message, receive: Any, send: Any) -> None:
    """Do what the path says."""
    if scope["type"] == "lifespan":
        return
    assert scope["type"] == "websocket"
    await CASES[scope["path"]](scope, receive, send)


async def echo(scope: Message, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})
    print("left", message["code"], message["reason"], flush=True)


async def deny(_scope: Message, _receive: Any, send: Any) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": 402, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"pay ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"first"})


async def refuse(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.close"})


async def fail(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    raise ValueError("a mistake")


async def leave(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})


async def flood(_scope: Message, receive: Any, send: Any) -> None:
    """Send more than any buffer holds; say how much went."""
    await receive()
    await send({"type": "websocket.accept"})
    for _ in range(1000):
        await send({"type": "websocket.send", "bytes": bytes(65536)})
        await send({"type": "websocket.send", "text": "next"})
    print("flooded", flush=True)


async def stream(_scope: Message, receive: Any, send: Any) -> None:
    """Answer only when it has heard the last."""
    await receive()
    await send({"type": "websocket.accept"})
    size = 0
    while (message := await receive()).get("text") != "done":
        size += len(message["bytes"])
    await send({"type": "websocket.send", "text": str(size)})


CASES = {
    "/echo": echo,
    "/deny": deny,
    "/refuse": refuse,
    "/fail": fail,
    "/leave": leave,
    "/flood": flood,
    "/stream": stream,
}
