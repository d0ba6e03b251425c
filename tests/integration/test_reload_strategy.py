"""`reload_strategy = surge`: all new workers are ready before an old one goes, and no client notices."""

import re
import signal

import pytest

from support import processes
from support.client import get
from support.load import Load
from support.server import WORKER_CLASSES, Server

_APP = """\
with open("state") as file:
    STATE = file.read().encode()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(STATE)))])
    return [STATE]
"""
_ONLY_TWICE = """\
import os

for name in ("first", "second"):
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        continue
    break
else:
    raise RuntimeError("twice only")
"""
"""The third worker does not boot, and perhaps the first two do."""


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_surge_loses_nothing(worker_class: str) -> None:
    """The old workers go together once the last new one is ready; twice, under steady load."""
    args = ("-k", worker_class, "-w", "2", "--reload-strategy", "surge")
    with Server("app:app", *args, files={"app.py": _APP, "state": "1"}) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=2, new_a_second=40) as load:
            for generation in (2, 3):
                server.write("state", str(generation))
                server.signal(signal.SIGHUP)
                server.wait_for_log(f"reload done generation={generation}")
            assert get(server.address).body == b"3"
        assert load.lost == []
        lives = re.findall(r"worker (ready|exited) slot=\d generation=(\d)", server.log())
        assert lives[2:] == [("ready", "2")] * 2 + [("exited", "1")] * 2 + [("ready", "3")] * 2 + [("exited", "2")] * 2


@pytest.mark.parametrize("dispatch", ["kernel", "reuseport", "request"])
def test_a_surge_that_does_not_come_to_its_end_changes_nothing(dispatch: str) -> None:
    """One new worker does not boot: those who do go, with all they had, and the old ones were never touched."""
    args = ("-w", "3", "--reload-strategy", "surge", "--dispatch", dispatch)
    with Server("app:app", *args, files={"app.py": _APP, "state": "1"}, tracebacks=True) as server:
        server.wait_for_log("worker ready", 3)
        before = server.worker_pids()
        server.write("app.py", _ONLY_TWICE + _APP)
        with Load(server, keeping=2, new_a_second=40) as load:
            server.signal(signal.SIGHUP)
            server.wait_for_log("reload failed generation=2")
            server.wait_for_log("worker exited", 3)
            load.go_on(20)
        assert load.lost == []
        assert 'reason="RuntimeError: twice only"' in server.log()
        assert server.worker_pids() == before
        assert all(processes.is_alive(pid) for pid in before)
