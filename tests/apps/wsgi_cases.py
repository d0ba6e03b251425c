"""What PEP 3333 lets an application do, a case a path, and what it forbids.

Things that the test must know of (an iterable was closed) are said on stderr.
"""

import asyncio
import gzip
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from typing_extensions import override

Environ = dict[str, Any]
Start = Callable[..., Callable[[bytes], object]]

TEXT = ("Content-Type", "text/plain")
LARGE = bytes(range(256)) * 4096 * 20
"""20 MiB, more than any socket's buffers take."""


def say(what: str) -> None:
    """Tell the test."""
    sys.stderr.write(f"{what}\n")


class Closing:
    """An iterable that says when it is closed."""

    def __init__(self, name: str, parts: Iterable[bytes]) -> None:
        self._name = name
        self._parts = iter(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """Say so."""
        say(f"closed {self._name}")


class ClosingList(list[bytes]):
    """A list that has to be closed, as an application of a framework may return."""

    def close(self) -> None:
        """Say so."""
        say("closed list")


class Shouting(bytes):
    """Bytes of another class."""


def _fail_after(*parts: bytes) -> Iterator[bytes]:
    yield from parts
    raise RuntimeError("in the midst of the body")


def _file() -> io.BufferedRandom:
    file = tempfile.TemporaryFile()
    file.write(b"0123456789" * 100_000)
    file.seek(0)
    return file


# -- good manners


def case_generator(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    yield b"one, "
    yield b""
    yield b"two"


def case_empty_first(environ: Environ, start: Start) -> Iterator[bytes]:
    yield b""
    start("201 Created", [TEXT])
    yield b""
    yield b"late"


def case_empty(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    return []


def case_nothing_yielded(environ: Environ, start: Start) -> Iterator[bytes]:
    start("200 OK", [TEXT])
    return iter(())


def case_list(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    return [b"one, ", b"", b"two"]


def case_tuple(environ: Environ, start: Start) -> tuple[bytes, ...]:
    start("200 OK", [TEXT])
    return (b"one, ", b"two")


def case_closing_list(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    return ClosingList([b"one, ", b"two"])


def case_subclass(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    return [Shouting(b"loud")]


def case_write(environ: Environ, start: Start) -> list[bytes]:
    write = start("200 OK", [TEXT])
    write(b"one, ")
    write(b"")
    write(b"two, ")
    return [b"three"]


def case_write_only(environ: Environ, start: Start) -> list[bytes]:
    write = start("200 OK", [TEXT, ("Content-Length", "7")])
    write(b"written")
    return []


def case_length(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "5")])
    return [b"hello"]


def case_closing(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    return Closing("good", [b"one, ", b"two"])


def case_204(environ: Environ, start: Start) -> Iterable[bytes]:
    start("204 No Content", [("Content-Length", "5")])
    return Closing("204", [b"never sent"])


def case_304(environ: Environ, start: Start) -> list[bytes]:
    start("304 Not Modified", [("Content-Length", "5")])
    return [b"hello"]


def case_large(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    return [LARGE]


def case_large_pieces(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", str(len(LARGE)))])
    return Closing("pieces", (LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536)))


def case_large_chunks(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    return (LARGE[at : at + 70001] for at in range(0, len(LARGE), 70001))


def case_close(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Connection", "x-own, Close")])
    return [b"bye"]


def case_hop(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Transfer-Encoding", "chunked"), ("Keep-Alive", "9"), ("Upgrade", "x")])
    return [b"mine"]


# -- exc_info


def case_exc_info_before(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "99")])
    try:
        raise RuntimeError("caught")
    except RuntimeError:
        start("503 Service Unavailable", [TEXT], sys.exc_info())
    return [b"sorry"]


def case_exc_info_after(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])(b"head is out")
    try:
        raise RuntimeError("caught late")
    except RuntimeError:
        start("503 Service Unavailable", [TEXT], sys.exc_info())
    return [b"never sent"]


# -- files


def case_file(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_file())
    return wrapped


def case_file_offset(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    file = _file()
    file.read(15)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def case_file_part(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "12")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_file())
    return wrapped


def case_file_short(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "1000001")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_file())
    return wrapped


def case_file_memory(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"in memory"), 4)
    return wrapped


def case_file_memory_part(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "4")])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"in memory"), 2)
    return wrapped


def case_file_after_write(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "13")])(b"abc")
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_file())
    return wrapped


def case_file_gzip(environ: Environ, start: Start) -> Iterable[bytes]:
    packed = tempfile.TemporaryFile()
    with gzip.GzipFile(fileobj=packed, mode="wb") as writer:
        writer.write(b"unpacked " * 1000)
    packed.seek(0)
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](gzip.GzipFile(fileobj=packed))
    return wrapped


def case_file_proc(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open("/proc/self/comm", "rb"))
    return wrapped


def case_named_file(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open(environ["QUERY_STRING"], "rb"))
    return wrapped


def case_file_pipe(environ: Environ, start: Start) -> Iterable[bytes]:
    reader, writer = os.pipe()
    with open(writer, "wb") as file:  # closed at once, while gevent has os.close wait for its loop
        file.write(b"from a pipe")
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](os.fdopen(reader, "rb"))
    return wrapped


_large = tempfile.TemporaryFile()
_large.write(LARGE)
_large.flush()


def case_file_large(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open(f"/proc/self/fd/{_large.fileno()}", "rb"))
    return wrapped


# -- input


def case_read(environ: Environ, start: Start) -> list[bytes]:
    body = environ["wsgi.input"]
    how = environ["QUERY_STRING"]
    if how == "read":
        got = body.read()
    elif how == "read-some":
        got = body.read(3) + b"|" + body.read(0) + body.read(-1) + b"|" + body.read(5)
    elif how == "readline":
        got = body.readline() + b"|" + body.readline(2) + b"|" + body.readline()
    elif how == "readlines":
        got = b"|".join(body.readlines())
    elif how == "readlines-hint":
        got = b"|".join(body.readlines(1)) + b"#" + body.read()
    elif how == "iterate":
        got = b"|".join(body)
    else:
        got = b"unread"
    start("200 OK", [TEXT])
    return [got]


# -- bad manners


def case_none(environ: Environ, start: Start) -> None:
    start("200 OK", [TEXT])


def case_text(environ: Environ, start: Start) -> list[str]:
    start("200 OK", [TEXT])
    return ["text"]


def case_text_late(environ: Environ, start: Start) -> Iterator[Any]:
    start("200 OK", [TEXT])
    yield b"bytes, "
    yield "text"


def case_never_started(environ: Environ, start: Start) -> list[bytes]:
    return [b"no head"]


def case_never_started_empty(environ: Environ, start: Start) -> list[bytes]:
    return []


def case_started_twice(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    start("200 OK", [TEXT])
    return [b"never sent"]


def case_raise(environ: Environ, start: Start) -> list[bytes]:
    raise RuntimeError("before anything")


def case_exit(environ: Environ, start: Start) -> list[bytes]:
    sys.exit(3)


def case_cancelled(environ: Environ, start: Start) -> list[bytes]:
    raise asyncio.CancelledError


def case_interrupt(environ: Environ, start: Start) -> list[bytes]:
    raise KeyboardInterrupt


def case_raise_started(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT])
    raise RuntimeError("started, nothing sent")


def case_raise_midway(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    return Closing("midway", _fail_after(b"some ", b"content "))


def case_raise_midway_length(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "100")])
    return Closing("midway", _fail_after(b"some ", b"content "))


def case_raise_in_iter(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    return Closing("at once", _fail_after())


class _FailsToClose(Closing):
    @override
    def close(self) -> None:
        raise RuntimeError("in close")


def case_raise_in_close(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "8")])
    return _FailsToClose("", [b"complete"])


def case_short(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "10")])
    return [b"short"]


def case_short_pieces(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "10")])
    return Closing("short", [b"sho", b"rt"])


def case_long(environ: Environ, start: Start) -> list[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "4")])
    return [b"longHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"]


def case_long_pieces(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT, ("Content-Length", "4")])
    return Closing("long", [b"lo", b"ngHTTP/1.1 200 OK\r\n\r\n", b"more"])


def _bad(status: Any, headers: Any) -> Callable[[Environ, Start], list[bytes]]:
    def case(environ: Environ, start: Start) -> list[bytes]:
        start(status, headers)
        return [b"must not be sent"]

    return case


BAD: dict[str, tuple[Any, Any]] = {
    "name_crlf": ("200 OK", [("X-A\r\nX-Evil", "1")]),
    "name_lf": ("200 OK", [("X-Evil\n", "1")]),
    "name_blank": ("200 OK", [("X Evil", "1")]),
    "name_colon": ("200 OK", [("X-Evil:", "1")]),
    "name_empty": ("200 OK", [("", "evil")]),
    "name_beyond_ascii": ("200 OK", [("X-Evilé", "1")]),
    "name_bytes": ("200 OK", [(b"X-Evil", "1")]),
    "value_crlf": ("200 OK", [("X-A", "1\r\nX-Evil: 1")]),
    "value_cr": ("200 OK", [("X-Evil", "1\rx")]),
    "value_lf": ("200 OK", [("X-Evil", "1\n")]),
    "value_nul": ("200 OK", [("X-Evil", "1\0")]),
    "value_escape": ("200 OK", [("X-Evil", "\x1b[31m")]),
    "value_beyond_latin": ("200 OK", [("X-Evil", "\u20ac")]),
    "value_bytes": ("200 OK", [("X-Evil", b"1")]),
    "value_int": ("200 OK", [("X-Evil", 1)]),
    "value_none": ("200 OK", [("X-Evil", None)]),
    "pair_of_three": ("200 OK", [("X-Evil", "1", "2")]),
    "headers_none": ("200 OK", None),
    "headers_text": ("200 OK", "X-Evil: 1"),
    "length_text": ("200 OK", [("Content-Length", "evil")]),
    "length_negative": ("200 OK", [("Content-Length", "-1")]),
    "length_plus": ("200 OK", [("Content-Length", "+5")]),
    "length_twice": ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    "status_crlf": ("200 OK\r\nX-Evil: 1", []),
    "status_lf": ("200 OK\nX-Evil: 1", []),
    "status_nul": ("200 OK\0", []),
    "status_int": (200, []),
    "status_none": (None, []),
    "status_text": ("OK", []),
    "status_1xx": ("101 Switching Protocols", []),
    "status_digits": ("\u0662\u0660\u0660 OK", []),
    "status_long": ("2000 OK", []),
    "status_bytes": (b"200 OK", []),
}
"""Status and headers that may never reach the wire; `Evil` is in what a client could see."""


def app(environ: Environ, start: Start) -> Any:
    """Do what the path says."""
    name = environ["PATH_INFO"].lstrip("/")
    if name.startswith("bad/"):
        return _bad(*BAD[name.removeprefix("bad/")])(environ, start)
    return globals()[f"case_{name}"](environ, start)
