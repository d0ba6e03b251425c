"""Real ASGI applications, fetched by real clients, through `asyncio` on each of its event loops."""

import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from support import pages
from support.server import Server
from support.sites import make_site_folder

SITES = ("fastapi_site:app", "starlette_site:app", "django_site.asgi:application")
LOOPS = ("asyncio", "uvloop")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Each event loop."""
    return str(request.param)


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the Django project's database."""
    folder = tmp_path_factory.mktemp("site")
    make_site_folder(folder)
    return folder


@pytest.fixture(scope="module", params=SITES, ids=["fastapi", "starlette", "django"])
def site(request: pytest.FixtureRequest, loop: str, site_folder: pathlib.Path) -> Iterator[Server]:
    """The pages of `support.pages`, by each framework; the log holds no traceback but theirs."""
    with Server(
        request.param, "-k", "asyncio", "--loop", loop, env={"SITE_FOLDER": str(site_folder)}, tracebacks=True
    ) as server:
        yield server
        pages.assert_only_broken_pages_logged(server)


@pytest.fixture(params=["fastapi_site:app", "starlette_site:app"], ids=["fastapi", "starlette"])
def fresh(request: pytest.FixtureRequest, loop: str) -> Iterator[Server]:
    """FastAPI or Starlette in a server of its own."""
    with Server(request.param, "-k", "asyncio", "--loop", loop) as server:
        yield server


@pytest.fixture
def client(site: Server) -> Iterator[httpx.Client]:
    """A client of the site."""
    with httpx.Client(base_url=site.url, timeout=20) as client:
        yield client


@pytest.mark.parametrize("check", pages.CHECKS, ids=lambda check: check.__name__)
def test_site_works_for_its_clients(client: httpx.Client, check: Callable[[httpx.Client], None]) -> None:
    """Each promise of `support.pages` is kept, through each framework and event loop."""
    check(client)


def test_stream_without_an_end_ends_with_its_client(client: httpx.Client) -> None:
    """The first lines come while the rest is being made; once the client leaves, the application's stream ends."""
    with client.stream("GET", "/ticks") as response:
        lines = response.iter_lines()
        assert [next(lines), next(lines)] == ["tick", "tick"]
    assert client.get("/ended").text == "ended"


def test_background_work_holds_neither_the_response_nor_the_connection(fresh: Server) -> None:
    """The response is complete before the work is done, and the same connection serves on meanwhile."""
    one = httpx.Limits(max_connections=1)
    with httpx.Client(base_url=fresh.url, timeout=20, limits=one) as client:
        assert client.post("/later").text == "later"
        assert client.get("/hello").text == "hello"
        assert client.post("/release").json() == {"done before": False}


def test_lifespan_begins_before_requests_and_ends_after_them(fresh: Server) -> None:
    """What the lifespan made is there for requests; when the server stops, it is told."""
    with httpx.Client(base_url=fresh.url, timeout=20) as client:
        client.post("/later")
        assert client.post("/release").status_code == 200
    assert "lifespan ended" not in fresh.log()
    assert fresh.stop() == 0
    assert fresh.log().count("lifespan ended") == 1


def test_parts_of_a_file_are_sent_as_asked_for(fresh: Server) -> None:
    """A range is a 206 with these bytes, and HEAD gets the length alone."""
    with httpx.Client(base_url=fresh.url, timeout=20) as client:
        whole = client.get("/file")
        part = client.get("/file", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        parts = client.get("/file", headers={"Range": "bytes=0-4,10-14"})
        assert parts.headers["content-type"].startswith("multipart/byteranges")
        assert whole.content[10:15] in parts.content


def test_fastapi_checks_json_and_forms_and_closes_what_it_opened(loop: str) -> None:
    """Models, validation errors, errors with headers, dependencies and uploads work."""
    with (
        Server("fastapi_site:app", "-k", "asyncio", "--loop", loop) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        assert client.post("/price", json={"name": "tea", "price": 2.5}).json() == {"name": "tea", "price": 5.0}
        refused = client.post("/price", json={"name": "tea", "price": "much"})
        assert refused.status_code == 422
        assert refused.json()["detail"][0]["loc"] == ["body", "price"]
        teapot = client.get("/teapot")
        assert (teapot.status_code, teapot.headers["x-kind"]) == (418, "teapot")
        assert client.get("/session").text == "session"
        server.wait_for_log("session closed")
        assert client.get("/openapi.json").json()["paths"]["/price"]
        large = os.urandom(5_000_000)
        said = client.post("/upload", files={"file": ("x.bin", large)}).json()
        assert said["sha256"] == hashlib.sha256(large).hexdigest()


def test_starlette_middleware_sees_each_response(loop: str) -> None:
    """`BaseHTTPMiddleware`, which wraps `receive` and `send`, changes what it should and nothing else."""
    with (
        Server("starlette_site:app", "-k", "asyncio", "--loop", loop) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        for page in ("/hello", "/stream", "/file"):
            assert client.get(page).headers["x-passed"] == "yes"


def test_django_streams_and_serves_static_files(loop: str, site_folder: pathlib.Path) -> None:
    """A stream made by the event loop, and static files with their validators."""
    env = {"SITE_FOLDER": str(site_folder)}
    with (
        Server("django_site.asgi:application", "-k", "asyncio", "--loop", loop, env=env) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        assert client.get("/async/stream").text == pages.STREAMED
        css = client.get("/static/admin/css/base.css")
        assert css.headers["content-type"].startswith("text/css")
        assert len(css.content) == int(css.headers["content-length"])
        known = client.get(css.url, headers={"If-Modified-Since": css.headers["last-modified"]})
        assert known.status_code == 304
        assert client.get("/admin/").status_code == 302
