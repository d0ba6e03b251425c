"""The same few answers from a WSGI and from an ASGI application: short, read, large, slow."""

import sys
import time
from collections.abc import Iterable
from typing import Any

from wsgi_cases import LARGE

PIECE = 65536


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        begin()
        try:
            wait()
        except BaseException as error:
            say(error)
            raise
    if path == "/begun":
        return begun(start_response)
    if path == "/read":
        environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/large":
        return (LARGE[at : at + PIECE] for at in range(0, len(LARGE), PIECE))
    return [b"done"]


def begun(start_response: Any) -> Iterable[bytes]:
    """Answer half, and then nothing more."""
    start_response("200 OK", [("Content-Length", "8")])
    yield b"half"
    begin()
    wait()
    yield b"half"


def wait() -> None:
    """Take far too long, in a way that every class can interrupt."""
    for _ in range(1200):
        time.sleep(0.05)


def begin() -> None:
    """Tell the test that the request is at the application."""
    sys.stderr.write("application began\n")


def say(error: BaseException) -> None:
    """Tell the test what it was interrupted by."""
    sys.stderr.write(f"interrupted by {type(error).__name__}\n")


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same, of ASGI."""
    import asyncio

    assert scope["type"] == "http", scope["type"]
    path = scope["path"]
    if path == "/slow":
        begin()
        try:
            await asyncio.sleep(60)
        except BaseException as error:
            say(error)
            raise
    if path == "/read":
        while (message := await receive()).get("more_body"):
            if message["type"] == "http.disconnect":
                return
    if path == "/begun":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        begin()
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    if path == "/large":
        for at in range(0, len(LARGE), PIECE):
            await send({"type": "http.response.body", "body": LARGE[at : at + PIECE], "more_body": True})
        await send({"type": "http.response.body"})
    else:
        await send({"type": "http.response.body", "body": b"done"})
