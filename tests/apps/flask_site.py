"""A Flask application: the pages of `support.pages`, a form, an upload, a stream without an end."""

import hashlib
import threading
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request, send_file, stream_with_context

app = Flask(__name__)
_ended = threading.Event()


@app.get("/hello")
def hello() -> Response:
    return Response("hello", mimetype="text/plain")


@app.post("/echo")
def echo() -> bytes:
    return request.get_data()


@app.post("/digest")
def digest() -> Response:
    """Say what was sent, read in pieces."""
    found, size, pieces = hashlib.sha256(), 0, 0
    while piece := request.stream.read(65536):
        found.update(piece)
        size += len(piece)
        pieces += 1
    return jsonify(size=size, sha256=found.hexdigest(), pieces=pieces)


@app.post("/form")
def form() -> dict[str, str]:
    """Say what the form held."""
    return dict(request.form)


@app.post("/upload")
def upload() -> dict[str, int | str | None]:
    """Say what the file was that was sent."""
    content = request.files["file"].read()
    name = request.files["file"].filename
    return {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.get("/ticks")
def ticks() -> Response:
    """Send without an end, and note when it has come all the same."""

    def lines() -> Iterator[str]:
        try:
            while True:
                yield "tick\n" * 1000
        finally:
            _ended.set()

    return Response(lines(), mimetype="text/plain")


@app.get("/ended")
def ended() -> str:
    """Answer once `ticks` has ended."""
    return "ended" if _ended.wait(10) else "not ended"


@app.get("/file")
def file() -> Response:
    """Send this file; Flask hands it to `wsgi.file_wrapper`."""
    return send_file(__file__, conditional=True)


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("broken on purpose")


@app.get("/cookies")
def cookies() -> Response:
    response = jsonify(dict(request.cookies))
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True, path="/cookies")
    return response
