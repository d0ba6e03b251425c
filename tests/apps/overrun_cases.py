"""Requests that take too long, of a WSGI and of an ASGI application: some can be told so, some cannot."""

import asyncio
import collections
import fcntl
import itertools
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from deadline_cases import begin, begun, wait


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by path."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        begin()
        wait()
    elif path == "/begun":
        return begun(start_response)
    elif path == "/owns_up":
        try:
            wait()
        except BaseException as error:
            sys.stderr.write(f"caught {type(error).__name__}\n")
    elif path == "/stubborn":
        stubborn()
    elif path == "/stuck":
        begin()
        stuck()
    elif path == "/spin":
        spin()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]


def stubborn() -> None:
    """Take no hint, until the client is gone that one expects to have gone."""
    for _ in range(2):
        try:
            wait()
        except BaseException as error:
            sys.stderr.write(f"swallowed {type(error).__name__}\n")


def stuck() -> None:
    """Wait in the kernel for ever; no library makes greenlets or tasks of that."""
    with open(__file__) as ours, open(__file__) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        fcntl.flock(ours, fcntl.LOCK_EX)


def spin() -> None:
    """Compute for ever in C code: no other code of Python's runs any more, a signal handler's neither."""
    collections.deque(itertools.repeat(None), maxlen=0)


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The same, of ASGI."""
    path = scope["path"]
    if path == "/slow":
        begin()
        await sleep()
    elif path == "/begun":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await sleep()
    elif path == "/owns_up":
        try:
            await sleep()
        except BaseException as error:
            sys.stderr.write(f"caught {type(error).__name__}\n")
    elif path == "/stubborn":
        try:
            await sleep()
        except asyncio.CancelledError:
            sys.stderr.write("swallowed CancelledError\n")
        await stubborn_sleep(receive)
    elif path == "/stuck":
        begin()
        stuck()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})


async def sleep() -> None:
    """Wait for what does not come."""
    await asyncio.sleep(60)


async def stubborn_sleep(receive: Any) -> None:
    """Take no hint, but for the end of the client."""
    while (await receive())["type"] != "http.disconnect":
        pass
    sys.stderr.write("told of the end\n")


def on_request_timeout(worker: Any, request: Any, stacks: str) -> None:
    """A hook that misbehaves, by path."""
    sys.stderr.write(f"hook {worker.slot} {request.method} {request.path} {threading.main_thread().name!r}\n")
    sys.stderr.write(f"hook has {'the' if 'overrun_cases.py' in stacks else 'no'} stacks\n")
    if request.path == "/begun":
        raise ValueError("broken on purpose")
    while request.path == "/owns_up":
        time.sleep(1)
