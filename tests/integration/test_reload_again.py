"""HUP while a reload is under way: the newest code and settings win, and what was proven last is not forgotten."""

import os
import re
import signal
import time

import pytest

from support.client import get
from support.load import Load
from support.server import WORKER_CLASSES, Server

FILES = {
    "app.py": """\
with open("state") as file:
    STATE = file.read().encode()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(STATE)))])
    return [STATE]
""",
    "heeler.conf.py": "def on_reload(server): server.log.info('newest %s.', open('state').read())\n",
    "state": "0",
}
"""Serves what the file `state` holds, which stands in the log for each reload."""

HELD = FILES["app.py"].replace(
    "\n\n",
    """
if STATE == b"held":
    import sys
    print("import begun", file=sys.stderr, flush=True)
    open("gate").read()

""",
    1,
)
"""Does not come to the end of its import while the file says `held`."""


def put(server: Server, state: str) -> None:
    """Have the file hold something else, at no time nothing."""
    os.replace(server.write("new", state), server.directory / "state")


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_hundred_in_a_row_end_in_the_newest_and_lose_nothing(worker_class: str) -> None:
    """However many there are, and whichever of them come to begin."""
    with Server("app:app", "-k", worker_class, "-w", "2", files=FILES) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=2, new_a_second=20) as load:
            for number in range(1, 101):
                put(server, str(number))
                server.signal(signal.SIGHUP)
            server.signal(signal.SIGUSR1)  # is obeyed after them
            server.wait_for_log("logs reopened")
            begun = re.findall(r"reload generation=(\d+)", server.log())
            server.wait_for_log(f"reload done generation={begun[-1]}")
            assert get(server.address).body == b"100"
        assert load.lost == []
        over = re.findall(r"reload (?:superseded|done) generation=(\d+)", server.log())
        assert sorted(over) == sorted(begun)


def test_those_that_come_while_one_begins_are_one() -> None:
    """The settings are read once for all of them."""
    hook = "import os\ndef on_reload(server):\n    server.log.info('begun')\n    open('gate').read()\n"
    with Server("app:app", files={**FILES, "heeler.conf.py": hook}) as server:
        gate = server.directory / "gate"
        os.mkfifo(gate)
        server.signal(signal.SIGHUP)
        server.wait_for_log("begun")
        for _ in range(10):
            server.signal(signal.SIGHUP)
            wait_noted(server.pid)
        gate.open("w").close()
        server.wait_for_log("begun", 2)
        gate.open("w").close()
        server.wait_for_log("reload done generation=3")
        assert server.log().count("begun") == 2


def wait_noted(pid: int) -> None:
    """Return once HUP does not wait to be delivered any more."""
    until = time.monotonic() + 10.0
    while True:
        with open(f"/proc/{pid}/status") as file:
            pending = int(re.findall(r"^ShdPnd:\s*(\w+)", file.read(), re.MULTILINE)[0], 16)
        if not pending & 1 << signal.SIGHUP - 1:
            return
        assert time.monotonic() < until, "the signal is not delivered"


def test_one_that_cannot_begin_takes_nothing_from_the_one_under_way() -> None:
    """It would have other addresses, and logs that cannot be opened: those of the one before are there still."""
    files = {**FILES, "app.py": HELD, "heeler.conf.py": "bind = ['127.0.0.1:0']\n"}
    with Server("app:app", files=files, bind=()) as server:
        os.mkfifo(server.directory / "gate")
        put(server, "held")
        server.write("heeler.conf.py", "bind = ['127.0.0.1:0', 'unix:second.sock']\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("import begun")
        server.write("heeler.conf.py", "bind = ['unix:third.sock']\nerrorlog = '/nowhere/at/all'\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=3")
        (server.directory / "gate").open("w").close()
        server.wait_for_log("reload done generation=2")
        assert get(str(server.directory / "second.sock")).body == b"held"
        assert get(server.address).body == b"held"
        assert not (server.directory / "third.sock").exists()


def test_the_one_before_is_given_up_with_its_addresses_and_workers() -> None:
    """Its worker hangs in its boot, and is gone; nobody listens where it was to serve."""
    files = {**FILES, "app.py": HELD, "heeler.conf.py": "bind = ['127.0.0.1:0']\n"}
    with Server("app:app", files=files, bind=()) as server:
        os.mkfifo(server.directory / "gate")
        put(server, "held")
        server.write("heeler.conf.py", "bind = ['127.0.0.1:0', 'unix:second.sock']\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("import begun")
        put(server, "newest")
        server.write("heeler.conf.py", "bind = ['127.0.0.1:0', 'unix:third.sock']\n")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload superseded generation=2")
        server.wait_for_log("reload done generation=3")
        assert len(server.worker_pids()) == 1
        assert get(str(server.directory / "third.sock")).body == b"newest"
        assert not (server.directory / "second.sock").exists()


def test_one_that_fails_leaves_what_was_proven_last_to_all_slots() -> None:
    """The one before had proven itself, and had come to one slot only: it comes to all of them."""
    files = {**FILES, "app.py": HELD}
    with Server("app:app", "-w", "2", files=files, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        os.mkfifo(server.directory / "gate")
        put(server, "1")
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready slot=1 generation=2")
        server.write("app.py", "1 / 0")
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed generation=3")
        server.write("app.py", HELD)
        server.wait_for_log("reload done generation=2")
        assert get(server.address).body == b"1"
        assert 'reason="ZeroDivisionError' in server.log()


def test_why_a_reload_failed_stands_in_the_log_that_is_in_force() -> None:
    """The new settings have another log, and nobody looks there: they are not in force."""
    files = {**FILES, "heeler.conf.py": "errorlog = 'first.log'\n"}
    with Server("app:app", files=files) as server:
        server.write("heeler.conf.py", "errorlog = 'second.log'\nloglevel = 'debug'\n")
        server.write("app.py", "1 / 0")
        server.signal(signal.SIGHUP)
        first = server.directory / "first.log"
        until = time.monotonic() + 10.0
        while "worker exited" not in first.read_text():
            assert time.monotonic() < until, first.read_text()
        assert 'reload failed generation=2 reason="ZeroDivisionError: division by zero"' in first.read_text()
        assert "Traceback (most recent call last)" in first.read_text()
        server.write("app.py", FILES["app.py"])
        server.signal(signal.SIGHUP)
        second = server.directory / "second.log"
        while "reload done generation=3" not in second.read_text():
            assert time.monotonic() < until, second.read_text()
        assert "reload failed" not in second.read_text()


def test_an_address_that_is_taken_fails_a_reload_with_one_line() -> None:
    """It says which address, why, and which process has it."""
    files = {**FILES, "heeler.conf.py": "bind = ['127.0.0.1:0']\n"}
    with Server("app:app", files=files, bind=()) as other, Server("app:app", files=files, bind=()) as server:
        server.wait_for_log("worker ready")
        host, port = other.address
        server.write("heeler.conf.py", f"bind = ['127.0.0.1:0', '{host}:{port}']\n")
        start = server.log_size()
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed", start=start)
        server.signal(signal.SIGUSR1)
        server.wait_for_log("logs reopened", start=start)
        told = server.log(start).splitlines()
        assert len(told) == 2
        assert f'reason="cannot listen on {host}:{port}: ' in told[0]
        assert str(other.pid) in told[0]
        assert get(server.address).body == b"0"
