"""Every case of the hostile corpus has its one verdict, however its bytes arrive."""

from collections.abc import Iterator

import pytest

from heeler.plugins.conformance.hostile import CASES, SMUGGLED, Case
from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import END, Request

Verdict = tuple[list[tuple[str, str, bytes, bool]], int]


def verdict(pieces: Iterator[bytes], reader: FieldReader | None = None) -> Verdict:
    """Return each request (method, target, content, whole) and the status of the refusal, or 0."""
    parser = RequestParser(Limits(), reader)
    requests: list[tuple[str, str, bytes, bool]] = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Request):
                requests.append((event.method, event.target, b"", event.complete))
            elif isinstance(event, RemoteProtocolError):
                return requests, event.status_hint
            else:
                method, target, content, _ = requests[-1]
                more = event if isinstance(event, bytes) else b""
                requests[-1] = (method, target, content + more, event is END)
    return requests, 0


def pieces_of(data: bytes, size: int) -> Iterator[bytes]:
    """Cut `data` into pieces of `size`."""
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    """A hostile request is refused with its status; a good one is served; nothing runs behind a close."""
    requests, status = verdict(iter([case.data + SMUGGLED]))
    whole = [request for request in requests if request[3]]
    targets = [target for _, target, _, _ in whole]
    if 200 in case.statuses:
        assert status == 0
        assert whole[0][2] == case.body
        assert (targets[1:] == ["/smuggled"]) if case.stays_open else len(targets) == 1
    else:
        assert status in case.statuses
        assert not whole


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_verdict_in_pieces(case: Case) -> None:
    """The verdict on a case is the same whether its bytes come at once or a few at a time."""
    data = case.data + SMUGGLED
    expected = verdict(iter([data]))
    for size in (1, 2, 3, 7, 64) if len(data) < 1000 else (1023, 1460):
        assert verdict(pieces_of(data, size)) == expected, size


@pytest.mark.parametrize("case", [case for case in CASES if len(case.data) < 400], ids=lambda case: case.name)
def test_same_verdict_at_every_cut(case: Case) -> None:
    """The verdict on a case is the same wherever its bytes are cut in two, and when it was seen before."""
    data = case.data + SMUGGLED
    reader = FieldReader(Limits())
    expected = verdict(iter([data]), reader)
    for cut in range(1, len(data)):
        assert verdict(iter([data[:cut], data[cut:]]), reader) == expected, cut
    for _ in range(2):
        assert verdict(iter([data]), reader) == expected
        assert verdict(iter([case.data, SMUGGLED]), reader) == expected
