"""Whatever block of fields is accepted, llhttp in strict mode accepts too, and reads the same names and values."""

import contextlib
import random

import httptools
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from heeler.plugins.conformance.hostile import CASES
from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import FieldReader, split
from heeler.workers.http.limits import Limits

Pair = tuple[bytes, bytes]

LINES = [
    line.encode("latin-1")
    for line in (
        "Host: a|host:[::1]:80|Content-Length: 5|content-length:\t5 |Transfer-Encoding: chunked|Connection: close"
        "|Upgrade: x|Connection: keep-alive, Upgrade|Expect: 100-continue|X: y|x:|X-Y:  z \t|X_Y: z|Cookie: a=b; c=d"
        "|Proxy: p|: v|X : y| fold|X|Accept: */*\t;q=1|U: \xe4\x85\xa0|Via: \r|N: \n|Z: \x00|D: \x7f"
        "|Content-Length: 18446744073709551615"
    ).split("|")
]
lines = (
    st.sampled_from(LINES)
    | st.binary(max_size=12)
    | st.builds(b"%b:%b".__mod__, st.tuples(*[st.binary(max_size=6)] * 2))
)
blocks = st.lists(lines, max_size=8).map(lambda found: b"".join(line + b"\r\n" for line in found) + b"\r\n")


class Oracle:
    """What the C parser calls."""

    def __init__(self) -> None:
        self.pairs: list[Pair] = []
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take note of a field; the C parser leaves blanks at the end of a value."""
        self.pairs.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Take note of the end of the head."""
        self.is_complete = True


def oracle(block: bytes) -> list[Pair] | None:
    """Return the fields llhttp finds in `block`, None where it refuses it."""
    found = Oracle()
    parser = httptools.HttpRequestParser(found)
    try:
        with contextlib.suppress(httptools.HttpParserUpgrade):
            parser.feed_data(b"POST / HTTP/1.1\r\n" + block)
    except httptools.HttpParserError:
        return None
    return found.pairs if found.is_complete else None


def environ_of(pairs: list[Pair]) -> dict[str, str]:
    """Return what WSGI wants of these fields, made in the plainest way."""
    environ: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode().upper().replace("-", "_")
        if b"_" in name or key == "PROXY":
            continue
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key
        text = value.decode("latin-1")
        environ[key] = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + text if key in environ else text
    return environ


def check(reader: FieldReader, block: bytes) -> bool:
    """Assert that what is read of `block` is what llhttp reads; return whether it was accepted."""
    try:
        fields = reader.read(block)
    except RemoteProtocolError:
        return False
    pairs = oracle(block)
    assert pairs is not None, block
    assert split(block) == pairs
    assert fields.environ == environ_of(pairs)
    assert fields.pairs == [(name.lower(), value) for name, value in pairs if b"_" not in name]
    return True


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(found=st.lists(blocks, min_size=1, max_size=3))
@example(found=[b"\r\n"])
@example(found=[b"A:\r\n\r\n", b"A: \r\n\r\n"])
def test_blocks(found: list[bytes]) -> None:
    """Blocks of good and bad lines, read twice by one reader: as new ones, and with their lines known."""
    reader = FieldReader(Limits())
    verdicts = [check(reader, block) for block in found]
    reader.blocks.clear()
    assert [check(reader, block) for block in found] == verdicts


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_at_every_place(byte: int) -> None:
    """One byte put anywhere into a small block."""
    block = b"Host: a\r\nX-Y: b c\r\nCookie:d\r\n\r\n"
    reader = FieldReader(Limits())
    for place in range(len(block) - 3):
        for width in (0, 1):
            changed = block[:place] + bytes([byte]) + block[place + width :]
            if changed.find(b"\r\n\r\n") == len(changed) - 4 and changed[:2] != b"\r\n":
                check(reader, changed)


@pytest.mark.parametrize("seed", range(3))
def test_mutations_of_the_corpus(seed: int) -> None:
    """The fields of the hostile corpus, whole and with a byte changed."""
    chance = random.Random(seed)
    reader = FieldReader(Limits())
    accepted = 0
    for case in CASES:
        head = case.data.partition(b"\r\n\r\n")[0].partition(b"\r\n")[2] + b"\r\n\r\n"
        if len(head) > 1000 or head[:2] == b"\r\n":
            continue
        accepted += check(reader, head)
        changed = bytearray(head)
        changed[chance.randrange(len(head) - 4)] = chance.choice(b"\r\n\t :;,_\x00\x7f\xff0aA")
        if bytes(changed).find(b"\r\n\r\n") == len(changed) - 4 and changed[:2] != b"\r\n":
            accepted += check(reader, bytes(changed))
    assert accepted > 50
