"""Requests that have broken servers, sent to this one over real sockets."""

from collections.abc import Iterator

import pytest

from heeler.plugins.conformance.hostile import CASES, SMUGGLED, Case
from support.client import Client, exchange, get
from support.server import WORKER_CLASSES, Server

REFUSED = [case for case in CASES if 200 not in case.statuses]
GOOD = [case for case in CASES if 200 in case.statuses]
DRIPPED = [case for case in CASES[::4] if len(case.data) < 300]


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker, which must outlive all of it."""
    with Server("mirror:app", "-k", str(request.param), "--header-timeout", "30") as running:
        before = running.worker_pids()
        running.wait_for_log("worker ready slot=1")
        yield running
        assert running.worker_pids() == before


def statuses_of(answer: bytes) -> list[int]:
    """Return the status of each response in `answer`; no body of ours holds a status line."""
    return [int(part[2:5]) for part in answer.split(b"HTTP/1.")[1:]]


def logged(server: Server, start: int) -> list[str]:
    """Return the lines logged since `start`; a request of our own shows that no earlier one is still to come."""
    assert get(server.address, "/fence").status == 200
    server.wait_for_log("ran /fence\n", start=start)
    return server.log(start).splitlines()[:-1]


def refuse(server: Server, pieces: list[bytes], case: Case) -> None:
    """Send the pieces; the last answer is the refusal, and it ends the connection."""
    start = server.log_size()
    with Client(server.address) as client:
        try:
            client.send_pieces(pieces)
        except ConnectionError:
            assert len(pieces) > 1, "refused before its single piece was sent"
        answer = client.read_to_end()
    statuses = statuses_of(answer)
    assert len(statuses) == 1 and statuses[0] in case.statuses
    assert b"Connection: close\r\n" in answer
    (line,) = logged(server, start)
    assert "request refused" in line


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(server: Server, case: Case) -> None:
    """One answer, one line in the log, the end of the connection; what comes behind is never run."""
    refuse(server, [case.data + SMUGGLED], case)


@pytest.mark.parametrize("case", [case for case in DRIPPED if case in REFUSED], ids=lambda case: case.name)
def test_refused_byte_by_byte(server: Server, case: Case) -> None:
    """The same where every byte comes in a packet of its own."""
    data = case.data + SMUGGLED
    refuse(server, [data[at : at + 1] for at in range(len(data))], case)


@pytest.mark.parametrize(
    ("case", "drip"),
    [(case, drip) for case in GOOD for drip in (False, True) if not drip or len(case.data) < 1000],
    ids=lambda value: value.name if isinstance(value, Case) else ("whole", "dripped")[value],
)
def test_served(server: Server, case: Case, drip: bool) -> None:
    """What looks hostile and is not is served, with its content; behind a close nothing runs."""
    start = server.log_size()
    data = case.data + SMUGGLED
    with Client(server.address) as client:
        try:
            client.send_pieces([data[at : at + 1] for at in range(len(data))] if drip else [data])
        except ConnectionError:
            assert drip and not case.stays_open
        response = client.read_response()
        assert response.status == 200
        assert b'"body": "' in response.body
        if case.stays_open:
            assert b'"RAW_URI": "/smuggled"' in client.read_response().body
        else:
            assert client.is_closed()
    assert ("ran /smuggled" in logged(server, start)) == case.stays_open


NOISE = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "NUL": b"\x00" * 100,
    "a line end": b"\xff\xfe\r\n\r\n",
}


@pytest.mark.parametrize("protocol", NOISE)
def test_noise(server: Server, protocol: str) -> None:
    """Bytes of other protocols are refused at once."""
    assert statuses_of(exchange(server.address, NOISE[protocol])) in ([400], [505])
