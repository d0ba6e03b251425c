"""The application of the loss counter: slow to import, 20 ms for a request, and it notes what it began and ended.

`BOOT_MS` and `SERVICE_MS` say how slow; `NOTES` is the file that gets a line `begun PID PATH` and one `ended PID PATH`
for each request, where it is set.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

BODY = b"Hello, world!"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]

# ASGI's events are dictionaries of anything.
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SERVICE_S = int(os.environ.get("SERVICE_MS", "20")) / 1000
_NOTES = os.environ.get("NOTES")
_PID = os.getpid()
_FD = os.open(_NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if _NOTES else -1

time.sleep(int(os.environ.get("BOOT_MS", "1000")) / 1000)


def _note(what: str, path: str) -> None:
    if _FD >= 0:
        os.write(_FD, f"{what} {_PID} {path}\n".encode())


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer 200 with thirteen bytes of text, after a while."""
    path = environ["PATH_INFO"]
    _note("begun", path)
    time.sleep(_SERVICE_S)
    start_response("200 OK", HEADERS)
    _note("ended", path)
    return [BODY]


async def asgi_app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer as `app` does, and leave the loop to others meanwhile."""
    if scope["type"] == "lifespan":
        for _ in ("startup", "shutdown"):
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
        return
    _note("begun", scope["path"])
    await asyncio.sleep(_SERVICE_S)
    headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
    _note("ended", scope["path"])
