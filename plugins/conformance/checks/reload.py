"""HUP, USR1, TTIN and TTOU to the server: it serves on, in new workers, with new logs, in more or fewer."""

import os
import signal

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.checks.scene import InFlight, only_worker, same_worker, settle
from heeler.plugins.conformance.client import get
from heeler.plugins.conformance.looks import status
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise


def check_reload_when_idle(maker: Maker) -> None:
    """After HUP a new worker serves, and the old one is gone."""
    with maker.serve() as server:
        before = only_worker(server)
        maker.ask(server)
        server.signal(signal.SIGHUP)
        with promise("a reload is done"):
            server.wait_for_log("reload done", timeout_s=maker.patience_s)
        expect(server.worker_pids() != [before], "the old worker still serves after HUP")
        expect(not processes.wait_ended([before], maker.patience_s), "the old worker still runs after HUP")
        maker.ask(server, "a request after HUP is answered")
        expect("worker killed" not in server.log(), "the old worker did not end, and had to be killed")


def check_reload_when_busy(maker: Maker) -> None:
    """At HUP a request in flight is answered by the old worker, while the new one serves already."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        before = only_worker(server)
        server.signal(signal.SIGHUP)
        with promise("a new worker is ready while the old one is busy"):
            server.wait_for_log("worker ready", 2, timeout_s=maker.patience_s)
            # The old one may take a connection until it has heard of it.
            asked = 0
            while int(get(server.address, "/pid").body) == before:
                asked += 1
                expect(asked < 100, "broken: the new worker serves: the old one takes new requests for ever")
        response = flight.let_go("a request that is in flight at HUP is answered")
        expect(int(response.body) == before, "the request was answered by another worker than it was begun in")
        with promise("a reload is done once the old worker has answered"):
            server.wait_for_log("reload done", timeout_s=maker.patience_s)


def check_logs_are_reopened(maker: Maker) -> None:
    """After USR1 the access log's lines go to a new file."""
    args = ("--access-logfile", "access.log", "--log-level", "debug")
    with maker.serve(*args) as server:
        worker = only_worker(server)
        maker.ask(server)
        settle(maker, server)
        folder = server.directory
        os.rename(folder / "access.log", folder / "old.log")
        server.signal(signal.SIGUSR1)
        with promise("the worker opens its logs again at USR1"):
            server.wait_for_log("logs reopened", 2, timeout_s=maker.patience_s)
        maker.ask(server)
        server.stop(maker.patience_s)
        same = "each request has its line in the log that was open at its time"
        for name in ("old.log", "access.log"):
            lines = (folder / name).read_text().splitlines()
            expect(len(lines) == 1, f"broken: {same}: {name} has {len(lines)} lines (worker {worker})")


def check_scaling(maker: Maker) -> None:
    """TTIN adds a worker, TTOU takes one away, and the first serves on."""
    with maker.serve() as server:
        first = only_worker(server)
        server.signal(signal.SIGTTIN)
        with promise("TTIN adds a worker"):
            server.wait_for_log("worker ready", 2, timeout_s=maker.patience_s)
        both = server.worker_pids()
        expect(len(both) == 2 and first in both, f"{len(both)} workers run after TTIN, not 2")
        maker.ask(server)
        server.signal(signal.SIGTTOU)
        (second,) = set(both) - {first}
        expect(not processes.wait_ended([second], maker.patience_s), "after TTOU two workers still run")
        same_worker(server, first, "the worker that stays is left alone")
        maker.ask(server)
        expect(status(server)["workers"] == 1, "the scoreboard still shows two workers")
