"""WSGI requests on an event loop: what is let go of at once, and not only when the loop comes to it."""

import logging
import os
import pathlib
import types
from typing import Any, cast

import pytest

from heeler.workers.wsgi_exchange import WsgiExchange
from support.asgi_fakes import POST, FakeConnection, FakeEvent, parse


def exchange(spool_dir: pathlib.Path) -> WsgiExchange:
    """Return one for a request with content that goes to the disk from the first byte on."""
    worker = types.SimpleNamespace(
        body_memory=0,
        response_memory=0,
        spool_dir=str(spool_dir),
        event=FakeEvent,
        log=logging.getLogger("heeler.error"),
    )
    bridge = types.SimpleNamespace(worker=worker)
    connection = FakeConnection({}, ("127.0.0.1", 1), trusted=False)
    fakes: list[Any] = [bridge, connection]  # Any: they are what they stand in for only as far as it is asked
    return WsgiExchange(fakes[0], fakes[1], parse(POST), 0)


def open_in(folder: pathlib.Path) -> int:
    """Return how many files of `folder` this process has open."""
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            continue  # that of the listing itself
    return sum(link.startswith(f"{folder}/") for link in links)


def test_content_of_a_request_that_is_cut(tmp_path: pathlib.Path) -> None:
    """Its room on the disk is free as soon as the connection knows, for the next request may need it."""
    cut = exchange(tmp_path)
    cut.on_content(b"12345")
    assert open_in(tmp_path) == 1
    cut.on_gone(cut=True)
    assert open_in(tmp_path) == 0


@pytest.mark.parametrize("end", ["whole", "half closed"])
def test_content_that_is_wanted_yet(tmp_path: pathlib.Path, end: str) -> None:
    """The application may be reading it, or get to."""
    kept = exchange(tmp_path)
    kept.on_content(b"1234567890")
    if end == "whole":
        kept.on_end()
    kept.on_gone(cut=end == "whole")
    assert open_in(tmp_path) == 1
    cast("Any", kept)._body.close()
