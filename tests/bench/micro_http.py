"""Measures what parsing a request and building a head cost, in microseconds of one core.

    python tests/bench/micro_http.py

`seen` is a request whose fields came before (a client that asks again); `new` has fields
never seen (another cookie each time); `half new` is every other one of 20 that come again;
`new connection` adds the making of a parser. `proxied` is what a proxy sends: each request
with another target, cookie and ids of its own.
"""

import time
import timeit
from collections.abc import Callable

from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import Request
from heeler.workers.http.response import ResponseEncoder

BROWSER = (
    b"GET /static/app/main.css?v=12345 HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24", "Google Chrome";v="128"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/128.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    b"Cookie: sessionid=%032d; csrftoken=0123456789abcdef\r\n"
    b"\r\n"
)
CURL = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\nX-Id: %032d\r\n\r\n"
POST = (
    b"POST /items HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: 32\r\n\r\n%032d"
)
PROXIED = BROWSER.replace(b"?v=12345", b"?v=%d").replace(
    b"\r\n\r\n",
    b"\r\nX-Forwarded-For: 203.0.113.%d\r\nX-Forwarded-Proto: https\r\n"
    b"X-Request-Id: %032x\r\ntraceparent: 00-%032x-01\r\n\r\n",
)
DATE = b"Mon, 23 Nov 2026 16:08:48 GMT"
ROUNDS = 3000


def measure(name: str, call: Callable[[], object], calls: int = 1) -> None:
    """Print the best time of one of the `calls` that `call` makes."""
    best = min(timeit.repeat(call, timer=time.process_time, number=max(1, ROUNDS // calls), repeat=25))
    print(f"{name:44} {best / max(1, ROUNDS // calls) / calls * 1e6:6.2f} us")


def filled(template: bytes, number: int) -> bytes:
    """Return the request of that number."""
    return template % ((number,) * template.count(b"%"))


def measure_requests(name: str, template: bytes) -> None:
    """Print what one kind of request costs, with its environ."""
    limits = Limits()
    reader = FieldReader(limits)
    parser = RequestParser(limits, reader)
    one = filled(template, 0)
    many = [filled(template, number) for number in range(ROUNDS)]
    half_new = [data if number % 2 else many[number // 2 % 20] for number, data in enumerate(many)]

    def parse(data: bytes, parser: RequestParser = parser) -> None:
        request = parser.feed(data)[0]
        assert isinstance(request, Request)
        environ: dict[str, object] = {}
        environ.update(request.fields.environ)

    def parse_all(requests: list[bytes]) -> None:
        for data in requests:
            parse(data)

    measure(f"{name} ({len(one)} bytes), seen", lambda: parse(one))
    measure(f"{name}, seen, new connection", lambda: parse(one, RequestParser(limits, reader)))
    measure(f"{name}, half new", lambda: parse_all(half_new), ROUNDS)
    measure(f"{name}, new", lambda: parse_all(many), ROUNDS)
    half = len(one) // 2

    def parse_halves() -> None:
        parser.feed(one[:half])
        parse(one[half:])

    measure(f"{name}, in two pieces", parse_halves)


def main() -> None:
    """Print the table."""
    measure_requests("browser GET", BROWSER)
    measure_requests("proxied GET", PROXIED)
    measure_requests("curl GET", CURL)
    measure_requests("small POST", POST)
    encoder = ResponseEncoder(b"heeler")

    def encode(headers: list[tuple[str, str]]) -> Callable[[], object]:
        return lambda: encoder.encode_head(
            "200 OK", headers.copy(), method="GET", minor=1, keep_alive=True, date=DATE, body_length=13
        )

    measure("head, 1 field", encode([("Content-Type", "text/plain")]))
    measure("head, 2 fields", encode([("Content-Type", "text/plain"), ("Content-Length", "13")]))
    measure("head, 4 fields", encode([("Content-Type", "text/plain"), ("X-A", "a"), ("Vary", "b"), ("X-B", "c")]))


if __name__ == "__main__":
    main()
