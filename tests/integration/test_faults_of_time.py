"""Clocks that jump, and an arbiter that does not run for a while."""

import datetime as dt
import email.utils
import os
import pathlib
import shutil
import signal
import time

import pytest

from support import processes
from support.client import Client, get
from support.faults import Watched
from support.held import FILES, Crowd, Gate, Load, freeze, statuses
from support.server import Server

pytestmark = pytest.mark.slow

_NEEDS_FAKETIME = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


# -- the wall clock


@_NEEDS_FAKETIME
@pytest.mark.parametrize("worker_class", ["sync", "gevent", "asyncio"])
def test_a_wall_clock_that_jumps(worker_class: str, tmp_path: pathlib.Path) -> None:
    """An hour forth, two back: connections are kept, requests go on, nobody is silent or overdue, dates follow."""
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    # In a wrapper it would be `faketime` that is the server.
    library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    env = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    args = ("-k", worker_class, "-w", "2", "--timeout", "30", "--keep-alive", "60", "--request-timeout", "60")
    with (
        Server("app:app", *args, files=FILES, env=env) as server,
        Gate(server) as gate,
        Crowd(server) as crowd,
        Client(server.address) as kept,
    ):
        server.wait_for_log("worker ready", 2)
        assert abs(_seconds_off(kept.request("GET", "/").header("Date"))) < 60
        workers = server.worker_pids()
        with Watched(server.pid):
            for hours in (1, -1):
                (running,) = crowd.ask("/held")
                held = gate.next()
                clock.write_text(f"{hours * 3600:+d}\n")
                # Both may be in the one worker whose only slot is taken.
                late = crowd.ask(count=2)
                held.open()
                assert running.read_response().status == 200
                assert statuses(late) == [200, 200]
                until = time.monotonic() + 10  # a date is kept for a second
                while abs((off_s := _seconds_off(kept.request("GET", "/").header("Date"))) - hours * 3600) >= 60:
                    assert time.monotonic() < until, f"the date is {off_s} s off"
        assert server.worker_pids() == workers
        kept.close()
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        assert get(server.address).status == 200
        assert "timeout" not in server.log()
        assert "retires" not in server.log()


def _seconds_off(date: str) -> float:
    return (email.utils.parsedate_to_datetime(date) - dt.datetime.now(dt.UTC)).total_seconds()


# -- the arbiter stopped


@pytest.mark.parametrize(("dispatch", "seconds"), [("kernel", 10.0), ("request", 4.0)], ids=["kernel", "request"])
def test_an_arbiter_that_is_stopped_for_long(dispatch: str, seconds: float) -> None:
    """Meanwhile all is served that comes, and a worker ends; then nobody is blamed, and what was asked is done."""
    args = ("-w", "3", "--timeout", "1", "--boot-timeout", "1", "--dispatch", dispatch)
    with Server("app:app", *args, files=FILES) as server:
        server.wait_for_log("worker ready", 3)
        before = server.worker_pids()
        with Watched(server.pid), Load(server, 2, keeps=False) as load:
            load.go_on(10)
            freeze(server.pid)
            begun_at = time.monotonic()
            # Not a wait for anything in the server: this is how long it is stopped.
            assert processes.wait_ended([server.pid], seconds / 2) == [server.pid]
            os.kill(before[0], signal.SIGTERM)
            assert processes.wait_ended([before[0]], 20.0) == []
            server.signal(signal.SIGHUP)
            load.go_on(10)
            assert processes.wait_ended([server.pid], begun_at + seconds - time.monotonic()) == [server.pid]
            load.go_on(10)
            server.signal(signal.SIGCONT)
            server.wait_for_log("worker died")
            server.wait_for_log("reload done generation=2")
            assert "timeout" not in server.log()
            assert len(server.worker_pids()) == 3
        assert load.lost == []


def test_a_stop_that_comes_while_the_arbiter_is_stopped() -> None:
    """TERM, then CONT: the stop is obeyed, and who is in flight has all of `graceful_timeout` from then on."""
    with (
        Server("app:app", "-w", "1", "--graceful-timeout", "30", files=FILES) as server,
        Gate(server) as gate,
        Crowd(server) as crowd,
    ):
        (running,) = crowd.ask("/held")
        held = gate.next()
        freeze(server.pid)
        server.signal(signal.SIGTERM)
        server.signal(signal.SIGCONT)
        server.wait_for_log("stopping how=graceful")
        held.open()
        assert running.read_response().status == 200
        assert server.wait() == 0
