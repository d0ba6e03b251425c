"""The access log, the scoreboard and the clients agree."""

import collections

from heeler.plugins.conformance.looks import wait_until
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise

ROUND = (("GET", "/", 200), ("HEAD", "/", 200), ("GET", "/404", 404), ("GET", "/304", 304), ("GET", "/pieces", 200))
ROUNDS = 6


def check_counts_agree(maker: Maker) -> None:
    """Each request has one line in the access log, and counts once on the scoreboard, by its status."""
    args = ("--access-logfile", "access.log", "--access-logformat", "%(m)s %(U)s %(s)s %(B)s")
    with maker.serve(*args, tracebacks=True) as server, maker.client(server) as client:
        seen: collections.Counter[str] = collections.Counter()
        with promise("requests are answered"):
            for method, target, status in ROUND * ROUNDS:
                response = client.request(method, target)
                expect(response.status == status, f"{method} {target} was answered {response.status}")
                seen[f"{method} {target} {status} {len(response.body)}"] += 1
            for _ in range(2):
                with maker.client(server) as other:
                    expect(other.request("GET", "/raise").status == 500, "/raise was not answered 500")
        total = seen.total() + 2
        # What was counted is shown a turn of the loop later.
        found = wait_until(server, lambda child: child["requests"] >= total, maker.patience_s / 2)
        expect(found["requests"] == total, f"{total} requests were answered, {found['requests']} are counted")
        for kind in (2, 3, 4, 5):
            wanted = sum(count for line, count in seen.items() if line.split()[2][0] == str(kind)) + (
                2 if kind == 5 else 0
            )
            counted = found[f"status_{kind}xx"]
            expect(counted == wanted, f"{wanted} responses were {kind}xx, {counted} are counted")
        expect(sum(found["latency"]) == total, f"the histogram holds {sum(found['latency'])} of {total} requests")
        expect(found["accepted"] == 3, f"3 connections were accepted, {found['accepted']} are counted")
        client.close()
        server.stop(maker.patience_s)
        lines = collections.Counter((server.directory / "access.log").read_text().splitlines())
        expect(lines.total() == total, f"{total} requests were answered, the access log has {lines.total()} lines")
        failed = [line for line in lines if line.startswith("GET /raise 500 ")]
        for line in failed:
            del lines[line]
        expect(
            lines == seen, f"the access log has {sorted((lines - seen) | (seen - lines))} otherwise than the clients"
        )
