"""What any framework's site must do through a server, told by its clients.

A site under tests/apps serves these pages:

    GET  /hello     `hello`
    POST /echo      what was sent
    POST /form      the fields of the form, as JSON
    POST /digest    {size, sha256, pieces} of what was sent, which it reads in pieces
    POST /upload    {name, size, sha256} of the file in the form
    GET  /stream    the numbers from 0 to 999, a line each, of no declared length
    GET  /file      a file of Python, from the disk
    GET  /broken    raises RuntimeError("broken on purpose")
    GET  /cookies   the cookies that came, as JSON; sets `one` for all and `two` for this page
    GET  /missing   no such page
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Final

import httpx

from support.server import Server

STREAMED: Final = "".join(f"{number}\n" for number in range(1000))
"""What /stream sends."""

_TRACEBACK: Final = "Traceback (most recent call last)"


def says_hello(client: httpx.Client) -> None:
    """A plain page comes, again and again over one connection; HEAD gets its head alone."""
    for _ in range(5):
        page = client.get("/hello")
        assert (page.status_code, page.text) == (200, "hello")
        assert page.headers["content-type"].startswith("text/plain")
    head = client.head("/stream")
    assert head.content == b""
    assert client.get("/hello").text == "hello"


def takes_bodies(client: httpx.Client) -> None:
    """A body arrives whole, be it empty, small or large; and a form."""
    for content in (b"", b"x", bytes(range(256)), os.urandom(1_000_000)):
        assert client.post("/echo", content=content).content == content
    fields = {"name": "Zoë", "of": "x & y"}
    assert client.post("/form", data=fields).json() == fields


def takes_uploads(client: httpx.Client) -> None:
    """An upload arrives whole, read in pieces; and so does one in a multipart form."""
    content = os.urandom(3_000_000)
    digest = hashlib.sha256(content).hexdigest()
    said = client.post("/digest", content=content).json()
    assert (said["size"], said["sha256"]) == (len(content), digest)
    assert said["pieces"] > 1
    said = client.post("/upload", files={"file": ("a name.bin", content)}).json()
    assert said == {"name": "a name.bin", "size": len(content), "sha256": digest}


def takes_chunked_uploads(client: httpx.Client) -> None:
    """An upload whose length its client does not know arrives whole."""
    content = os.urandom(3_000_000)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(content), 50_000):
            yield content[at : at + 50_000]

    said = client.post("/digest", content=pieces()).json()
    assert (said["size"], said["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert client.post("/echo", content=iter([b"one, ", b"", b"two"])).content == b"one, two"


def streams(client: httpx.Client) -> None:
    """A body of unknown length arrives whole, and the connection is of use afterwards."""
    for _ in range(2):
        page = client.get("/stream")
        assert page.text == STREAMED
        assert "content-length" not in page.headers
    with client.stream("GET", "/stream") as part:
        assert next(part.iter_lines()) == "0"
    assert client.get("/hello").text == "hello"


def sends_files(client: httpx.Client) -> None:
    """A file comes whole and with its length."""
    page = client.get("/file")
    assert page.status_code == 200
    assert int(page.headers["content-length"]) == len(page.content)
    compile(page.content, "what came", "exec")
    assert client.get("/file").content == page.content


def shows_error_pages(client: httpx.Client) -> None:
    """A page that fails is a 500, one that is not there a 404; neither costs the connection."""
    for _ in range(2):
        assert client.get("/broken").status_code == 500
        assert client.get("/missing").status_code == 404
        assert client.get("/hello").text == "hello"


def keeps_cookies(client: httpx.Client) -> None:
    """Two cookies are set by one response, and come back."""
    first = client.get("/cookies")
    assert len(first.headers.get_list("set-cookie")) == 2
    assert client.get("/cookies").json() == {"one": "1", "two": "2"}


CHECKS: Final[tuple[Callable[[httpx.Client], None], ...]] = (
    says_hello,
    takes_bodies,
    takes_uploads,
    takes_chunked_uploads,
    streams,
    sends_files,
    shows_error_pages,
    keeps_cookies,
)
"""All of these, in the order in which they are best read."""


def assert_only_broken_pages_logged(server: Server) -> None:
    """No traceback stands in the log but those of /broken."""
    log = server.log()
    assert log.count(_TRACEBACK) == log.count("RuntimeError: broken on purpose"), log
