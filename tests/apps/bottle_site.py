"""A Bottle application: a page, a form, a file, an error, a stream."""

from collections.abc import Iterator
from pathlib import Path

import bottle

app = bottle.Bottle()


@app.get("/")
def index() -> str:
    """Greet."""
    return "hello from bottle"


@app.post("/form")
def form() -> dict[str, str]:
    """Answer with the form, in JSON."""
    return {name: bottle.request.forms.getunicode(name) for name in bottle.request.forms}


@app.get("/file")
def file() -> object:
    """Send this file; Bottle hands it to `wsgi.file_wrapper`."""
    return bottle.static_file(Path(__file__).name, root=str(Path(__file__).parent))


@app.get("/stream")
def stream() -> Iterator[str]:
    """Send a body of unknown length, in pieces."""
    for number in range(100):
        yield f"line {number}\n"


@app.get("/gone")
def gone() -> None:
    """Answer with an error."""
    bottle.abort(410, "no more")
