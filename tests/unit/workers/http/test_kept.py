"""Tables of what was read once."""

from heeler.workers.http.fields import FieldReader
from heeler.workers.http.kept import Kept
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.seen_lines import SeenLines


def test_room_is_used_at_once() -> None:
    """While half of the room is free everything is kept, but for what is too long."""
    table: Kept[bytes, int] = Kept(64, 8)
    for number in range(32):
        table.keep(b"%d" % number, number)
    table.keep(b"123456789", 0)
    assert dict(table) == {b"%d" % number: number for number in range(32)}


def test_room_is_bounded() -> None:
    """Whatever comes, and however often, there is never more in it than it may hold."""
    table: Kept[bytes, int] = Kept(64, 8)
    for number in range(5000):
        table.keep(b"%d" % (number % 700), number)
        assert len(table) <= 64


def test_what_comes_often_is_found_among_what_does_not() -> None:
    """Blocks that come again and again are found nearly always, though every other block is a new one."""
    reader = FieldReader(Limits())
    found = 0
    for number in range(6000):
        reader.read(b"Host: a\r\nX-Request-Id: %d\r\n\r\n" % number)
        often = b"Host: a\r\nX: %d\r\n\r\n" % (number % 20)
        found += often in reader.blocks
        reader.read(often)
    assert found > 5000


def test_a_connection_finds_what_comes_often() -> None:
    """A connection on which every other request has fields that come often finds them, though it looks rarely."""
    reader = FieldReader(Limits())
    parser = RequestParser(Limits(), reader)
    known: set[int] = set()
    found = 0
    for number in range(6000):
        parser.quick(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: %d\r\n\r\n" % number)
        request = parser.quick(b"GET / HTTP/1.1\r\nHost: a\r\nX: %d\r\n\r\n" % (number % 20))
        assert request is not None
        found += id(request.fields) in known
        known = {id(fields) for fields in reader.blocks.values()}
    assert found > 4500


def test_lines_are_bounded() -> None:
    """Lines that never come again do not fill the memory, nor does a block of more lines than there is room for."""
    reader = FieldReader(Limits(fields=5000))
    lines = reader.seen
    assert isinstance(lines, SeenLines)
    reader.read(b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(4000)) + b"\r\n")
    assert 0 < len(lines) <= 1024
    for number in range(10_000):
        reader.read(b"Host: a\r\nX: %d\r\nY: %d\r\n\r\n" % (number, number))
        assert len(lines) <= 1024
    reader.read(b"Host: a\r\nX: %b\r\n\r\n" % (b"y" * 300))
    assert max(len(line) for line in lines) <= 256


def test_a_bad_line_is_never_known() -> None:
    """A line that was refused is refused again, by itself and among good ones that were read with it."""
    reader = FieldReader(Limits())
    for bad in (b"X y: z", b"X: \x00", b"X", b": y", b"Host: a b", b""):
        data = b"GET / HTTP/1.1\r\nX-A: %b\r\n%b\r\nHost: a\r\n\r\n" % (bad[:1].hex().encode(), bad)
        for _ in range(3):
            assert RequestParser(Limits(), reader).quick(data) is None
            assert bad.decode("latin-1") not in reader.seen
