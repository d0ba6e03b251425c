"""Requests that have broken servers, and what must become of them.

Data only: the unit tests feed it to the parser, the integration tests to real
servers in every worker class. Each group names where it comes from.
"""

from dataclasses import dataclass, field
from typing import Final

BAD: Final = frozenset({400})
NOT_IMPLEMENTED: Final = frozenset({501})
OK: Final = frozenset({200})

SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
"""What the tests append to every case: a request that must not run after a refusal or a close."""


@dataclass(frozen=True, slots=True)
class Case:
    """One connection's bytes.

    Args:
        name: says what is wrong with them.
        data: the bytes, without SMUGGLED.
        statuses: what the last response may be; 200 where the request is a good one.
        stays_open: whether SMUGGLED, sent behind it, is a request of its own.
        body: what the application must see as the content, where it runs.
        if_websocket: what the response may be too where WebSocket is served.
    """

    name: str
    data: bytes
    statuses: frozenset[int] = BAD
    stays_open: bool = False
    body: bytes = field(default=b"")
    if_websocket: frozenset[int] = frozenset()


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1", host: bytes = b"Host: a\r\n") -> bytes:
    """Return a GET with these further field lines."""
    return b"GET " + target + b" " + version + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines: bytes, content: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a POST with these further field lines."""
    head = b"POST / " + version + b"\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
    return head + content


def chunked(content: bytes) -> bytes:
    """Return a POST with that raw chunked content."""
    return post(b"Transfer-Encoding: chunked", content=content)


_CHUNKED = b"Transfer-Encoding: chunked"
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"

TRANSFER_ENCODING: Final = (  # gunicorn CVE-2024-1135, -6827; waitress 16785/6/9; puma 11076/7; node 32213/4/5; tornado 753j
    Case("te chunked then identity", post(b"Transfer-Encoding: chunked, identity", content=_HELLO)),
    Case("te two lines, identity last", post(_CHUNKED, b"Transfer-Encoding: identity", content=_HELLO)),
    Case("te two lines, chunked last", post(b"Transfer-Encoding: identity", _CHUNKED, content=_HELLO)),
    Case("te chunked twice in a list", post(b"Transfer-Encoding: chunked, chunked", content=_HELLO)),
    Case("te chunked on two lines", post(_CHUNKED, _CHUNKED, content=_HELLO)),
    Case("te chunked on two lines of other case", post(_CHUNKED, b"transfer-encoding: chunked", content=_HELLO)),
    Case("te unknown", post(b"Transfer-Encoding: xchunked", content=_HELLO), frozenset({400, 501})),
    Case("te with suffix", post(b"Transfer-Encoding: chunked123", content=_HELLO), frozenset({400, 501})),
    Case("te identity", post(b"Transfer-Encoding: identity", content=b"hello"), frozenset({400, 501})),
    Case("te gzip", post(b"Transfer-Encoding: gzip", content=b"hello"), frozenset({400, 501})),
    Case("te gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", content=_HELLO), frozenset({400, 501})),
    Case("te unknown with content-length", post(b"Transfer-Encoding: x", b"Content-Length: 5", content=b"hello")),
    Case("te chunked with content-length", post(_CHUNKED, b"Content-Length: 5", content=_HELLO)),
    Case("content-length before te chunked", post(b"Content-Length: 5", _CHUNKED, content=_HELLO)),
    Case("content-length 0 with te chunked", post(b"Content-Length: 0", _CHUNKED, content=_HELLO)),
    Case(
        "te chunked123 with content-length", post(b"Transfer-Encoding: chunked123", b"Content-Length: 5", content=b"")
    ),
    Case("te after vertical tab", post(b"Transfer-Encoding: \x0bchunked", content=_HELLO)),
    Case("te after form feed", post(b"Transfer-Encoding: \x0cchunked", content=_HELLO)),
    Case("te quoted", post(b'Transfer-Encoding: "chunked"', content=_HELLO)),
    Case("te with parameter", post(b"Transfer-Encoding: chunked;x=y", content=_HELLO)),
    Case("te with empty member", post(b"Transfer-Encoding: chunked,", content=_HELLO)),
    Case("te empty", post(b"Transfer-Encoding:", content=_HELLO)),
    Case("te folded", post(b"Transfer-Encoding:\r\n chunked", content=_HELLO)),
    Case("te behind a no-break space", post(b"Transfer-Encoding: \xa0chunked", content=_HELLO)),
    Case("te with kelvin-like letter", post(b"Transfer-Encoding: chun\xe2\x84\xaaed", content=_HELLO)),
    Case("te name with blank before colon", post(b"Transfer-Encoding : chunked", content=_HELLO)),
    Case("te name behind blank", post(b"X: y", b" Transfer-Encoding: chunked", content=_HELLO)),
    Case("te name with control byte", post(b"Transfer-Encoding\x0b: chunked", content=_HELLO)),
    Case("te on HTTP/1.0", post(_CHUNKED, content=_HELLO, version=b"HTTP/1.0")),
    Case("te on HTTP/1.0 kept alive", post(_CHUNKED, b"Connection: keep-alive", content=_HELLO, version=b"HTTP/1.0")),
    Case("te chunked with blanks around", post(b"Transfer-Encoding: \t chunked ", content=_HELLO), OK, True, b"hello"),
    Case("te chunked in capitals", post(b"Transfer-Encoding: CHUNKED", content=_HELLO), OK, True, b"hello"),
)

CONTENT_LENGTH: Final = (  # waitress CVE-2022-24761, cheroot, tornado qppv, aiohttp CVE-2023-47627, puma CVE-2022-24790, twisted 10108
    Case("cl twice, different", post(b"Content-Length: 5", b"Content-Length: 6", content=b"hello")),
    Case("cl twice, same", post(b"Content-Length: 5", b"Content-Length: 5", content=b"hello")),
    Case("cl twice, other case", post(b"Content-Length: 5", b"content-length: 5", content=b"hello")),
    Case("cl 0 and cl 5", post(b"Content-Length: 0", b"Content-Length: 5", content=b"hello")),
    Case("cl list, same", post(b"Content-Length: 5, 5", content=b"hello")),
    Case("cl list, different", post(b"Content-Length: 5, 6", content=b"hello")),
    Case("cl plus", post(b"Content-Length: +5", content=b"hello")),
    Case("cl minus", post(b"Content-Length: -5", content=b"hello")),
    Case("cl minus zero", post(b"Content-Length: -0", content=b"")),
    Case("cl underscore", post(b"Content-Length: 1_0", content=b"0123456789")),
    Case("cl hexadecimal", post(b"Content-Length: 0x05", content=b"hello")),
    Case("cl octal", post(b"Content-Length: 0o5", content=b"hello")),
    Case("cl fraction", post(b"Content-Length: 5.0", content=b"hello")),
    Case("cl exponent", post(b"Content-Length: 5e0", content=b"hello")),
    Case("cl empty", post(b"Content-Length:", content=b"hello")),
    Case("cl blank inside", post(b"Content-Length: 1 0", content=b"0123456789")),
    Case("cl letters", post(b"Content-Length: five", content=b"hello")),
    Case("cl superscript digit", post(b"Content-Length: \xb2", content=b"he")),
    Case("cl arabic digit", post(b"Content-Length: \xd9\xa5", content=b"hello")),
    Case("cl quoted", post(b'Content-Length: "5"', content=b"hello")),
    Case("cl over 2**63", post(b"Content-Length: 9223372036854775808", content=b"hello")),
    Case("cl over 2**64", post(b"Content-Length: 18446744073709551621", content=b"hello")),
    Case("cl of a thousand digits", post(b"Content-Length: " + b"0" * 1000 + b"5", content=b"hello")),
    Case("cl with blank before colon", post(b"Content-Length : 5", content=b"hello")),
    Case("cl with vertical tab", post(b"Content-Length: 5\x0b", content=b"hello")),
    Case("cl with NUL", post(b"Content-Length: 5\x00", content=b"hello")),
    Case("cl folded", post(b"Content-Length:\r\n 5", content=b"hello")),
    Case("cl with blanks around", post(b"Content-Length: \t 5 \t", content=b"hello"), OK, True, b"hello"),
    Case("cl followed by bare CR", post(b"Content-Length: 5\rX: y", content=b"hello")),
)

CHUNKS: Final = (  # h11 CVE-2025-43859, hyper 32714/5, puma 21647, aiohttp 52304, Go 22871, gunicorn 25.3/26, waitress 24761
    Case("chunk data without CRLF", chunked(b"5\r\nhelloXX0\r\n\r\n")),
    Case("chunk data ends with LF", chunked(b"5\r\nhello\n0\r\n\r\n")),
    Case("chunk data ends with CR", chunked(b"5\r\nhello\r0\r\n\r\n")),
    Case("chunk data too long", chunked(b"4\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size line ends with LF", chunked(b"5\nhello\r\n0\r\n\r\n")),
    Case("chunk size line ends with CR", chunked(b"5\rhello\r\n0\r\n\r\n")),
    Case("chunk size plus", chunked(b"+5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size minus", chunked(b"-5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size 0x", chunked(b"0x5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size underscore", chunked(b"0_5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size blank before", chunked(b" 5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size blank after", chunked(b"5 \r\nhello\r\n0\r\n\r\n")),
    Case("chunk size tab after", chunked(b"5\t\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size empty", chunked(b"\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size not hexadecimal", chunked(b"g\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size full-width digit", chunked(b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size over 2**64", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size over 2**63", chunked(b"8000000000000000\r\nhello\r\n0\r\n\r\n")),
    Case("chunk size of 40 zeros", chunked(b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension with LF", chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension with CR", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension with NUL", chunked(b"5;a=\x00\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension garbage", chunked(b"5;=b\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension without semicolon", chunked(b"5 a=b\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extension unclosed quote", chunked(b'5;a="b\r\nhello\r\n0\r\n\r\n')),
    Case("chunk extension of 100 KB", chunked(b"5;a=" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n")),
    Case("chunk extensions of 40 KB in small chunks", chunked(b"1;aaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 2000 + b"0\r\n\r\n")),
    Case("chunk extensions, good ones", chunked(b'5;a;b=c;d="e \\" f"\r\nhello\r\n0;z\r\n\r\n'), OK, True, b"hello"),
    Case("chunk sizes with zeros", chunked(b"0005\r\nhello\r\n000\r\n\r\n"), OK, True, b"hello"),
)

TRAILERS: Final = (  # eventlet CVE-2025-58068, gevent CVE-2023-41419, aiohttp 2026-22815, libevent 2026-63379, gunicorn 26
    Case("trailer is a request line", chunked(b"0\r\nGET /inner HTTP/1.1\r\nHost: a\r\n\r\n")),
    Case("trailer without colon", chunked(b"0\r\nnonsense\r\n\r\n")),
    Case("trailer without a name", chunked(b"0\r\n: x\r\n\r\n")),
    Case("trailer with blank before colon", chunked(b"0\r\nX : y\r\n\r\n")),
    Case("trailer folded", chunked(b"0\r\nX: y\r\n z\r\n\r\n")),
    Case("trailer with LF", chunked(b"0\r\nX: y\nZ: z\r\n\r\n")),
    Case("trailer section ends with LF", chunked(b"0\r\n\n")),
    Case("trailer with bare CR", chunked(b"0\r\nX: y\rZ: z\r\n\r\n")),
    Case("trailer with NUL", chunked(b"0\r\nX: \x00\r\n\r\n")),
    Case("last chunk without its second CRLF", chunked(b"0\r\n")),  # SMUGGLED then is no trailer
    *(
        Case(f"trailer {name.decode()}", chunked(b"0\r\n" + name + b": 5\r\n\r\n"))
        for name in (
            b"Content-Length",
            b"Transfer-Encoding",
            b"Host",
            b"Authorization",
            b"TE",
            b"Trailer",
            b"Connection",
        )
    ),
    Case("trailers of 100 KB", chunked(b"0\r\n" + b"X: y\r\n" * 17_000 + b"\r\n"), frozenset({400, 431})),
    Case("trailer of 100 KB", chunked(b"0\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), frozenset({400, 431})),
    Case("trailers, good ones", chunked(b"5\r\nhello\r\n0\r\nX-Forwarded-Proto: https\r\n\r\n"), OK, True, b"hello"),
)

HOST: Final = (  # aiohttp 2026-34525, gunicorn 26, and what no peer checks (RFC 9112, section 3.2)
    Case("host missing", get(host=b"")),
    Case("host twice", get(b"Host: b")),
    Case("host twice, same", get(b"Host: a")),
    Case("host twice, other case", get(b"HOST: a")),
    *(
        Case(f"host {value[:40]!r}", get(host=b"Host: " + value + b"\r\n"))
        for value in (
            b"a b", b"a/b", b"u@a", b"u:p@a", b"a, b", b"a,b", b"[::1", b"::1", b"a:8x", b"a:-1", b"a:80:80", b"http://a/", b'a"b',
            b"a\\b", b"a?b", b"a#b", b"<a>", b"a%zz", b"a%", b":80", b"[v1]", b"[]", b"[:::]", b"[1:2]", b"[::1%25eth0]", b"[" + b":" * 8000 + b"]", b"a" * 600, b"a\tb", b"\xe4", b"a:123456",
        )
    ),
    *(
        Case(f"host good {value!r}", get(host=b"Host: " + value + b"\r\n"), OK, True)
        for value in (b"a", b"a:", b"a:80", b"[::1]", b"[::1]:80", b"1.2.3.4:5", b"a_b.example", b"%41", b"[v1.x]", b"")
    ),
    Case("host missing on HTTP/1.0", get(version=b"HTTP/1.0", host=b""), OK),
)  # fmt: skip

FIELDS: Final = (  # node, puma, aiohttp, waitress CVE-2020-5236, daphne 2026-44546, gunicorn 22 to 27
    Case("bare LF everywhere", b"GET / HTTP/1.1\nHost: a\n\n"),
    Case("bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    Case("bare LF after a field", get(b"X: y\nZ: z")),
    Case("bare LF at the end of the head", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    Case("bare CR in a value", get(b"X: y\rZ: z")),
    Case("bare CR separates fields", get(b"X: y\rTransfer-Encoding: chunked")),
    Case("bare CR ends the head", b"GET / HTTP/1.1\r\nHost: a\r\r\n"),
    Case("bare CR in the request line", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("fold", get(b"X: y", b" z")),
    Case("fold with tab", get(b"X: y", b"\tz")),
    Case("fold before the first field", get(host=b" X: y\r\nHost: a\r\n")),
    Case("line of blanks", get(b" ")),
    Case("blank before colon", get(b"X : y")),
    Case("tab before colon", get(b"X\t: y")),
    Case("name empty", get(b": y")),
    Case("line without colon", get(b"X")),
    Case("line of a colon", get(b":")),
    *(Case(f"name with {chr(byte)!r}", get(b"X" + bytes([byte]) + b"Y: z")) for byte in b'\x00\x01\x7f\x80\xff"(),/;<=>?@[\\]{}'),
    *(Case(f"value with {byte:#04x}", get(b"X: y" + bytes([byte]) + b"z")) for byte in (*range(9), *range(11, 13), *range(14, 32), 127)),
    Case("long value with a control byte at its end", get(b"Bad: " + b"x" * 8000 + b"\x10")),
    *(
        Case(f"value with {byte:#04x} is one value", get(b"X: y" + bytes([byte]) + b"Z: z"), OK, True)
        for byte in (0x85, 0xA0, 0xFF)
    ),
    Case("content-type twice", post(b"Content-Type: a/b", b"Content-Type: c/d", b"Content-Length: 0", content=b"")),
    Case("expectation unknown", post(b"Expect: 200-ok", b"Content-Length: 5", content=b"hello"), frozenset({417})),
    Case("300 fields", get(*(b"X-%d: y" % number for number in range(300))), frozenset({431})),
    Case("300 fields of one name", get(*[b"X: y"] * 300), frozenset({431})),
    Case("field of 64 KB", get(b"X: " + b"y" * 65536), frozenset({431})),
    Case("name of 64 KB", get(b"X" * 65536 + b": y"), frozenset({431})),
    Case("head of 400 KB", get(*(b"X-%d: " % number + b"y" * 8000 for number in range(50))), frozenset({431})),
    Case("chunk of a head that never ends", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000, frozenset({431})),
)  # fmt: skip

REQUEST_LINE: Final = (  # aiohttp 5427x and 49081/2, gunicorn 22 and 26, werkzeug, and the table of the peers
    Case("HTTP/0.9", b"GET /\r\n\r\n"),
    Case("HTTP/0.9 without the empty line", b"GET /\r\n"),
    Case("version 1.2", get(version=b"HTTP/1.2"), frozenset({400, 505})),
    Case("version 2.0", get(version=b"HTTP/2.0"), frozenset({400, 505})),
    Case("version 0.9", get(version=b"HTTP/0.9"), frozenset({400, 505})),
    *(
        Case(f"version {version!r}", get(version=version))
        for version in (b"HTTP/1.", b"HTTP/1", b"HTTP/11", b"HTTP/1.10", b"HTTP/01.1", b"http/1.1", b"HTTP /1.1", b"HTTP/1.x",
                        b"HTP/1.1", b"HTTP/1,1", b"HTTP/+1.1", b"HTTP/1.1 x", b"HTTP/1.1 ", b"HTTP/1.\xb9", b"")
    ),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frozenset({400, 505})),
    Case("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x8a" * 200),
    Case("two empty lines before", b"\r\n\r\n" + get()),
    Case("empty line of LF before", b"\n" + get()),
    Case("CR before", b"\r" + get()),
    Case("blank before the method", b" " + get()),
    Case("two blanks", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("tab for a blank", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("method empty", b" / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("method with colon", b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("method with NUL", b"GE\x00T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    Case("method in small letters", b"get / HTTP/1.1\r\nHost: a\r\n\r\n", frozenset({400, 501})),
    Case("method of 100 letters", b"G" * 100 + b" / HTTP/1.1\r\nHost: a\r\n\r\n", frozenset({400, 501})),
    Case("CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", frozenset({405, 501})),
    *(
        Case(f"target {target!r}", get(target=target))
        for target in (b"*", b"a", b"a:80", b"?x", b"..", b"/\x1b[31m", b"/\x7f", b"/\x00", b"/\xc3\xa9", b"/\xff", b"/a#b",
                       b"#", b"ftp://a/", b"http://", b"http:///x", b"http://a b/", b"http://u@a/", b"http://a:x/", b"http:a",
                       b"file:///etc/passwd", b"http://a,b/")
    ),
    Case("OPTIONS * in POST", b"POST * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
    Case("target of 64 KB", get(target=b"/" + b"x" * 65536), frozenset({414})),
    Case("request line that never ends", b"GET /" + b"x" * 5000, frozenset({414})),
    Case("leading empty line", b"\r\n" + get(), OK, True),
    Case("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", OK, True),
    Case("absolute target", get(target=b"http://a/x?y"), OK, True),
    Case("target with two slashes", get(target=b"//host/..%2f"), OK, True),
)  # fmt: skip

CONNECTION: Final = (  # the peers' table, aiohttp CVE-2026-69243, waitress CVE-2024-49768
    Case("connection close", get(b"Connection: close"), OK),
    Case("connection list with close", get(b"Connection: x-foo, close"), OK),
    Case("connection on two lines", get(b"Connection: keep-alive", b"Connection: close"), OK),
    Case("connection close with blanks around", get(b"Connection:  \tclose \t"), OK),
    Case("connection CLOSE", get(b"Connection: CLOSE"), OK),
    Case("connection close with content", post(b"Connection: close", b"Content-Length: 5", content=b"hello"), OK, body=b"hello"),
    Case("HTTP/1.0", get(version=b"HTTP/1.0"), OK),
    Case("HTTP/1.0 kept alive", get(b"Connection: Keep-Alive", version=b"HTTP/1.0"), OK, True),
    Case("closed is no option", get(b"Connection: closed"), OK, True),
    Case("upgrade to h2c is ignored", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: "), OK, True),
    Case(
        "upgrade with content",
        post(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: %d" % len(SMUGGLED), content=SMUGGLED),
        OK,
        True,
        SMUGGLED,
        frozenset({400, 405}),
    ),
    Case("upgrade with chunks", post(b"Connection: upgrade", b"Upgrade: x", _CHUNKED, content=_HELLO), OK, True, b"hello"),
    Case("upgrade on GET with content", get(b"Connection: upgrade", b"Upgrade: x", b"Content-Length: 2") + b"hi", OK, True, b"hi"),
    Case("content of GET", get(b"Content-Length: 5") + b"hello", OK, True, b"hello"),
    Case("proxy-connection close means nothing", get(b"Proxy-Connection: close"), OK, True),
)  # fmt: skip

CASES: Final = (
    *TRANSFER_ENCODING,
    *CONTENT_LENGTH,
    *CHUNKS,
    *TRAILERS,
    *HOST,
    *FIELDS,
    *REQUEST_LINE,
    *CONNECTION,
)
