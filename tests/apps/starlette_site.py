"""A Starlette application: the pages of `support.pages`, WebSockets, a lifespan with state, background tasks."""

import asyncio
import contextlib
import hashlib
import sys
from collections.abc import AsyncIterator
from typing import TypedDict

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from typing_extensions import override


class State(TypedDict):
    """What the lifespan hands to requests."""

    released: asyncio.Event
    done: asyncio.Event
    ended: asyncio.Event


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[State]:
    """Make what requests share, and say when it is over."""
    yield {"released": asyncio.Event(), "done": asyncio.Event(), "ended": asyncio.Event()}
    sys.stderr.write("lifespan ended\n")


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def digest(request: Request) -> Response:
    """Say what was sent, and in how many pieces it came."""
    found, size, pieces = hashlib.sha256(), 0, 0
    async for piece in request.stream():
        found.update(piece)
        size += len(piece)
        pieces += bool(piece)
    return JSONResponse({"size": size, "sha256": found.hexdigest(), "pieces": pieces})


async def form(request: Request) -> Response:
    """Say what the form held."""
    async with request.form() as fields:
        return JSONResponse({name: value for name, value in fields.items() if isinstance(value, str)})


async def upload(request: Request) -> Response:
    """Say what the file was that was sent."""
    async with request.form() as fields:
        file = fields["file"]
        assert isinstance(file, UploadFile)
        content = await file.read()
        digest = hashlib.sha256(content).hexdigest()
        return JSONResponse({"name": file.filename, "size": len(content), "sha256": digest})


async def stream(request: Request) -> Response:
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


async def ticks(request: Request) -> Response:
    """Send without an end."""

    async def lines() -> AsyncIterator[str]:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.001)

    return Noted(lines(), media_type="text/plain")


async def ended(request: Request) -> Response:
    """Answer once `ticks` has ended."""
    async with asyncio.timeout(10):
        await request.state.ended.wait()
    return PlainTextResponse("ended")


async def file(request: Request) -> Response:
    return FileResponse(__file__)


async def broken(request: Request) -> Response:
    raise RuntimeError("broken on purpose")


async def cookies(request: Request) -> Response:
    response = JSONResponse(request.cookies)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, path="/cookies")
    return response


async def later(request: Request) -> Response:
    """Answer, and then wait for `release`."""

    async def work() -> None:
        await request.state.released.wait()
        request.state.done.set()

    return PlainTextResponse("later", background=BackgroundTask(work))


async def release(request: Request) -> Response:
    """Let the work of `later` go on, and answer once it is done."""
    before = request.state.done.is_set()
    request.state.released.set()
    async with asyncio.timeout(10):
        await request.state.done.wait()
    return JSONResponse({"done before": before})


async def ws_echo(socket: WebSocket) -> None:
    """Send back what comes, text as text."""
    offered = socket.scope["subprotocols"]
    await socket.accept(subprotocol="chat" if "chat" in offered else None)
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            sys.stderr.write(f"websocket gone code={message['code']}\n")
            return
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])


async def ws_close(socket: WebSocket) -> None:
    """Close as the first message says: a code and a reason."""
    await socket.accept()
    code, _, reason = (await socket.receive_text()).partition(" ")
    await socket.close(int(code), reason)


async def ws_refuse(socket: WebSocket) -> None:
    """Refuse the connection."""
    await socket.close()


class Passing(BaseHTTPMiddleware):
    """The middleware that people write, with a task group of its own around each request."""

    @override
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Mark the response."""
        response = await call_next(request)
        response.headers["X-Passed"] = "yes"
        return response


app = Starlette(
    lifespan=lifespan,
    middleware=[Middleware(Passing), Middleware(GZipMiddleware, minimum_size=10_000_000)],
    routes=[
        Route("/hello", hello),
        Route("/echo", echo, methods=["POST"]),
        Route("/digest", digest, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        Route("/ticks", ticks),
        Route("/ended", ended),
        Route("/file", file),
        Route("/broken", broken),
        Route("/cookies", cookies),
        Route("/later", later, methods=["POST"]),
        Route("/release", release, methods=["POST"]),
        WebSocketRoute("/ws/echo", ws_echo),
        WebSocketRoute("/ws/close", ws_close),
        WebSocketRoute("/ws/refuse", ws_refuse),
    ],
)
