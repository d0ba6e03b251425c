"""What a worker holds does not grow with the number of clients it has had."""

import os

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.checks.clients import _break_off
from heeler.plugins.conformance.checks.scene import only_worker
from heeler.plugins.conformance.client import Client
from heeler.plugins.conformance.looks import wait_until
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect

CLIENTS = 20


def check_nothing_leaks(maker: Maker) -> None:
    """After many clients a worker holds no more descriptors, threads and children than after a few."""
    with maker.serve() as server:
        worker = only_worker(server)
        _visit(maker, server)
        before = _held(maker, server, worker)
        for _ in range(2 if maker.quick else 20):
            _visit(maker, server)
        after = _held(maker, server, worker)
        for name, count in after.items():
            expect(count <= before[name], f"{name} leak: {before[name]} after {CLIENTS} clients, {count} after more")


def _visit(maker: Maker, server: Server) -> None:
    for number in range(CLIENTS):
        with Client(server.address, maker.patience_s) as client:
            maker.ask_on(client)
            if number % 4 == 3:
                _break_off(client)


def _held(maker: Maker, server: Server, worker: int) -> dict[str, int]:
    """Count what the worker holds, once no client is connected any more."""
    found = wait_until(server, lambda child: not child["connections"], maker.patience_s / 2)
    return {
        "connections": found["connections"],
        "descriptors": len(processes.open_descriptors(worker)),
        "threads": len(os.listdir(f"/proc/{worker}/task")),
        "children": sum(one.parent == worker for one in processes.all_processes()),
    }
