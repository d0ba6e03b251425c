"""Every wrong input is one clear line and the right exit status; every command does what it says."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

import heeler as package
from support.client import get
from support.server import Server, environment, heeler

pytestmark = pytest.mark.slow

APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'served']\n"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project with an application in `good.py`."""
    (tmp_path / "good.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        ([], 2, "no application named; say for example `heeler module:app`, or set `app`"),
        (["run"], 2, "no application named"),
        (["good:app", "--workerz", "3"], 2, "unknown option --workerz; did you mean --workers"),
        (["good:app", "-Z"], 2, "unknown option -Z"),
        (["good:app", "-w"], 2, "argument --workers/-w: expected one argument"),
        (["good:app", "more"], 2, "unexpected argument 'more' after 'good:app'"),
        (["stauts", "--pid", "1"], 4, "application 'stauts': no module named 'stauts'"),
        (["stauts", "--pidd", "1"], 2, "('stauts' is taken for an application; did you mean status?)"),
        (["config", "workerz"], 2, "no setting is called 'workerz'; did you mean workers"),
        (["workers", "--jsno"], 2, "unrecognized arguments: --jsno"),
        (["status", "--pid", "x"], 2, "argument --pid: invalid int value: 'x'"),
        (["good:app", "-w", "abc"], 78, "workers = 'abc' (command line): not an integer >= 1"),
        (["good:app", "-k", "gevnt", "--check-config"], 78, "'gevnt': no worker class of that name"),
        (["good:app", "-k", "synk"], 78, "'synk': no worker class of that name; did you mean sync?"),
        (["good:app", "-k", "uvicorn.workers.UvicornWorker"], 78, "is written for Gunicorn"),
        (["good:app", "--certfile", "x.pem"], 78, "certfile = 'x.pem' (command line): TLS is not in this version yet"),
        (["good:app", "-c", "nothing.py"], 78, "cannot read this config file: No such file or directory"),
        (["good:app", "--chdir", "nowhere"], 78, "chdir = 'nowhere' (command line): no such directory"),
    ],
)
def test_wrong_command_line(folder: pathlib.Path, argv: list[str], status: int, message: str) -> None:
    """One line on standard error, nothing on standard output."""
    done = heeler(*argv, cwd=folder)
    assert message in done.stderr
    assert (done.status, done.stdout, done.stderr.count("\n")) == (status, "", 1)


@pytest.mark.parametrize(
    ("variables", "status", "message"),
    [
        ({"WEB_CONCURRENCY": "abc"}, 78, "workers = 'abc' (environment WEB_CONCURRENCY): not an integer >= 1"),
        ({"PORT": "abc"}, 78, "PORT = 'abc' (environment): not an integer from 0 to 65535"),
        ({"HEELER_WORKRES": "3"}, 78, "(environment HEELER_WORKRES): no such setting; did you mean HEELER_WORKERS"),
        ({"HEELER_CMD_ARGS": "--bnd x"}, 2, "unknown option --bnd; did you mean --bind"),
        ({"HEELER_CMD_ARGS": "'"}, 2, "environment HEELER_CMD_ARGS: No closing quotation"),
        ({"HEELER_CERTFILE": "x"}, 78, "not in this version yet"),
    ],
)
def test_wrong_environment(folder: pathlib.Path, variables: dict[str, str], status: int, message: str) -> None:
    """One line that names the variable."""
    done = heeler("good:app", env=variables, cwd=folder)
    assert message in done.stderr
    assert (done.status, done.stderr.count("\n")) == (status, 1)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ("workerz = 4", "heeler: error: workerz (heeler.conf.py:1): no such setting; did you mean workers"),
        ("workers = 'many'", "heeler: error: workers = 'many' (heeler.conf.py:1): not an integer >= 1"),
        ("workers = 2\nbind = [", "heeler: error: (heeler.conf.py:2): SyntaxError: '[' was never closed"),
        ("certfile = 'x'", "heeler: error: certfile = 'x' (heeler.conf.py:1): TLS is not in this version yet"),
        ("def post_fork(): pass", "(heeler.conf.py:1): takes other arguments than the 2"),
        ("config = 'x'", "a config module cannot name another"),
    ],
)
def test_wrong_config_module(folder: pathlib.Path, conf: str, message: str) -> None:
    """One line with file and line."""
    (folder / "heeler.conf.py").write_text(conf)
    done = heeler("good:app", cwd=folder)
    assert message in done.stderr
    assert (done.status, done.stderr.count("\n")) == (78, 1)


def test_exception_in_the_config_module(folder: pathlib.Path) -> None:
    """The module's own traceback, then one line."""
    (folder / "heeler.conf.py").write_text("def cores():\n    return {}['cores']\nworkers = cores()\n")
    done = heeler("good:app", cwd=folder)
    assert done.status == 78
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[-1] == "heeler: error: (heeler.conf.py:2): KeyError: 'cores'"
    assert "heeler/arbiter" not in done.stderr


_TARGETS = [
    ("good:nope", 4, "module 'good' has no attribute 'nope' (it has app)"),
    ("good:ap", 4, "module 'good' has no attribute 'ap'; did you mean app?"),
    ("nomod:app", 4, "no module named 'nomod' in "),
    ("god:app", 4, "did you mean good?"),
    ("good:__name__", 4, "'good:__name__' is a str, which cannot be called"),
    ("god.py:app", 4, "did you mean good.py?"),
]


@pytest.mark.parametrize(("target", "status", "message"), _TARGETS)
def test_wrong_application_is_found_by_check_config(
    folder: pathlib.Path, target: str, status: int, message: str
) -> None:
    """Without binding anything."""
    done = heeler(target, "--check-config", "--bind", "192.0.2.1:1", cwd=folder)
    assert message in done.stderr
    assert (done.status, done.stdout, done.stderr.count("\n")) == (status, "", 1)


@pytest.mark.parametrize(("target", "status", "message"), _TARGETS)
def test_wrong_application_is_found_by_the_first_start(
    folder: pathlib.Path, target: str, status: int, message: str
) -> None:
    """The server ends, and says why."""
    done = heeler(target, "--bind", "127.0.0.1:0", cwd=folder)
    assert message in done.stderr
    assert done.status == status
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("check", [["--check-config"], ["--bind", "127.0.0.1:0"]])
@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("import not_there_at_all", "'not_there_at_all' is not installed in "),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def app(:", "SyntaxError: invalid syntax"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import asyncio; raise asyncio.CancelledError", "asyncio.exceptions.CancelledError"),
    ],
)
def test_import_of_the_application_fails(folder: pathlib.Path, check: list[str], code: str, last: str) -> None:
    """The application's own traceback, without a frame of ours."""
    (folder / "broken.py").write_text(code)
    done = heeler("broken:app", *check, cwd=folder)
    assert done.status == 3
    assert last in done.stderr
    assert "broken.py" in done.stderr
    assert "heeler/arbiter" not in done.stderr and "heeler/workers" not in done.stderr
    assert "importlib" not in done.stderr


@pytest.mark.parametrize(
    ("target", "resolved"),
    [
        ("good", "good:app"),
        ("good:app", "good:app"),
        ("good.py", "good.py:app"),
        ("made", "made:create_app()"),
        ("made:create_app('x')", "made:create_app('x')"),
    ],
)
def test_check_config_says_what_it_chose(folder: pathlib.Path, target: str, resolved: str) -> None:
    """Resolved application, its kind, and the worker class."""
    (folder / "made.py").write_text("def create_app(name='x'):\n    return lambda environ, start_response: []\n")
    done = heeler(target, "--check-config", cwd=folder)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == f"heeler: all is well: {resolved} (WSGI), worker class auto\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--logger-class", "zzz"], "'zzz': no logger class of that name"),
        (["--log-config", "zzz"], "logconfig = 'zzz' (command line): no such file"),
        (["--access-logformat", "%(zz)s"], "access_log_format = '%(zz)s' (command line): unknown atom %(zz)s"),
    ],
)
def test_check_config_finds_what_is_wrong_with_the_logs(folder: pathlib.Path, argv: list[str], message: str) -> None:
    """Without opening a log."""
    done = heeler("good:app", "--check-config", *argv, cwd=folder)
    assert message in done.stderr
    assert (done.status, done.stdout) == (78, "")


def test_check_config_works_where_serving_would(folder: pathlib.Path) -> None:
    """`chdir`, `pythonpath` and `raw_env` are there when the application is imported."""
    (folder / "site").mkdir()
    (folder / "lib").mkdir()
    (folder / "lib" / "library.py").write_text("")
    text = "import os, library\nassert os.environ['STAGE'] == 'test' and os.getcwd().endswith('site')\n" + APP
    (folder / "site" / "inner.py").write_text(text)
    argv = ["--chdir", "site", "--pythonpath", "lib", "-e", "STAGE=test"]
    assert heeler("inner:app", *argv, "--check-config", cwd=folder).status == 0
    with Server("inner:app", *argv, cwd=folder) as server:
        assert get(server.address).text == "served"


@pytest.mark.parametrize("argv", [["good:app"], ["run", "good:app"], ["good"], ["good.py:app"]])
def test_every_form_serves(folder: pathlib.Path, argv: list[str]) -> None:
    """`heeler APP` and `heeler run APP` are the same."""
    with Server(argv[0], *argv[1:], cwd=folder) as server:
        assert get(server.address).text == "served"


def test_application_called_as_a_command(folder: pathlib.Path) -> None:
    """It is served by `run`, or with its attribute."""
    (folder / "config.py").write_text(APP)
    done = heeler("config", "-b", cwd=folder)
    assert done.status == 2
    assert done.stderr.endswith("heeler: an application called 'config' is served by `heeler run config`\n")
    for argv in (["run", "config"], ["config:app"]):
        done = heeler(*argv, "--check-config", cwd=folder)
        assert "config:app" in done.stdout


def test_gunicorn_config_file_works_as_it_is(folder: pathlib.Path) -> None:
    """One such as people have."""
    (folder / "gunicorn.conf.py").write_text("""
import multiprocessing
import os

max_workers_str = os.getenv("MAX_WORKERS")
use_max_workers = int(max_workers_str) if max_workers_str else None
cores = multiprocessing.cpu_count()
web_concurrency = min(2, cores * 2 + 1)
if use_max_workers:
    web_concurrency = min(web_concurrency, use_max_workers)

wsgi_app = "good:app"
bind = "127.0.0.1:0"
workers = web_concurrency
worker_class = "sync"
worker_connections = 1000
threads = 1
timeout = 30
keepalive = 2
worker_tmp_dir = "/dev/shm"
preload_app = True
daemon = False
raw_env = ["STAGE=test"]
umask = 0o007
user = None
group = None
tmp_upload_dir = None
errorlog = "-"
loglevel = "info"
accesslog = "-"
access_log_format = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
proc_name = None
max_requests = 1000
max_requests_jitter = 50
forwarded_allow_ips = "*"

def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)

def pre_fork(server, worker):
    pass

def pre_exec(server):
    server.log.info("Forked child, re-executing.")

def when_ready(server):
    server.log.info("Server is ready. Spawning workers")

def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")

def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal")
""")
    with Server(None, "-c", "gunicorn.conf.py", bind=(), cwd=folder) as server:
        assert get(server.address).text == "served"
        server.wait_for_log("Server is ready. Spawning workers")
        server.wait_for_log("Worker spawned (pid: ")


def test_config_shows_values_and_sources(folder: pathlib.Path) -> None:
    """As text, as JSON, one alone, or only those that are not at their default."""
    (folder / "heeler.conf.py").write_text("def post_fork(server, worker): pass\nbind = 'unix:x.sock'\n")
    argv = ["config", "-w", "3"]
    env = {"HEELER_LOGLEVEL": "debug"}
    text = heeler(*argv, "--changed", cwd=folder, env=env).stdout.splitlines()
    assert text == [
        "bind = ['unix:x.sock'] (heeler.conf.py:2)",
        "workers = 3 (command line)",
        "loglevel = 'debug' (environment HEELER_LOGLEVEL)",
        "post_fork = __config__.post_fork (heeler.conf.py:1)",
    ]
    whole = heeler(*argv, cwd=folder, env=env).stdout.splitlines()
    assert set(text) < set(whole)
    assert "keepalive = 75 (default)" in whole
    assert heeler(*argv, "workers", cwd=folder).stdout == "3\n"
    found = json.loads(heeler(*argv, "--json", "--changed", cwd=folder, env=env).stdout)
    assert found["workers"] == {"value": 3, "source": "command line"}
    assert found["post_fork"]["value"] == "__config__.post_fork"
    assert list(found) == ["bind", "workers", "loglevel", "post_fork"]
    assert len(json.loads(heeler(*argv, "--json", cwd=folder).stdout)) == len(whole)


def test_print_config(folder: pathlib.Path) -> None:
    """Every setting with its source, then the check."""
    done = heeler("good:app", "--print-config", "-w", "2", cwd=folder)
    lines = done.stdout.splitlines()
    assert "workers = 2 (command line)" in lines
    assert "app = 'good:app' (command line)" in lines
    assert lines[-1].startswith("heeler: all is well")
    assert done.status == 0


def test_help_is_grouped_and_whole(folder: pathlib.Path) -> None:
    """Each section has its heading; help is given even where the config module is wrong."""
    text = heeler("--help", cwd=folder).stdout
    for heading in ("Config file:", "Sockets:", "Worker processes:", "Timeouts:", "Limits:", "HTTP:", "Logs:"):
        assert f"\n{heading}\n" in text
    for flag in ("--bind", "--keep-alive", "--header-timeout", "--ready-fd", "--no-sendfile"):
        assert flag in text
    assert "--certfile" not in text
    for command in ("config", "workers", "status", "run"):
        done = heeler(command, "--help", cwd=folder)
        assert done.stdout.startswith(f"usage: heeler {'[run]' if command == 'run' else command}")
    (folder / "heeler.conf.py").write_text("workers = 'many'")
    done = heeler("--help", cwd=folder)
    assert done.status == 0
    assert "--bind" in done.stdout
    assert "workers = 'many' (heeler.conf.py:1)" in done.stderr


def test_reader_that_goes_away_is_no_error(folder: pathlib.Path) -> None:
    """`heeler config | head -1` is quiet."""
    with subprocess.Popen(
        [sys.executable, "-m", "heeler", "config"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def test_version(folder: pathlib.Path) -> None:
    """One line."""
    done = heeler("--version", cwd=folder)
    assert (done.status, done.stdout, done.stderr) == (0, f"heeler {package.__version__}\n", "")


@pytest.mark.alone
def test_version_is_quick(folder: pathlib.Path) -> None:
    """Under 80 ms in all; the quickest of ten, since the machine has other things to do."""
    times = []
    for _ in range(10):
        begun = time.monotonic()
        heeler("--version", cwd=folder)
        times.append(time.monotonic() - begun)
    assert min(times) < 0.08
