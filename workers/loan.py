"""The sockets that the arbiter lends a worker, as they come over the channel."""

from heeler.workers import unpatched
from heeler.workers.address import Address
from heeler.workers.messages import Lend
from heeler.workers.sources import Listener


def received(loan: Lend) -> list[Listener]:
    """Return the listeners that were lent: fewer than it names where the process is out of descriptors."""
    return [_listener(number, fd) for number, fd in zip(loan.numbers, loan.fds, strict=False)]


def _listener(number: int, fd: int) -> Listener:
    sock = unpatched.Socket(fileno=fd)
    host, port = sock.getsockname()[:2]  # of TCP, as all that is lent
    return Listener(sock, Address.of_tcp(host, port), number)
