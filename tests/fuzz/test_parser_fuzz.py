"""Whatever comes in, the parser gives events or one RemoteProtocolError, the same however it is cut."""

import itertools
import random
import time

import h11
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from heeler.plugins.conformance.hostile import CASES, get, post
from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import END, Request

SMALL = Limits(request_line=60, fields=5, field_size=40, head=180, body=200, chunk_extensions=20, trailers=40)

Part = tuple[object, ...]

LINES = (
    b"GET / HTTP/1.1|POST /x?y HTTP/1.1|GET / HTTP/1.0|Host: a|Content-Length: 5|Transfer-Encoding: chunked"
    b"|Connection: close|Connection: keep-alive|Connection: upgrade|Upgrade: x|Expect: 100-continue|X: y|x: z \t|X_Y: z"
    b"|Proxy: z||0|5|hello|1;a=b|ffffffffffffffff|5\r\nhello|0\r\n|1;a=b\r\nx"
)
PIECES = [
    *(line + b"\r\n" for line in LINES.split(b"|")),
    *b"\r|\n| |\t|:|,|;|\x00|\x0b|\x80|#|_|%|*|HTTP/|http://a/|hello|GET ".split(b"|"),
]
requests_like = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=24).map(b"".join)


def outcome(pieces: list[bytes], limits: Limits, reader: FieldReader | None = None) -> list[Part]:
    """Return what became of the bytes, content in one piece; fail on anything but events and errors."""
    parser = RequestParser(limits, reader)
    parts: list[Part] = []
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, Request):
                fields = tuple(sorted(event.fields.environ.items()))
                flags = (event.keep_alive, event.complete, event.chunked, event.expects_continue, event.upgrade)
                line = (event.method, event.target, event.path, event.query, event.minor, event.host)
                parts.append((line, fields, tuple(event.headers), flags, event.content_length))
            elif isinstance(event, bytes):
                assert event
                if isinstance(parts[-1][0], bytes):
                    parts[-1] = (parts[-1][0] + event,)
                else:
                    parts.append((event,))
            elif event is END:
                parts.append((END,))
            else:
                assert isinstance(event, RemoteProtocolError)
                assert 400 <= event.status_hint <= 505
                parts.append(("refused", event.status_hint))
    parts.append((parser.phase,))
    return parts


def check(data: bytes, limits: Limits, cuts: list[int]) -> None:
    """Assert that `data` has one outcome: whole, byte by byte, cut at `cuts`, and seen before."""
    reader = FieldReader(limits)
    whole = outcome([data], limits, reader)
    assert outcome([data[index : index + 1] for index in range(len(data))], limits) == whole
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    assert outcome([data[low:high] for low, high in itertools.pairwise(edges)], limits, reader) == whole
    assert outcome([data], limits, reader) == whole


@settings(max_examples=700, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=requests_like, cuts=st.lists(st.integers(0, 500), max_size=4), small=st.booleans())
@example(data=b"\r\n\r\n", cuts=[1], small=False)
@example(data=b"GET / HTTP/1.0\r\n\r\n\r\n\r\n", cuts=[20], small=False)
def test_pieces_of_http(data: bytes, cuts: list[int], small: bool) -> None:
    """Pieces of HTTP in any order have one outcome, however they are cut."""
    check(data, SMALL if small else Limits(), cuts)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 500), max_size=3))
def test_noise(data: bytes, cuts: list[int]) -> None:
    """Noise has one outcome, however it is cut."""
    check(data, Limits(), cuts)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return `data` with a few of its bytes changed, dropped, doubled or moved."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0:
                changed[place : place + 1] = bytes([chance.choice(b"\r\n\t :;,_\x00\x7f\xff0aA")])
            case 1:
                del changed[place : place + chance.randint(1, 3)]
            case 2:
                changed[place:place] = changed[place : place + chance.randint(1, 20)]
            case _:
                changed[place:place] = chance.choice(PIECES)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(4))
def test_mutations_of_the_corpus(seed: int) -> None:
    """The corpus with bytes changed has one outcome, however it is cut."""
    chance = random.Random(seed)
    small = [case.data for case in CASES if len(case.data) < 300]
    for data in chance.sample(small, len(small)):
        changed = mutated(data, chance) + get()
        check(changed, chance.choice((SMALL, Limits())), [chance.randrange(300)])


token = st.text("abcdefgXYZ019-!#$%&'*+.^`|~", min_size=1, max_size=12)
value = st.text([chr(code) for code in (*range(33, 127), *range(160, 256))], max_size=20)
OWN = {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "content-type", "te", "proxy"}
header_pairs = st.lists(st.tuples(token.filter(lambda name: name.lower() not in OWN), value), max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PROPFIND"]),
    target=st.text("abc/?=&%20-._~", max_size=20),
    headers=header_pairs,
    content=st.binary(max_size=60),
    framing=st.sampled_from(["none", "length", "chunked"]),
    close=st.booleans(),
)
def test_same_as_h11(
    method: str, target: str, headers: list[tuple[str, str]], content: bytes, framing: str, close: bool
) -> None:
    """A good request, written by h11, is read as h11 reads it."""
    fields = [("Host", "example.com"), *headers]
    if framing != "none":
        fields.append(
            ("Content-Length", str(len(content))) if framing == "length" else ("Transfer-Encoding", "chunked")
        )
    if close:
        fields.append(("Connection", "close"))
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    raw = [(name.encode(), text.encode("latin-1")) for name, text in fields]
    request = h11.Request(method=method, target="/" + target, headers=raw)
    wire = client.send(request) or b""
    if framing != "none" and content:
        wire += client.send(h11.Data(content)) or b""
    wire += client.send(h11.EndOfMessage()) or b""

    server.receive_data(wire)
    theirs = server.next_event()
    assert isinstance(theirs, h11.Request)
    their_content = b""
    while isinstance(event := server.next_event(), h11.Data):
        their_content += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)

    ours, *rest = RequestParser(Limits()).feed(wire)
    assert isinstance(ours, Request), ours
    assert (ours.method.encode(), ours.target.encode()) == (theirs.method, theirs.target)
    assert ours.headers == [(bytes(name), bytes(text)) for name, text in theirs.headers]
    assert b"".join(part for part in rest if isinstance(part, bytes)) == their_content
    assert ours.keep_alive is not close
    assert (rest[-1:] == [END]) is not ours.complete


def test_time_is_bounded() -> None:
    """Input made to be slow takes time in proportion to its length (no regular expression goes astray)."""
    size = 200_000
    limits = Limits(
        request_line=0, field_size=0, head=size * 2, chunk_extensions=size * 2, trailers=size * 2, fields=size
    )
    chunked = b"Transfer-Encoding: chunked"
    for data in (
        get(b"Bad: " + b"x" * size + b"\x10"),
        get(b"X" * size),
        get(b"X: " + b" \t" * (size // 2) + b"\x01"),
        get(*[b"X: y"] * (size // 8)),
        get(target=b"http://" + b"a" * size + b" "),
        get(host=b"Host: " + b"%41" * (size // 3) + b"%\r\n"),
        get(host=b"Host: [" + b":" * size + b"\r\n"),
        get(b"Connection: " + b"," * size),
        post(chunked, content=b'5;a="' + b"\\x" * (size // 2) + b"\x01"),
        post(chunked, content=b"5" + b";a" * (size // 2) + b"\x01\r\n"),
        post(chunked, content=b"1\r\nx\r\n" * (size // 6)),
        post(chunked, content=b"0\r\n" + b"X: y\r\n" * (size // 8) + b"\r\n"),
    ):
        started = time.process_time()
        outcome([data], limits)
        outcome([data[start : start + 500] for start in range(0, len(data), 500)], limits)
        assert time.process_time() - started < 2, data[:100]
