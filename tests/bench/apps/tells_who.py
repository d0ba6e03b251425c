"""The application of the soak: each answer tells which request it answers, by which code and process.

It notes in the file that `NOTES` names what it began and ended, as boots_slowly.py does; what is noted survives its
process. `edition.py` lies in the server's folder, and is what a reload brings: a number, or a fault.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from edition import EDITION  # type: ignore[import-not-found]

# ASGI's events are dictionaries of anything.
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SERVICE_S = int(os.environ["SERVICE_MS"]) / 1000
_LARGE_EVERY, _LARGE = 20, 20_000
_PID = os.getpid()
_FD = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

time.sleep(int(os.environ["BOOT_MS"]) / 1000)


def _note(what: str, path: str) -> None:
    os.write(_FD, f"{what} {_PID} {path}\n".encode())


def _answer(path: str) -> bytes:
    """Return the body: each twentieth is larger than what a socket takes at once."""
    return f"{path} {EDITION} {_PID}\n".encode() * (1 if int(path[1:]) % _LARGE_EVERY else _LARGE)


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 200, after a while."""
    path = environ["PATH_INFO"]
    _note("begun", path)
    time.sleep(_SERVICE_S)
    body = _answer(path)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    _note("ended", path)
    return [body]


async def asgi_app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer as `app` does, and leave the loop to others meanwhile."""
    if scope["type"] == "lifespan":
        for _ in ("startup", "shutdown"):
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
        return
    path = scope["path"]
    _note("begun", path)
    await asyncio.sleep(_SERVICE_S)
    body = _answer(path)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    _note("ended", path)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
