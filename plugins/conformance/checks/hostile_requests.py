"""Requests that two implementations could read in two ways are refused (RFC 9112, section 11.2)."""

from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.hostile import CASES, SMUGGLED, Case
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect

SHORT = 300
"""Cases of fewer bytes are also sent byte by byte, but for the quick mode."""


def check_hostile_requests(maker: Maker) -> None:
    """Each of some 300 odd requests gets the one right verdict, and nothing smuggled behind it is run."""
    with maker.serve("--header-timeout", "30", app=maker.app("mirror")) as server:
        worker = server.worker_pids()
        faults = []
        for case in CASES:
            drips = (False,) if maker.quick or len(case.data) > SHORT else (False, True)
            for drip in drips:
                fault = _try(maker, server, case, drip)
                if fault:
                    faults.append(f"{case.name}: {fault}")
        expect(not faults, f"{len(faults)} of {len(CASES)} hostile requests got the wrong verdict: {faults[0:3]}")
        expect(server.worker_pids() == worker, "a hostile request cost a worker")


def _try(maker: Maker, server: Server, case: Case, drip: bool) -> str:
    """Return what is wrong with how `case` is answered; nothing, where nothing is."""
    start = server.log_size()
    data = case.data + SMUGGLED
    with Client(server.address, maker.patience_s) as client:
        try:
            client.send_pieces([data[at : at + 1] for at in range(len(data))] if drip else [data])
        except ConnectionError:
            pass  # refused before all of it was sent
        try:
            if maker.interface == "asgi" and case.if_websocket:
                fault = _refused(client, case.if_websocket)
            elif 200 in case.statuses:
                fault = _served(client, case)
            else:
                fault = _refused(client, case.statuses)
        except (OSError, EOFError, AssertionError) as error:
            fault = f"{type(error).__name__}: {error}"
    if fault:
        return fault
    # A request of our own shows that no earlier one is still to be told of.
    with Client(server.address, maker.patience_s) as fence:
        fence.send(build_request("GET", "/fence", {"Connection": "close"}))
        fence.read_to_end()
    server.wait_for_log("ran /fence\n", start=start, timeout_s=maker.patience_s)
    smuggled = "ran /smuggled" in server.log(start) and not case.stays_open
    return "what was smuggled behind it was run" if smuggled else ""


def _refused(client: Client, statuses: frozenset[int]) -> str:
    answer = client.read_to_end()
    found = [int(part[2:5]) for part in answer.split(b"HTTP/1.")[1:]]
    if len(found) != 1 or found[0] not in statuses:
        return f"answered {found}, not {sorted(statuses)}"
    return "" if b"connection: close\r\n" in answer.lower() else "refused without `Connection: close`"


def _served(client: Client, case: Case) -> str:
    response = client.read_response()
    if response.status != 200:
        return f"answered {response.status}, not 200"
    if not response.body.endswith(b" " + case.body):
        return f"the application got {response.body!r}, not {case.body!r}"
    if not case.stays_open:
        return "" if client.is_closed() else "the connection stays open"
    second = client.read_response()
    return "" if second.body.startswith(b"/smuggled ") else f"the request behind it was answered {second}"
