"""`--reload`: what is saved is served, whatever is wrong with it, in every worker class."""

import os
import pathlib
import signal
from typing import Self

import pytest
from typing_extensions import override

from heeler.plugins.conformance import processes
from support.client import Client, build_request, get
from support.server import APPS, WORKER_CLASSES, Server

_APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"first"]
"""
_ASGI = """\
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        STARTUP
        while True:
            await send({"type": (await receive())["type"] + ".complete"})
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"first", "more_body": scope["path"] == "/endless"})
    if scope["path"] == "/endless":
        while (await receive())["type"] != "http.disconnect":
            pass
"""
_ENGINES = ("watchfiles", "poll")
_EACH = [*((name, "watchfiles") for name in WORKER_CLASSES), ("sync", "poll")]


class Project(Server):
    """A server in development, in the folder of its project, which is watched once the block is entered."""

    def __init__(self, *args: str, app: str = "app:app", exit_status: int | None = 0, **files: str) -> None:
        named = {"app.py": _APP} | {f"{name}.py": text for name, text in files.items()}
        super().__init__(app, "--reload", *args, files=named, tracebacks=True, exit_status=exit_status)
        self._reloads = 0

    @override
    def __enter__(self) -> Self:
        super().__enter__()
        self.wait_for_log("watching files=")
        return self

    def save(self, path: str, text: str) -> None:
        """Save a file in one step, as many editors do: write another one, and rename it."""
        self.write(path + "~", text).rename(self.directory / path)

    def serves(self, status: int, text: str) -> bool:
        """Wait until what has been saved is served, and whether that is an answer with this text in it.

        A file that is written in several steps may be seen half written, and so be reloaded twice.
        """
        while True:
            self._reloads += 1
            self.wait_for_log("reload done", self._reloads)
            answer = get(self.address)
            if answer.status == status and text in answer.text:
                return True


# -- what is saved is served


@pytest.mark.parametrize(("worker_class", "engine"), _EACH)
def test_what_is_saved_is_served(worker_class: str, engine: str) -> None:
    """New code, then its error, by the side of which nothing of the old is served, then what mends it."""
    with Project("-k", worker_class, "--reload-engine", engine) as project:
        assert get(project.address).text == "first"
        project.save("app.py", _APP.replace("first", "second"))
        assert project.serves(200, "second")
        project.save("app.py", "def app(<b>:\n")
        assert project.serves(500, "SyntaxError")
        with Client(project.address) as client:
            page = client.request("GET", "/any/path", {"Accept": "text/html"})
            assert page.header("Content-Type") == "text/html; charset=utf-8"
            assert "def app(&lt;b&gt;:" in page.text
            assert client.request("HEAD", "/").status == 500
            assert client.request("POST", "/", body=b"x" * 100_000).status == 500
        assert "application not loaded slot=1" in project.log()
        project.save("app.py", _APP.replace("first", "third"))
        assert project.serves(200, "third")


@pytest.mark.parametrize("worker_class", ["asyncio", "auto"])
def test_an_application_that_fails_at_the_first_start_is_mended_by_a_new_file(worker_class: str) -> None:
    """The server starts all the same, and shows what is missing."""
    with Project("-k", worker_class, app="shop:app", shop="from parts import app\n") as project:
        assert "No module named 'parts'" in get(project.address).text
        project.save("parts.py", _APP)
        assert project.serves(200, "first")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("raise SystemExit('no room')\n", "SystemExit: no room"),
        ("", "has none of `app`"),
        ("async def app(scope, receive, send): pass\n", "say `heeler -k asyncio app:app`"),
    ],
)
def test_whatever_is_wrong_with_an_application_is_shown(broken: str, said: str) -> None:
    """Not only exceptions that are errors: a module without an application, and one that is of another kind."""
    with Project("-k", "sync", app="app") as project:
        project.save("app.py", broken)
        assert project.serves(500, said.replace("app:app", "app"))
        project.save("app.py", _APP)
        assert project.serves(200, "first")


def test_a_lifespan_that_fails_is_shown() -> None:
    """An ASGI application whose startup says that it failed, in the place of which its words are served."""
    failing = _ASGI.replace(
        "STARTUP", "return await send({'type': 'lifespan.startup.failed', 'message': 'no database'})"
    )
    with Project("-k", "asyncio", app="shop:app", shop=failing) as project:
        assert get(project.address).status == 500
        assert get(project.address).text.endswith("no database\n")
        project.save("shop.py", _ASGI.replace("STARTUP", ""))
        assert project.serves(200, "first")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("import threading\nthreading.Event().wait()\n", "worker boot timeout"),
        ("import os\nos._exit(9)\n", "died in its boot"),
    ],
)
def test_a_boot_that_shows_nothing_is_mended_too(broken: str, said: str) -> None:
    """An import that hangs, or takes the process along: the log says so, and who asks waits for what is saved next."""
    with Project("--boot-timeout", "1", exit_status=None) as project:
        project.save("app.py", broken)
        project.wait_for_log(said)
        with Client(project.address) as client:
            client.send(build_request("GET", "/"))
            project.save("app.py", _APP.replace("first", "mended"))
            assert client.read_response().text == "mended"


# -- how it is saved


@pytest.mark.parametrize("engine", _ENGINES)
def test_each_way_of_saving_is_seen(engine: str) -> None:
    """In place, a file that goes and comes back, and a new directory with a file in it."""
    with Project("--reload-engine", engine) as project:
        project.write("app.py", "from shop.views import app\n")
        assert project.serves(500, "No module named 'shop'")
        project.write("shop/views.py", _APP)
        assert project.serves(200, "first")
        project.save("shop/views.py", _APP.replace("first", "later"))
        assert project.serves(200, "later")
        (project.directory / "shop" / "views.py").unlink()
        assert project.serves(500, "No module named 'shop.views'")
        project.save("shop/views.py", _APP)
        assert project.serves(200, "first")


@pytest.mark.parametrize("engine", _ENGINES)
def test_files_that_are_saved_together_make_one_reload(engine: str) -> None:
    """And what nobody works on makes none."""
    with Project("--reload-engine", engine) as project:
        for name in (".git/x.py", "node_modules/x.py", "__pycache__/x.py", "env/pyvenv.cfg", "env/x.py", "notes.txt"):
            project.write(name, "")
        for path in [project.write(f"new{number}.py~", "") for number in range(50)]:
            path.rename(path.with_suffix(".py"))
        project.save("app.py", _APP.replace("first", "second"))
        assert project.serves(200, "second")
        counts = [
            int(line.partition("count=")[2].split()[0]) for line in project.log().splitlines() if "count=" in line
        ]
        assert sum(counts) == 51
        assert len(counts) < 5  # the machine may have paused in the midst of it


def test_a_file_saved_twice_in_a_second_is_not_taken_from_the_bytecode() -> None:
    """Python takes what it has compiled for current by second and length."""
    with Server(
        "app:app",
        "--reload",
        files={"app.py": _APP},
        env={"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": None},
    ) as server:
        server.wait_for_log("watching files=")
        written = (server.directory / "app.py").stat()
        other = server.write("app.py~", _APP.replace("first", "other"))
        os.utime(other, ns=(written.st_atime_ns, written.st_mtime_ns // 10**9 * 10**9))
        other.rename(server.directory / "app.py")
        server.wait_for_log("reload done generation=2")
        assert get(server.address).text == "other"
        assert list((server.directory / "__pycache__").iterdir())


# -- what else is watched


def test_extra_files_and_the_config_file_are_watched() -> None:
    """A template, and settings, which are read again; what the config module has imported is new in the workers."""
    files = {
        "app.py": _APP.replace('b"first"', 'open("page.html", "rb").read() + values.NAME').replace(
            "def", "import values\ndef", 1
        ),
        "values.py": "NAME = b' one'\n",
        "page.html": "old",
        "heeler.conf.py": "import values\nworkers = 1\nreload = True\nreload_extra_files = ['*.html']\n",
    }
    with Server("app:app", files=files) as server:
        server.wait_for_log("watching files=")
        assert get(server.address).text == "old one"
        server.write("page.html~", "new").rename(server.directory / "page.html")
        server.wait_for_log("reload done generation=2")
        server.write("values.py~", "NAME = b' two'\n").rename(server.directory / "values.py")
        server.wait_for_log("reload done generation=3")
        assert get(server.address).text == "new two"
        conf = files["heeler.conf.py"].replace("workers = 1", "workers = 2")
        server.write("conf~", conf).rename(server.directory / "heeler.conf.py")
        server.wait_for_log("reload done generation=4")
        assert len(server.worker_pids()) == 2


def test_where_the_system_gives_no_notice_it_is_polled() -> None:
    """It has no watches left, for instance."""
    fake = "def watch(*paths, **options):\n    raise OSError(28, 'no watches left')\n"
    with Project(watchfiles=fake) as project:
        project.wait_for_log('watching by polling reason="OSError: [Errno 28] no watches left"')
        project.save("app.py", _APP.replace("first", "second"))
        assert project.serves(200, "second")


# -- the server


@pytest.mark.parametrize("dispatch", ["reuseport", "connection", "request"])
def test_it_works_with_every_dispatch(dispatch: str) -> None:
    """The listener stays, and who waits there is served by the new code."""
    with Project("--dispatch", dispatch, "-w", "2") as project:
        listeners = project.listener_pids()
        project.save("app.py", "1 / 0\n")
        assert project.serves(500, "ZeroDivisionError")
        project.save("app.py", _APP.replace("first", "second"))
        assert project.serves(200, "second")
        assert project.listener_pids() == listeners


def test_an_endless_response_does_not_hold_new_code_up() -> None:
    """It is cut after a second; that is what servers with a graceful restart wait for in vain."""
    site = _ASGI.replace("STARTUP", "")
    with (
        Project("-k", "asyncio", app="shop:app", shop=site, exit_status=None) as project,
        Client(project.address) as client,
    ):
        client.send(build_request("GET", "/endless"))
        received = b""
        while b"first" not in received:
            received += (chunk := client.sock.recv(1000))
            assert chunk, received
        project.save("shop.py", site.replace("first", "second"))
        assert project.serves(200, "second")


def test_ctrl_c_ends_it_at_once() -> None:
    """As the terminal sends it, to all processes; nobody is taken for dead, and nobody is left."""
    with Project("-w", "2", app="shop:app", shop="1 / 0\n") as project:
        os.killpg(project.pid, signal.SIGINT)
        assert project.wait(10.0) == 0
        assert "stopped" in project.log()
        assert "died" not in project.log()


def test_a_watcher_that_dies_is_replaced() -> None:
    """The workers serve on."""
    with Project() as project:
        (watcher,) = set(processes.children_of(project.pid)) - set(project.worker_pids())
        os.kill(watcher, signal.SIGKILL)
        project.wait_for_log("watcher died")
        project.wait_for_log("watching files=", 2)
        project.save("app.py", _APP.replace("first", "second"))
        assert project.serves(200, "second")


def test_an_application_elsewhere_is_watched_where_it_lies(tmp_path: pathlib.Path) -> None:
    """One that is named by its file, while the server runs in another directory."""
    path = tmp_path / "shop.py"
    path.write_text(_APP)
    with Server(f"{path}:app", "--reload", cwd=APPS) as server:
        server.wait_for_log("watching files=")
        other = tmp_path / "shop.py~"
        other.write_text(_APP.replace("first", "second"))
        other.rename(path)
        server.wait_for_log("reload done generation=2")
        assert get(server.address).text == "second"
