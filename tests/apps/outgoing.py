"""Calls another server before it answers: with `requests`, with the standard library, and with a bare socket. WSGI."""

import socket
import urllib.request
from urllib.parse import urlsplit

import requests
from flask import Flask, request

app = Flask(__name__)


@app.get("/hello")
def hello() -> str:
    return "hello"


@app.get("/requests")
def by_requests() -> str:
    """Answer with what the other server said, fetched by requests."""
    return requests.get(request.args["url"], timeout=30).text


@app.get("/urllib")
def by_urllib() -> bytes:
    """Answer with what the other server said, fetched by the standard library."""
    with urllib.request.urlopen(request.args["url"], timeout=30) as response:
        body: bytes = response.read()
        return body


@app.get("/socket")
def by_socket() -> bytes:
    """Answer with what the other server said, read from a socket: through its name, and in a file."""
    url = urlsplit(request.args["url"])
    with socket.create_connection(("localhost", url.port or 80), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read().partition(b"\r\n\r\n")[2]
