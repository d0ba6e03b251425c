"""What shows how an application and its threads get on: waiting, together, for ever, for the test's word."""

import os
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

TOGETHER = threading.Barrier(4)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer by path."""
    path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
    if path == "/together":
        TOGETHER.wait(20)
    elif path == "/gate":
        sys.stderr.write("at the gate\n")
        with open("gate", "rb") as gate:
            gate.read()
    elif path == "/sleep":
        sys.stderr.write("asleep\n")
        time.sleep(float(query["s"][0]))
    elif path == "/spin":
        sys.stderr.write("spinning\n")
        until = time.monotonic() + float(query["s"][0])
        while time.monotonic() < until:
            pass
    elif path == "/drip":
        start_response("200 OK", [])
        return drip(float(query["s"][0]))
    elif path == "/fork":
        if os.fork() == 0:
            start_response("200 OK", [])
            return [b"the child's"]
        os.wait()
    elif path == "/multithread":
        start_response("200 OK", [])
        return [f"{environ['wsgi.multithread']} {threading.current_thread() is threading.main_thread()}".encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["QUERY_STRING"].encode() + b" " + environ["wsgi.input"].read()]


def drip(seconds: float) -> Iterable[bytes]:
    """Say something now and then."""
    sys.stderr.write("dripping\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
        yield b"x"
