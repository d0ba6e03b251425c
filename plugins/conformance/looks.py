"""What `heeler status` says of a server under test."""

import json
import time
from collections.abc import Callable
from typing import Any

from heeler.plugins.conformance.command import heeler
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import Failed, expect

Child = dict[str, Any]
"""A worker's figures, by name."""


def status(server: Server) -> dict[str, Any]:
    """Return the whole report.

    Raises:
        Failed: there is none.
    """
    done = heeler("status", "--json", "--pid", str(server.pid), cwd=server.directory)
    if done.status:
        raise Failed(f"`heeler status` says: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def only_child(server: Server) -> Child:
    """Return the figures of the only worker."""
    children = status(server)["children"]
    expect(len(children) == 1, f"{len(children)} workers stand on the scoreboard, not 1")
    return dict(children[0])


def wait_until(server: Server, met: Callable[[Child], bool], timeout_s: float) -> Child:
    """Look at the only worker's figures until they are as wanted, or the time is over; return the last."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = only_child(server)
        if met(found) or time.monotonic() > deadline:
            return found
