"""The logs of a running server: rotation under load, standard streams, what a client cannot do to them."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import threading

import pytest

from support.client import Client, exchange, get
from support.server import Server, heeler

LOUD = """\
import logging.config, os, sys

logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})


def app(environ, start_response):
    print("printed", environ["PATH_INFO"])
    print("complained", file=sys.stderr)
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("2026-01-01 00:00:00.000 +0000 [1] INFO  forged")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_rotation_under_load(tmp_path: pathlib.Path) -> None:
    """A log that is moved away while requests are served loses no line and tears none."""
    access = tmp_path / "access.log"
    count, clients, rotations = 200, 4, 5
    done = threading.Semaphore(0)

    def load(address: tuple[str, int], number: int) -> None:
        with Client(address) as client:
            for index in range(count):
                assert client.request("GET", f"/{number}/{index}").status == 200
                done.release()

    with Server("hello:app", "-w", "2", "--access-logfile", str(access), "--access-logformat", "%(p)s %(U)s") as server:
        threads = [threading.Thread(target=load, args=(server.address, number)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for rotation in range(rotations):
            for _ in range(count * clients // (rotations + 1)):
                assert done.acquire(timeout=20)
            access.rename(tmp_path / f"access.log.{rotation}")
            start = server.log_size()
            server.signal(signal.SIGUSR1)
            server.wait_for_log("logs reopened", 1, start=start)
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    lines = [line for path in tmp_path.glob("access.log*") for line in path.read_text().splitlines()]
    assert all(re.fullmatch(r"<\d+> /\d/\d+", line) for line in lines)
    assert sorted(line.split()[1] for line in lines) == sorted(
        f"/{number}/{index}" for number in range(clients) for index in range(count)
    )
    assert access.exists()


def test_access_log_on_stdout() -> None:
    """`-` is standard output, and a client's escape sequences do not reach the terminal."""
    with Server("hello:app", "--access-logfile", "-") as server:
        get(server.address, "/", {"User-Agent": 'x" "\t\x9b31m', "Referer": "http://r/"})
        server.wait_for_stdout("\n")
        line = server.stdout()
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1\.1" 200 \d+ "http://r/" "x\\x22 \\x22\\x09\\x9b31m"\n', line
    )


def test_json_access_log() -> None:
    """`json` gives an object a line."""
    with Server("hello:app", "--access-logfile", "-", "--access-logformat", "json") as server:
        get(server.address, "/?a=%22")
        server.wait_for_stdout("\n")
        found = json.loads(server.stdout())
    assert found["http.response.status_code"] == 200
    assert found["url.query"] == "a=%22"
    assert 0 < found["http.server.request.duration"] < 10


def test_refused_request_leaves_no_escape(tmp_path: pathlib.Path) -> None:
    """Bytes of a refused request stand in the logs escaped, or not at all."""
    log = tmp_path / "error.log"
    with Server("hello:app", "--error-logfile", str(log), "--access-logfile", "-") as server:
        assert exchange(server.address, b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        get(server.address, "/")
    assert "\x1b" not in log.read_text() + server.stdout()


def test_captured_output(tmp_path: pathlib.Path) -> None:
    """With `--capture-output` what an application prints is in the error log, after a rotation too.

    Its dictConfig, which disables every logger it does not name, silences neither log; and the text of
    its exception cannot be taken for an entry.
    """
    log = tmp_path / "error.log"
    args = ("--error-logfile", str(log), "--capture-output")
    with Server("loud:app", *args, files={"loud.py": LOUD}) as server:
        get(server.address, "/one")
        assert "printed /one\ncomplained\n" in log.read_text()
        moved = tmp_path / "error.log.1"
        log.rename(moved)
        with Client(server.address) as client:
            server.signal(signal.SIGUSR1)
            client.request("GET", "/raise")
    text = moved.read_text() + log.read_text()
    assert "request failed" in text
    assert "\n    ValueError: 2026-01-01 00:00:00.000 +0000 [1] INFO  forged\n" in text
    assert "stopped" in log.read_text()


def test_closed_standard_streams() -> None:
    """A server whose standard streams are closed serves; its log goes nowhere, least of all to a client."""
    python = ("/bin/sh", "-c", f'exec {sys.executable} "$@" 2>&- 1>&-', "sh")
    with Server("hello:app", "--access-logfile", "-", python=python) as server:
        for _ in range(3):
            response = get(server.address, "/")
            assert response.status == 200
            assert b"INFO" not in response.body


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("--log-config", "/nowhere.ini"), "logconfig = '/nowhere.ini' (command line): no such file"),
        (("--access-logfile", "-", "--access-logformat", "%(S)s"), "did you mean %(s)s?"),
        (("--error-logfile", "/nowhere/x.log"), "cannot be opened: No such file or directory"),
    ],
)
def test_wrong_log_settings(args: tuple[str, ...], reason: str) -> None:
    """A wrong log setting is one line and exit status 78."""
    done = heeler("hello:app", "--bind", "127.0.0.1:0", *args)
    assert done.status == 78
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_log_config_file(tmp_path: pathlib.Path) -> None:
    """A log configuration in JSON takes both logs over."""
    log = tmp_path / "own.log"
    settings = {
        "version": 1,
        "formatters": {"f": {"format": "%(name)s|%(message)s"}},
        "handlers": {"h": {"class": "logging.FileHandler", "filename": str(log), "formatter": "f"}},
        "loggers": {"heeler.access": {"handlers": ["h"], "propagate": False}},
        "root": {"handlers": ["h"], "level": "INFO"},
    }
    file = tmp_path / "log.json"
    file.write_text(json.dumps(settings))
    with Server("hello:app", "--log-config", str(file)) as server:
        get(server.address, "/x?y")
    text = log.read_text()
    assert re.search(r'^heeler\.access\|127\.0\.0\.1 - - \[[^]]+\] "GET /x\?y HTTP/1\.1" ', text, re.MULTILINE)
    assert "heeler.arbiter|worker ready " in text
    assert server.log() == ""


def test_import_is_light() -> None:
    """Logs cost little to import: log configurations, JSON and sockets are left until they are wanted."""
    code = "import sys, heeler.workers.logs; print(*(set(sys.modules) & {'logging.config', 'json', 'socket', 'ssl'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
