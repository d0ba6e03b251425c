"""A client's connection: what is left of it once it is closed."""

import gc
import types
from collections.abc import Iterator
from typing import Any

import pytest

from heeler.workers.address import Address
from heeler.workers.green_connection import GreenConnection
from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits
from heeler.workers.http_connection import HttpConnection
from heeler.workers.lendable_connection import LendableConnection
from heeler.workers.sources import Connection
from heeler.workers.streaming_connection import StreamingConnection


class FakeSocket:
    """A client's socket that nobody is at the other end of."""

    def fileno(self) -> int:
        """Return a descriptor that is not used."""
        return 99

    def recv(self, count: int) -> bytes:
        """Return the end."""
        return b""

    send = recv

    def close(self) -> None:
        """Take note."""


class FakeWorker:
    """As much of a worker as a connection needs to begin and to end."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.field_reader = FieldReader(self.limits, "drop")
        self.gateway = types.SimpleNamespace(trusts=lambda _host: False)
        self.tally = types.SimpleNamespace(bytes_in=0)

    def forget(self, _client: HttpConnection) -> None:
        """Take note."""


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    """Without the garbage collector, what refers to itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", [HttpConnection, LendableConnection, StreamingConnection, GreenConnection])
def test_a_closed_connection_needs_no_garbage_collector(kind: type[HttpConnection]) -> None:
    """There is one for each connection, or each request that a listener hands over: the collector would pause often."""
    fakes: list[Any] = [FakeSocket(), FakeWorker()]  # Any: they are what they stand in for only as far as it is asked
    connection = Connection(fakes[0], ("127.0.0.1", 1), Address.parse("127.0.0.1:80"))
    client = kind(fakes[1], connection, {})
    client.on_readable(0)  # the end: it closes
    assert client.closed
    del client
    assert not [each for each in gc.get_objects() if type(each) is kind]
