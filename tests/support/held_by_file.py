"""An application whose requests to /hold wait until the test opens the gate, in every worker class."""

import json
from collections.abc import Mapping
from typing import Any, Final

from support.client import Client, build_request
from support.server import Server, heeler

FILES: Final = {
    "app.py": """\
import os, sys, time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        print("held", file=sys.stderr, flush=True)
        while not os.path.exists("gate"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""
}
"""Answers with the worker's pid. Green libraries patch `time.sleep`, so others go on meanwhile."""


def send(server: Server, target: str) -> Client:
    """Send a request on a connection of its own, and return without an answer."""
    client = Client(server.address)
    client.send(build_request("GET", target))
    return client


def answer(client: Client) -> str:
    """Return the text of the answer, which must be a 200, and close the connection."""
    with client:
        response = client.read_response()
    assert response.status == 200
    return response.text


def open_gate(server: Server) -> None:
    """Let all that is held go on."""
    server.write("gate", "")


def close_gate(server: Server) -> None:
    """Hold what comes from now on."""
    (server.directory / "gate").unlink()


def workers(server: Server) -> Mapping[int, Mapping[str, Any]]:  # Any: as JSON has it
    """Return what `heeler status` says of each worker, by process id."""
    status = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
    return {child["pid"]: child for child in status["children"]}
