"""Signals to a worker itself, while it is idle, busy and draining."""

import os
import signal
from typing import Final

from heeler.plugins.conformance.checks.scene import (
    HARMLESS,
    PROMPT_S,
    InFlight,
    end_of,
    only_worker,
    same_worker,
    send_each,
    wait_replaced,
)
from heeler.plugins.conformance.looks import status
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise

ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL)
CUTTING: Final = ENDING[1:]
STACK: Final = "most recent call first"
"""What the stack that USR2 asks for begins with."""


def check_ending_signals_when_idle(maker: Maker) -> None:
    """A worker that gets TERM, INT, QUIT, ABRT or KILL ends, and another serves in its place."""
    count = len(ENDING)
    with maker.serve("-w", str(count)) as server:
        server.wait_for_log("worker ready", count, timeout_s=maker.patience_s)
        pids = server.worker_pids()
        for pid, number in zip(pids, ENDING, strict=True):
            os.kill(pid, number)
        wait_replaced(maker, server, pids, "a worker that is told to end by a signal is replaced", 2 * count)
        expect("worker killed" not in server.log(), "a worker did not obey, and had to be killed")


def check_term_to_a_busy_worker(maker: Maker) -> None:
    """A worker that gets TERM answers what is in flight before it ends."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        before = only_worker(server)
        os.kill(before, signal.SIGTERM)
        flight.let_go("what is in flight in a worker that gets TERM is answered")
        wait_replaced(maker, server, [before], "a worker that got TERM ends and is replaced", 2)


def check_cutting_signals_to_a_busy_worker(maker: Maker) -> None:
    """A worker that gets INT, QUIT, ABRT or KILL cuts what is in flight, ends, is replaced, and it is counted."""
    with maker.serve() as server:
        for ready, number in enumerate(CUTTING, 2):
            before = only_worker(server)
            kept = f"a busy worker that gets {number.name} ends at once"
            with InFlight(maker, server, number.name) as flight:
                os.kill(before, number)
                wait_replaced(maker, server, [before], kept, ready)
                flight.expect_cut(kept)
            cut = status(server)["gone"]["cut"]
            expect(cut == ready - 1, f"{ready - 1} requests were cut, and {cut} are counted (after {number.name})")


def check_harmless_signals_when_idle(maker: Maker) -> None:
    """USR1, HUP, USR2, WINCH, TTIN and TTOU do no harm to an idle worker; USR2 shows its stacks."""
    with maker.serve() as server:
        worker = only_worker(server)
        maker.ask(server)
        with promise("USR2 writes the stack of the worker to stderr"):
            send_each(worker, HARMLESS)
            server.wait_for_log(STACK, timeout_s=maker.patience_s)
        maker.ask(server, "a request after harmless signals is answered")
        same_worker(server, worker, "signals that are none of its business do not end a worker")


def check_harmless_signals_when_busy(maker: Maker) -> None:
    """USR1, HUP, USR2, WINCH, TTIN and TTOU do no harm to a request in flight."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        worker = only_worker(server)
        with promise("USR2 writes the stack of a busy worker to stderr"):
            send_each(worker, HARMLESS)
            server.wait_for_log(STACK, timeout_s=maker.patience_s)
        response = flight.let_go("a request in flight survives harmless signals")
        expect(int(response.body) == worker, "the request was answered by another worker than it was begun in")
        same_worker(server, worker, "signals that are none of its business do not end a busy worker")


def check_harmless_signals_while_draining(maker: Maker) -> None:
    """Neither a worker that drains nor its arbiter minds USR1, HUP, USR2, WINCH, TTIN and TTOU."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        worker = only_worker(server)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping", timeout_s=maker.patience_s)
        with promise("USR2 writes the stack of a worker that drains to stderr"):
            send_each(worker, HARMLESS)
            send_each(server.pid, HARMLESS)
            server.wait_for_log(STACK, timeout_s=maker.patience_s)
        flight.let_go("a request in flight survives signals during the drain")
        end_of(server, "a drain goes on under harmless signals", PROMPT_S)
        expect(server.log().count("worker ready") == 1, "a worker was begun during the stop")
