"""TERM, INT and QUIT to the server: how it ends while it is idle, busy, and ending already."""

import signal
import time

from heeler.plugins.conformance.checks.scene import PROMPT_S, InFlight, end_of, settle
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect

CUT = 75
"""The exit status that says that some request was cut."""
QUICK = (signal.SIGINT, signal.SIGQUIT)


def check_term_when_idle(maker: Maker) -> None:
    """TERM ends a server that is idle at once, with status 0."""
    with maker.serve() as server:
        maker.ask(server)
        server.signal(signal.SIGTERM)
        end_of(server, "TERM ends a server that is idle at once", PROMPT_S)
        expect("worker killed" not in server.log(), "the worker did not obey TERM, and had to be killed")


def check_term_when_busy(maker: Maker) -> None:
    """At TERM a request that is in flight is answered, then the server ends with status 0."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping", timeout_s=maker.patience_s)
        flight.let_go("a request that is in flight at TERM is answered")
        end_of(server, "after TERM the server ends once its requests are answered", PROMPT_S)


def check_quick_stop_when_idle(maker: Maker) -> None:
    """INT and QUIT end a server that is idle at once, with status 0."""
    for number in QUICK:
        with maker.serve() as server:
            maker.ask(server)
            settle(maker, server)
            server.signal(number)
            end_of(server, f"{number.name} ends a server that is idle at once", PROMPT_S)
            expect("worker killed" not in server.log(), f"the worker did not obey {number.name}, and had to be killed")


def check_quick_stop_when_busy(maker: Maker) -> None:
    """INT and QUIT cut what is in flight, and the status says so: 75."""
    for number in QUICK:
        with maker.serve() as server, InFlight(maker, server) as flight:
            begun_at = time.monotonic()
            server.signal(number)
            kept = f"{number.name} cuts what is in flight"
            end_of(server, kept, PROMPT_S, CUT)
            flight.expect_cut(kept)
            expect(
                "worker killed" not in server.log() and time.monotonic() - begun_at < PROMPT_S,
                f"broken: {kept}: the worker did not obey, and had to be killed",
            )


def check_quick_stop_while_draining(maker: Maker) -> None:
    """INT during a graceful stop cuts what is still in flight, and the status says so: 75."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping how=graceful", timeout_s=maker.patience_s)
        server.signal(signal.SIGINT)
        kept = "INT during a graceful stop cuts what is in flight"
        end_of(server, kept, PROMPT_S, CUT)
        flight.expect_cut(kept)
        expect("worker killed" not in server.log(), f"broken: {kept}: the worker had to be killed")
