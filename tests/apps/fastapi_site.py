"""A FastAPI application: the pages of `support.pages`, WebSockets, a lifespan with state, background tasks."""

import asyncio
import contextlib
import hashlib
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, TypedDict

from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, Response, UploadFile, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send
from typing_extensions import override


class State(TypedDict):
    """What the lifespan hands to requests."""

    released: threading.Event
    done: asyncio.Event
    ended: asyncio.Event


@contextlib.asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Make what requests share, and say when it is over."""
    yield {"released": threading.Event(), "done": asyncio.Event(), "ended": asyncio.Event()}
    sys.stderr.write("lifespan ended\n")


app = FastAPI(lifespan=lifespan)


@app.get("/hello", response_class=PlainTextResponse)
def hello() -> str:
    """Greet, from a thread of FastAPI's pool."""
    return "hello"


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body())


@app.post("/digest")
async def digest(request: Request) -> dict[str, int | str]:
    """Say what was sent, and in how many pieces it came."""
    found, size, pieces = hashlib.sha256(), 0, 0
    async for piece in request.stream():
        found.update(piece)
        size += len(piece)
        pieces += bool(piece)
    return {"size": size, "sha256": found.hexdigest(), "pieces": pieces}


@app.post("/form")
async def form(name: Annotated[str, Form()], of: Annotated[str, Form()]) -> dict[str, str]:
    """Say what the form held."""
    return {"name": name, "of": of}


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int | str | None]:
    """Say what the file was that was sent."""
    content = await file.read()
    return {"name": file.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


class Item(BaseModel):
    """What `price` takes."""

    name: str
    price: float


@app.post("/price")
async def price(item: Item) -> Item:
    """Double the price."""
    return Item(name=item.name, price=2 * item.price)


def session() -> Iterator[str]:
    """Hold something as long as a request lasts."""
    yield "session"
    sys.stderr.write("session closed\n")


@app.get("/session", response_class=PlainTextResponse)
def used(held: Annotated[str, Depends(session)]) -> str:
    """Answer with what is held."""
    return held


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingResponse(lines(), media_type="text/plain")


class Noted(StreamingResponse):
    """A stream that notes when it has come to an end, whatever brought it about."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send, and note the end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            scope["state"]["ended"].set()


@app.get("/ticks")
async def ticks() -> StreamingResponse:
    """Send without an end."""

    async def lines() -> AsyncIterator[str]:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.001)

    return Noted(lines(), media_type="text/plain")


@app.get("/ended", response_class=PlainTextResponse)
async def ended(request: Request) -> str:
    """Answer once `ticks` has ended."""
    async with asyncio.timeout(10):
        await request.state.ended.wait()
    return "ended"


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(__file__)


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken on purpose")


@app.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418, "no coffee", {"X-Kind": "teapot"})


@app.get("/cookies")
async def cookies(request: Request) -> JSONResponse:
    response = JSONResponse(request.cookies)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, path="/cookies")
    return response


@app.post("/later", response_class=PlainTextResponse)
async def later(request: Request, tasks: BackgroundTasks) -> str:
    """Answer, and then wait for `release`: first in a thread, then in the loop."""

    async def finish() -> None:
        request.state.done.set()

    tasks.add_task(request.state.released.wait, 10)
    tasks.add_task(finish)
    return "later"


@app.post("/release")
async def release(request: Request) -> dict[str, bool]:
    """Let the work of `later` go on, and answer once it is done."""
    before = request.state.done.is_set()
    request.state.released.set()
    async with asyncio.timeout(10):
        await request.state.done.wait()
    return {"done before": before}


@app.websocket("/ws/echo")
async def ws_echo(socket: WebSocket) -> None:
    """Send back what comes, text as text."""
    await socket.accept(subprotocol="chat" if "chat" in socket.scope["subprotocols"] else None)
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            sys.stderr.write(f"websocket gone code={message['code']}\n")
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


@app.websocket("/ws/close")
async def ws_close(socket: WebSocket) -> None:
    """Close as the first message says: a code and a reason."""
    await socket.accept()
    code, _, reason = (await socket.receive_text()).partition(" ")
    await socket.close(int(code), reason)


@app.websocket("/ws/refuse")
async def ws_refuse(socket: WebSocket) -> None:
    """Refuse the connection."""
    await socket.close()
