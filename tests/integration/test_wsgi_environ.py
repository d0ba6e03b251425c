"""What an application is told of its request: all of it, nothing of another's."""

import json
import random
import threading
from collections.abc import Iterator

import pytest

from support.client import Client, build_request
from support.server import WORKER_CLASSES, Server


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An application that says what it was told, and spoils what it was given."""
    with Server("mirror:app", "-k", str(request.param)) as running:
        yield running


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


def told(server: Server, target: str = "/", headers: dict[str, str] | None = None) -> dict[str, str]:
    """Return what the application was told of a GET."""
    with Client(server.address) as client:
        response = client.request("GET", target, headers)
    assert response.status == 200
    found: dict[str, str] = json.loads(response.body)
    return found


def test_who_speaks_with_whom(server: Server) -> None:
    """Addresses of both ends, and what PEP 3333 demands."""
    host, port = server.address
    with Client(server.address) as client:
        said = json.loads(client.request("GET", "/?types").body)
        assert said["REMOTE_ADDR"] == host
        assert said["REMOTE_PORT"] == str(client.sock.getsockname()[1])
    assert (said["SERVER_NAME"], said["SERVER_PORT"]) == (host, str(port))
    assert (said["SERVER_PROTOCOL"], said["SCRIPT_NAME"], said["REQUEST_METHOD"]) == ("HTTP/1.1", "", "GET")
    assert said["input_terminated"] is True
    types = said["types"]
    assert types["wsgi.version"] == "tuple"
    assert all(types[f"wsgi.{name}"] == "bool" for name in ("multithread", "multiprocess", "run_once"))
    assert not {"HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE"} & types.keys()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b?c=d&e", "/a/b", "c=d&e"),
        ("/a%20b%2Fc?d%20e", "/a b/c", "d%20e"),
        ("/%C3%A9", "/\xc3\xa9", ""),
        ("/%ff%00", "/\xff\x00", ""),
        ("/%zz%", "/%zz%", ""),
        ("/?a?b", "/", "a?b"),
        ("//x//y", "//x//y", ""),
        ("/a/../b", "/a/../b", ""),
        ("http://other/p?q", "/p", "q"),
        ("http://other?q", "/", "q"),
        ("/a+b;c=d", "/a+b;c=d", ""),
    ],
)
def test_target(server: Server, target: str, path: str, query: str) -> None:
    """The path is decoded once, the query never, and the target as sent is there too."""
    said = told(server, target)
    assert (said["PATH_INFO"], said["QUERY_STRING"]) == (path, query)
    assert said["RAW_URI"] == said["REQUEST_URI"] == target
    assert said["HTTP_HOST"] == ("other" if "other" in target else "x")


def test_fields(server: Server) -> None:
    """Repeated fields are joined; what could pass for another field, or for a setting, is dropped."""
    lines = (
        b"X-A: 1\r\nx-a: 2\r\nX-A:\t3 \t\r\nCookie: a=1\r\nCookie: b=2\r\nX_A: evil\r\nContent_Length: 5\r\n"
        b"Proxy: http://evil\r\nX-Empty:\r\nX-Latin: \xe9\r\nContent-Type: text/plain\r\n"
    )
    with Client(server.address) as client:
        for _ in range(3):
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
            said = json.loads(client.read_response().body)
            assert said["HTTP_X_A"] == "1,2,3"
            assert said["HTTP_COOKIE"] == "a=1; b=2"
            assert (said["HTTP_X_EMPTY"], said["HTTP_X_LATIN"]) == ("", "\xe9")
            assert said["CONTENT_TYPE"] == "text/plain"
            assert not {"HTTP_PROXY", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"} & said.keys()
            assert "evil" not in str(said)


SCHEMES = [
    ({"X-Forwarded-Proto": "https"}, "https"),
    ({"X-Forwarded-Proto": "http"}, "http"),
    ({"X-Forwarded-Proto": "wss"}, "http"),
    ({"X-Forwarded-Ssl": "on"}, "https"),
    ({"X-Forwarded-Protocol": "ssl", "X-Forwarded-Proto": "https"}, "https"),
    ({}, "http"),
]


@pytest.mark.parametrize(("headers", "scheme"), SCHEMES)
def test_scheme_by_a_trusted_proxy(server: Server, headers: dict[str, str], scheme: str) -> None:
    """A proxy on this machine is believed, by default."""
    assert told(server, "/", headers)["wsgi.url_scheme"] == scheme


def test_proxy_that_contradicts_itself(server: Server) -> None:
    """Two fields that tell different schemes: refused, not guessed."""
    with Client(server.address) as client:
        response = client.request("GET", "/", {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off"})
        assert response.status == 400
        assert client.is_closed()


def test_prefix_by_a_trusted_proxy(server: Server) -> None:
    """SCRIPT_NAME is taken off the path; another name with an underscore is dropped all the same."""
    environ = told(server, "/shop/cart?x=1", {"SCRIPT_NAME": "/shop", "X_OTHER": "no"})
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/cart")
    assert "HTTP_X_OTHER" not in environ
    environ = told(server, "/shopping", {"SCRIPT_NAME": "/shop"})
    assert environ["PATH_INFO"] == "/shopping"
    assert told(server, "/shop/cart")["SCRIPT_NAME"] == ""


def test_prefix_by_setting_and_untrusted_proxy(worker_class: str) -> None:
    """The setting mounts the application; a stranger's field does not."""
    args = ("-k", worker_class, "--script-name", "/shop/", "--forwarded-allow-ips", "10.0.0.1")
    with Server("mirror:app", *args) as server:
        environ = told(server, "/shop/cart", {"SCRIPT_NAME": "/elsewhere"})
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/cart")
        assert told(server, "/shop")["PATH_INFO"] == ""


def test_trust_is_the_peers_not_the_requests(worker_class: str) -> None:
    """The same bytes from a trusted and from a strange peer mean different schemes, in any order."""
    headers = {"X-Forwarded-Proto": "https"}
    socket_path = "unix:both.sock"
    binds = ("127.0.0.1:0", socket_path)
    with Server(
        "mirror:app", "-k", worker_class, "--forwarded-allow-ips", "192.0.2.0/24", bind=binds, cwd=None, files=_MIRROR
    ) as server:
        for _ in range(3):
            with Client(str(server.directory / "both.sock")) as client:
                said = json.loads(client.request("GET", "/", headers).body)
                assert said["wsgi.url_scheme"] == "https"
                assert said["REMOTE_ADDR"] == ""
            assert told(server, "/", headers)["wsgi.url_scheme"] == "http"


_MIRROR = {
    "mirror.py": """\
import json

def app(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]
"""
}


def test_nothing_of_a_request_is_seen_by_the_next(server: Server) -> None:
    """An application may do with its environ and its headers what it likes."""
    requests = [build_request("GET", f"/{number % 3}", {"X-Id": str(number % 2)}) for number in range(12)]
    with Client(server.address) as client:
        for at, request in enumerate(requests * 2):
            client.send(request)
            response = client.read_response()
            said = json.loads(response.body)
            assert "spoiled" not in str(said)
            assert response.header("X-Target") == said["PATH_INFO"] == f"/{at % 12 % 3}"
            assert said["HTTP_X_ID"] == str(at % 12 % 2)


def test_headers_are_those_of_their_own_response(worker_class: str) -> None:
    """An application that changes its list of headers after the head is out harms nobody."""
    with Server("mirror:spoiling", "-k", worker_class) as server, Client(server.address) as client:
        for number in range(6):
            response = client.request("GET", f"/{number % 2}")
            assert response.header("X-Target") == f"/{number % 2}"
            assert response.values("X-Spoiled") == []
            assert response.body == b"first, second"


class Asker:
    """A client that asks for random things over one connection, and checks each answer.

    Args:
        server: whom it asks.
        seed: of the choice.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self._random = random.Random(seed)
        self._seed = seed
        self._client = Client(server.address)
        self.wrong: list[str] = []

    def run(self) -> None:
        """Ask, often several things at once, and cut in two anywhere."""
        with self._client as client:
            for _ in range(60):
                asked = [self._ask() for _ in range(self._random.choice((1, 1, 1, 2, 7)))]
                data = b"".join(request for request, _, _ in asked)
                cut = self._random.randrange(len(data))
                client.send_pieces((data[:cut], data[cut:]) if self._random.random() < 0.3 else (data,))
                for _, expected, mark in asked:
                    response = client.read_response(head=expected.startswith("HEAD"))
                    found = (response.text, response.header("X-Id"))
                    if found != ("" if expected.startswith("HEAD") else expected, mark):
                        self.wrong.append(f"{found} instead of {expected}")

    def _ask(self) -> tuple[bytes, str, str]:
        pick = self._random.choice
        method, target, body = pick(("GET", "HEAD", "POST", "DELETE")), pick(("/", "/a", "/a?b", "/c%41")), b""
        mark = pick(("-", "1", str(self._seed), str(self._random.random())))
        headers = {} if mark == "-" else {"X-Id": mark}
        if method == "POST":
            body = pick((b"", b"x", b"y" * 3, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        expected = f"{method} {target} {mark} {body.decode()}"
        return build_request(method, target, headers, body), expected, mark


def test_requests_are_never_mixed_up(worker_class: str) -> None:
    """Many clients with requests that are nearly alike: each gets its own answers, in its own order."""
    with Server("mirror:headers_only", "-k", worker_class) as server:
        askers = [Asker(server, seed) for seed in range(16)]
        threads = [threading.Thread(target=asker.run) for asker in askers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [asker.wrong for asker in askers if asker.wrong] == []
