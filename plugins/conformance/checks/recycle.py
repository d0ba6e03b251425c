"""`max_requests`: workers come and go under load, and no request is lost or run twice."""

import signal
import threading

from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect

CLIENTS = 4


def check_max_requests_lose_nothing(maker: Maker) -> None:
    """Under load, with workers that are replaced all the time, each request is answered and runs once."""
    each = 60 if maker.quick else 500
    args = ("-w", "2", "--max-requests", "25", "--max-requests-jitter", "15")
    with maker.serve(*args) as server:
        faults: list[str] = []
        threads = [
            threading.Thread(target=_ask, args=(maker, server, range(first * each, (first + 1) * each), faults))
            for first in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(maker.patience_s * 6)
        expect(not faults, f"{len(faults)} of {CLIENTS * each} requests were lost: {faults[:1]}")
        server.signal(signal.SIGTERM)
        server.wait(maker.patience_s)
        ran = sorted(int(line) for line in (server.directory / "ran").read_text().split())
        wanted = list(range(CLIENTS * each))
        expect(ran == wanted, f"{len(ran)} requests were run, {len(set(ran))} of them once, for {len(wanted)} sent")
        retired = server.log().count("worker retires")
        expect(retired >= 2, f"only {retired} workers asked to be replaced: `max_requests` is not counted")


def _ask(maker: Maker, server: Server, numbers: range, faults: list[str]) -> None:
    """Send a request each, over connections that are kept as long as the server keeps them."""
    client = Client(server.address, maker.patience_s)
    for number in numbers:
        try:
            client.send(build_request("POST", f"/note/{number}", body=b"x" * (number % 7)))
            response = client.read_response()
        except (OSError, EOFError, AssertionError) as error:
            faults.append(f"request {number}: {type(error).__name__}: {error}")
            client.close()
            client = Client(server.address, maker.patience_s)
            continue
        if response.status != 200 or response.body != str(number).encode():
            faults.append(f"request {number}: {response}")
        if response.header("Connection") == "close":
            client.close()
            client = Client(server.address, maker.patience_s)
    client.close()
