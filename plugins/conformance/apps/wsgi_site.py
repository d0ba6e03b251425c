"""The site that the checks visit, for WSGI: a promise of a server a path."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from heeler.plugins.conformance.apps import common

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]

TEXT = ("Content-Type", "text/plain")


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    """Do what the first part of the path says, with the rest of it."""
    name, _, rest = environ["PATH_INFO"][1:].partition("/")
    page: Callable[[Environ, Start, str], Iterable[bytes]] = globals()["page_" + (name or "index").replace("-", "_")]
    return page(environ, start, rest)


def _answer(start: Start, content: bytes) -> list[bytes]:
    start("200 OK", [TEXT, ("Content-Length", str(len(content)))])
    return [content]


def _wait_for(gate: str) -> None:
    """Wait the way that a worker class lets other requests run meanwhile."""
    for _ in range(common.STEPS):
        if common.is_open(gate):
            return
        time.sleep(common.PAUSE_S)


def page_index(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Greet."""
    return _answer(start, common.GREETING)


def page_smuggled(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Tell that a request ran that perhaps never should."""
    common.say("ran /smuggled")
    return _answer(start, b"smuggled")


def page_pid(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Tell which worker answers."""
    return _answer(start, str(os.getpid()).encode())


def page_wait(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Answer once the check says so."""
    common.say(f"request begun {rest}")
    _wait_for(rest)
    return _answer(start, str(os.getpid()).encode())


def page_stuck(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Never answer, and let nobody else have the thread."""
    common.say("request stuck")
    common.block()
    return _answer(start, b"never")


def page_echo(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send the content back."""
    return _answer(start, environ["wsgi.input"].read())


def page_digest(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Sum the content up."""
    digest = common.Digest()
    while data := environ["wsgi.input"].read(65536):
        digest.add(data)
    return _answer(start, digest.text())


def page_say(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send the rest of the path back."""
    return _answer(start, rest.encode())


def page_slow(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send the rest of the path back, after others had a chance to be quicker."""
    time.sleep(0.05)
    return _answer(start, rest.encode())


def page_note(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Note that this request ran."""
    environ["wsgi.input"].read()
    common.note(rest)
    return _answer(start, rest.encode())


def page_pieces(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send content without saying how much it will be."""
    start("200 OK", [TEXT])
    return iter((b"one, ", b"", b"two, ", b"three"))


def page_large(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send a lot."""
    start("200 OK", [TEXT, ("Content-Length", str(common.LARGE_BYTES))])
    return common.large()


def page_204(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send nothing."""
    start("204 No Content", [])
    return []


def page_304(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send nothing, though a length is told."""
    start("304 Not Modified", [("Content-Length", "5")])
    return []


def page_404(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Deny."""
    start("404 Not Found", [TEXT, ("Content-Length", "0")])
    return []


def page_raise(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Fail before anything is sent."""
    raise RuntimeError("on purpose, before anything is sent")


def page_raise_midway(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Fail once some is sent."""
    start("200 OK", [TEXT])
    return _fail_midway()


def _fail_midway() -> Iterator[bytes]:
    yield b"some of it, "
    raise RuntimeError("on purpose, in the midst")


def page_short(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Send less than was told."""
    start("200 OK", [TEXT, ("Content-Length", "10")])
    return [b"short"]


class _Closing:
    """An iterable that tells when it is closed."""

    def __iter__(self) -> Iterator[bytes]:
        return iter((b"all ", b"of it"))

    def close(self) -> None:
        """Say so."""
        common.say("iterable closed")


def page_closing(environ: Environ, start: Start, rest: str) -> Iterable[bytes]:
    """Give what has to be closed."""
    start("200 OK", [TEXT])
    return _Closing()
