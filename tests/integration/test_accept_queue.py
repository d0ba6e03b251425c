"""How many connections wait to be accepted, as the kernel tells it."""

import contextlib
import pathlib
import socket

import pytest

from heeler.arbiter.accept_queue import waiting
from heeler.workers.address import Address
from heeler.workers.sources import Listener


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "unix"])
def test_kernel_tells_how_many_wait(tmp_path: pathlib.Path, kind: str) -> None:
    """Each connection counts until it is accepted; a socket that is closed has none."""
    family = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6, "unix": socket.AF_UNIX}[kind]
    where = str(tmp_path / "socket") if kind == "unix" else ("::1" if kind == "tcp6" else "127.0.0.1", 0)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket(family))
        try:
            sock.bind(where)
        except OSError:
            pytest.skip("this system has no such addresses")
        sock.listen(10)
        listener = Listener(sock, Address.parse("unix:/x" if kind == "unix" else "127.0.0.1:1"))
        assert waiting(listener) == 0
        for count in (1, 2, 3):
            client = stack.enter_context(socket.socket(family))
            client.connect(sock.getsockname())
            assert waiting(listener) == count
        sock.accept()[0].close()
        assert waiting(listener) == 2
    assert waiting(listener) == 0
