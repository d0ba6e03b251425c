"""Header fields as WSGI and ASGI want them."""

import pytest

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.environ_keys import HeaderMap
from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits

HOST = b"Host: a\r\n"


def reader(header_map: HeaderMap = "drop") -> FieldReader:
    """Return a new reader."""
    return FieldReader(Limits(), header_map)


def test_environ() -> None:
    """Names become HTTP_*, but for the two CGI variables; values are latin-1 without blanks around."""
    block = (
        b"HOST: a\r\nAccept-Encoding: \t gzip, br \t\r\ncontent-TYPE: t/p\r\nContent-Length: 5\r\nX: \xe4\r\nY:\r\n\r\n"
    )
    assert reader().read(block).environ == {
        "HTTP_HOST": "a",
        "HTTP_ACCEPT_ENCODING": "gzip, br",
        "CONTENT_TYPE": "t/p",
        "CONTENT_LENGTH": "5",
        "HTTP_X": "\xe4",
        "HTTP_Y": "",
    }


def test_repeated_fields() -> None:
    """Fields of one name, in whatever case, are joined in order; cookies in their own way; ASGI sees each."""
    block = b"Host: a\r\nX-A: 1\r\ncookie: b=c\r\nx-a: 2\r\nX-A: 3\r\nCookie: d=e\r\n\r\n"
    fields = reader().read(block)
    assert fields.environ == {"HTTP_HOST": "a", "HTTP_X_A": "1,2,3", "HTTP_COOKIE": "b=c; d=e"}
    assert [value for name, value in fields.pairs if name == b"x-a"] == [b"1", b"2", b"3"]


def test_names_with_underscore_are_dropped() -> None:
    """A name with `_` cannot pass for another, and is seen nowhere."""
    for _ in range(2):
        fields = reader().read(HOST + b"X_Forwarded_For: evil\r\nX-Forwarded-For: good\r\nContent_Length: 5\r\n\r\n")
        assert fields.environ == {"HTTP_HOST": "a", "HTTP_X_FORWARDED_FOR": "good"}
        assert fields.pairs == [(b"host", b"a"), (b"x-forwarded-for", b"good")]
        assert fields.content_length is None


def test_names_with_underscore_are_refused() -> None:
    """`header_map = refuse` refuses the request."""
    refusing = reader("refuse")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            refusing.read(HOST + b"X_A: 1\r\n\r\n")


def test_names_with_underscore_are_kept() -> None:
    """`header_map = dangerous` keeps them, joined with the name they look like."""
    fields = reader("dangerous").read(HOST + b"X_A: 1\r\nX-A: 2\r\n\r\n")
    assert fields.environ["HTTP_X_A"] == "1,2"
    with pytest.raises(RemoteProtocolError):
        reader("dangerous").read(HOST + b"Content_Length: 5\r\nContent-Length: 6\r\n\r\n")


def test_odd_names_are_told() -> None:
    """It is told whether a name may have `_` in it; a value that has one is nothing odd."""
    assert not reader().read(HOST + b"User-Agent: x86_64\r\n\r\n").odd_names
    assert reader().read(HOST + b"X_A: 1\r\n\r\n").odd_names
    assert reader("dangerous").read(HOST + b"X_A: 1\r\n\r\n").odd_names
    assert reader().read(HOST + b"X_A: 1\r\n\r\n").with_host("b").odd_names


def test_proxy_is_dropped() -> None:
    """A Proxy field does not become HTTP_PROXY (httpoxy)."""
    assert reader().read(HOST + b"Proxy: http://evil/\r\npRoXy: x\r\n\r\n").environ == {"HTTP_HOST": "a"}


def test_many_fields_of_one_name_are_joined_in_linear_time() -> None:
    """The text is as long as its parts, and no part is lost."""
    fields = reader().read(HOST + b"X: y\r\n" * 99 + b"\r\n")
    assert fields.environ["HTTP_X"] == ",".join("y" * 99)


def test_what_is_kept_is_bounded() -> None:
    """Clients that never repeat themselves do not grow what a reader keeps."""
    one = reader()
    for number in range(3000):
        one.read(HOST + b"X-%d: y\r\n\r\n" % number)
        one.read(HOST + b"X: %b\r\n\r\n" % (b"%d" % number * 1000))
    assert len(one.blocks) <= 256
    assert max(len(block) for block in one.blocks) <= 2048
    assert len(one.keys) <= 512
    for number in range(3000):
        assert one.lines[b"GET /%d HTTP/1.1" % number] is not None
        assert one.lines[b"GET /%d" % number * 1000] is None
    assert len(one.lines) <= 1024
    assert max(len(line) for line in one.lines) <= 256


def test_c_parser_state_does_not_leak() -> None:
    """Whatever a block said, the next one is read as by a new reader."""
    blocks = [
        HOST + extra + b"\r\n"
        for extra in (
            b"Content-Length: 500\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"Proxy-Connection: close\r\n",
            b"Connection: upgrade\r\nUpgrade: x\r\n",
            b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n",
            b"X: y\r\n",
            b"Bad Name: y\r\n",
            b"",
        )
    ]
    for first in blocks:
        for second in blocks:
            one = reader()
            results: list[dict[str, str]] = []
            for use in (one, one, reader()):
                try:
                    block = first if use is one and not results else second
                    results.append(use.read(block).environ)
                except RemoteProtocolError as error:
                    results.append({"error": error.reason})
            assert results[1] == results[2], (first, second)
