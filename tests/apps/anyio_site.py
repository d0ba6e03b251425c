"""A Starlette application that names no event loop: it runs on whatever anyio finds."""

import contextlib
import contextvars
import hashlib
import math
import sys
from collections.abc import AsyncIterator
from typing import TypedDict

import anyio
import sniffio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

seen = contextvars.ContextVar("seen", default=0)


class State(TypedDict):
    """What the lifespan hands to requests."""

    library: str
    left: anyio.Event


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[State]:
    """Keep a task group open around all requests."""
    seen.set(1000)
    async with anyio.create_task_group() as group:
        yield {"library": sniffio.current_async_library(), "left": anyio.Event()}
        group.cancel_scope.cancel()
    sys.stderr.write("lifespan ended\n")


async def library(request: Request) -> Response:
    """Say which library the lifespan found, and which is found here."""
    return PlainTextResponse(f"{request.state.library} {sniffio.current_async_library()}")


async def context(request: Request) -> Response:
    """Count in the context of the request: always 1 where each has one of its own."""
    seen.set(seen.get() + 1)
    await anyio.sleep(0.001)
    return PlainTextResponse(str(seen.get()))


async def group(request: Request) -> Response:
    """Work in tasks and in threads of its own."""
    found = []

    async def work(number: int) -> None:
        await anyio.sleep(0.001)
        found.append(await anyio.to_thread.run_sync(lambda: number))

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(work, number)
    return PlainTextResponse(str(sum(found)))


async def digest(request: Request) -> Response:
    """Say what was sent."""
    hashed, size = hashlib.sha256(), 0
    async for piece in request.stream():
        hashed.update(piece)
        size += len(piece)
    return PlainTextResponse(f"{size} {hashed.hexdigest()}")


async def large(request: Request) -> Response:
    """Send 20 MB in small pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield b"x" * 10_000

    return StreamingResponse(pieces())


async def ticks(request: Request) -> Response:
    """Send without an end, and note it."""

    async def lines() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick\n"
                await anyio.sleep(0.001)
        finally:
            request.state.left.set()

    return StreamingResponse(lines())


async def left(request: Request) -> Response:
    """Answer once a client of `ticks` has left."""
    with anyio.fail_after(10):
        await request.state.left.wait()
    return PlainTextResponse("left")


async def gate(request: Request) -> Response:
    """Answer once somebody writes to the pipe `gate`."""
    sys.stderr.write("waiting at the gate\n")
    await anyio.Path("gate").read_text()
    return PlainTextResponse("through")


async def stubborn(request: Request) -> Response:
    """Make another exception of its cancellation, in a task of its own."""

    async def work() -> None:
        try:
            await anyio.sleep(math.inf)
        finally:
            raise ValueError("it was cancelled")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(math.inf)
    return PlainTextResponse("never")


async def exits(request: Request) -> Response:
    """Exit, in a task of its own."""

    async def work() -> None:
        raise SystemExit(3)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
    return PlainTextResponse("never")


async def echo(socket: WebSocket) -> None:
    """Send back what comes."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect as gone:
        sys.stderr.write(f"websocket gone code={gone.code}\n")


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/library", library),
        Route("/context", context),
        Route("/group", group),
        Route("/digest", digest, methods=["POST"]),
        Route("/large", large),
        Route("/ticks", ticks),
        Route("/left", left),
        Route("/gate", gate),
        Route("/stubborn", stubborn),
        Route("/exits", exits),
        WebSocketRoute("/echo", echo),
    ],
)
