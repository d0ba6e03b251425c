"""Real WSGI applications, fetched by real clients, through every worker class."""

import os
import pathlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest

from support import pages
from support.server import APPS, WORKER_CLASSES, Server
from support.sites import ADMIN_PASSWORD, make_site_folder

EXAMPLES = APPS.parents[1] / "docs" / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class: all of them serve WSGI."""
    return str(request.param)


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the Django project's database."""
    folder = tmp_path_factory.mktemp("site")
    make_site_folder(folder)
    return folder


@pytest.fixture(scope="module", params=["flask_site:app", "django_site.wsgi:application"])
def site(request: pytest.FixtureRequest, worker_class: str, site_folder: pathlib.Path) -> Iterator[Server]:
    """The pages of `support.pages`, by each framework; the log holds no traceback but theirs."""
    env = {"SITE_FOLDER": str(site_folder)}
    with Server(request.param, "-k", worker_class, env=env, tracebacks=True) as server:
        yield server
        pages.assert_only_broken_pages_logged(server)


@pytest.fixture
def flask(worker_class: str) -> Iterator[Server]:
    """The sample Flask application."""
    with Server("flask_app.py:app", "-k", worker_class, "-w", "2", cwd=EXAMPLES) as server:
        yield server


@pytest.fixture
def flask_site(worker_class: str) -> Iterator[Server]:
    """The pages by Flask."""
    with Server("flask_site:app", "-k", worker_class) as server:
        yield server


@pytest.fixture
def bottle(worker_class: str) -> Iterator[Server]:
    """A Bottle application."""
    with Server("bottle_site:app", "-k", worker_class, "-w", "2") as server:
        yield server


@pytest.fixture
def django(worker_class: str, site_folder: pathlib.Path) -> Iterator[Server]:
    """The Django project."""
    env = {"SITE_FOLDER": str(site_folder)}
    with Server("django_site.wsgi:application", "-k", worker_class, "-w", "2", env=env) as server:
        yield server


@pytest.fixture
def validated(worker_class: str) -> Iterator[Server]:
    """Applications that object to whatever breaks PEP 3333."""
    with Server("validated:app", "-k", worker_class) as server:
        yield server


@pytest.mark.parametrize("check", pages.CHECKS, ids=lambda check: check.__name__)
def test_site_works_for_its_clients(site: Server, check: Callable[[httpx.Client], None]) -> None:
    """Each promise of `support.pages` is kept, through each framework and worker class."""
    with httpx.Client(base_url=site.url, timeout=20) as client:
        check(client)


def test_flask_stream_without_an_end_ends_with_its_client(flask_site: Server) -> None:
    """The first lines come while the rest is being made; once the client leaves, the generator is closed."""
    with httpx.Client(base_url=flask_site.url, timeout=20) as client:
        with client.stream("GET", "/ticks") as response:
            assert next(response.iter_lines()) == "tick"
        assert client.get("/ended").text == "ended"


def test_flask_sends_a_part_of_a_file_that_was_asked_for(flask_site: Server) -> None:
    """A range is a 206 with these bytes; a file that is known is a 304."""
    with httpx.Client(base_url=flask_site.url, timeout=20) as client:
        whole = client.get("/file")
        part = client.get("/file", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        known = client.get("/file", headers={"If-None-Match": whole.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


def curl(*args: str) -> str:
    """Run curl and return what it prints."""
    command = shutil.which("curl")
    assert command is not None, "curl is not installed"
    done = subprocess.run([command, "-sS", "--max-time", "20", *args], check=True, capture_output=True, text=True)
    return done.stdout


def test_flask_answers_curl(flask: Server) -> None:
    """Curl gets a page, JSON, its own upload, and a 404."""
    assert curl(f"{flask.url}/").startswith("Hello from worker ")
    assert curl(f"{flask.url}/greet/J%C3%BCrgen") == '{"hello":"J\\u00fcrgen"}\n'
    assert curl("--data-binary", "a=1&b=2", f"{flask.url}/echo") == "a=1&b=2"
    assert curl("-o", os.devnull, "-w", "%{http_code}", f"{flask.url}/nowhere") == "404"


def test_flask_answers_httpx_over_kept_connections(flask: Server) -> None:
    """One client gets many pages, each worker answers some, and HEAD gets no body."""
    with httpx.Client(base_url=flask.url, timeout=20) as client:
        for _ in range(20):
            assert client.get("/").text.startswith("Hello from worker ")
        head = client.head("/")
        assert head.content == b""
        assert int(head.headers["content-length"]) > 0
        large = os.urandom(3_000_000)
        assert client.post("/echo", content=large).content == large
        pieces = (large[at : at + 10_000] for at in range(0, len(large), 10_000))
        assert client.post("/echo", content=pieces).content == large


def test_flask_gets_an_upload_of_curl_that_waits_to_be_asked(flask: Server, tmp_path: pathlib.Path) -> None:
    """Curl sends `Expect: 100-continue` with a large body, and is asked to go on."""
    sent = tmp_path / "sent"
    sent.write_bytes(os.urandom(2_000_000))
    got = tmp_path / "got"
    curl("-H", "Expect: 100-continue", "--data-binary", f"@{sent}", "-o", str(got), f"{flask.url}/echo")
    assert got.read_bytes() == sent.read_bytes()


def test_bottle_serves_pages_forms_files_and_streams(bottle: Server) -> None:
    """What Bottle does, arrives."""
    with httpx.Client(base_url=bottle.url, timeout=20) as client:
        assert client.get("/").text == "hello from bottle"
        assert client.post("/form", data={"name": "Zoë", "of": "x & y"}).json() == {"name": "Zoë", "of": "x & y"}
        file = client.get("/file")
        assert file.content == (APPS / "bottle_site.py").read_bytes()
        assert client.get("/file", headers={"If-Modified-Since": file.headers["last-modified"]}).status_code == 304
        assert client.get("/file", headers={"Range": "bytes=0-9"}).content == file.content[:10]
        assert client.get("/stream").text == "".join(f"line {number}\n" for number in range(100))
        assert client.get("/gone").status_code == 410


def test_django_admin_is_used_from_login_to_logout(django: Server) -> None:
    """A person logs in, makes a note, sees it, and logs out; cookies and forms arrive whole."""
    with httpx.Client(base_url=django.url, timeout=20, follow_redirects=True) as client:
        page = client.get("/admin/")
        assert page.url.path == "/admin/login/"
        form = {"username": "admin", "password": ADMIN_PASSWORD, "next": "/admin/"}
        page = client.post(page.url, data={**form, "csrfmiddlewaretoken": token(page.text)})
        assert "Site administration" in page.text
        page = client.get("/admin/notes/note/add/")
        made = client.post(page.url, data={"text": "milk & eggs", "csrfmiddlewaretoken": token(page.text)})
        assert made.url.path == "/admin/notes/note/"
        assert "milk &amp; eggs" in made.text
        page = client.post("/admin/logout/", data={"csrfmiddlewaretoken": token(made.text)})
        assert "Logged out" in page.text


def test_django_serves_static_files(django: Server) -> None:
    """A static file comes whole, by curl and by httpx, and 304 when it is known."""
    url = f"{django.url}/static/admin/css/base.css"
    css = httpx.get(url)
    assert css.status_code == 200
    assert css.headers["content-type"].startswith("text/css")
    assert len(css.content) == int(css.headers["content-length"])
    assert curl(url) == css.text
    assert httpx.get(url, headers={"If-Modified-Since": css.headers["last-modified"]}).status_code == 304


def test_validator_of_the_standard_library_has_no_objection(validated: Server) -> None:
    """`wsgiref.validate` sees PEP 3333 kept for bodies, `write`, files, streams and empty responses."""
    with httpx.Client(base_url=validated.url, timeout=20) as client:
        assert client.get("/any?a=1").text == "GET /any?a=1"
        assert client.post("/echo", content=b"x" * 70_000).content == b"x" * 70_000
        assert client.post("/lines", content=b"one\ntwo\n").text == "> one\n> two\n"
        assert client.get("/write").text == "written, then returned"
        assert client.get("/file").content == b"x" * 100_000
        assert client.get("/nothing").status_code == 204
        assert client.head("/any").content == b""
        assert client.request("OPTIONS", "/any").text == "OPTIONS /any?"


def token(page: str) -> str:
    """Return the token of the page's form."""
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found is not None, page
    return found[1]
