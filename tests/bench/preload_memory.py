"""Measure the memory of a pool of workers that serve Django with its admin, preloaded or not.

Run: PYTHONPATH=tests .venv/bin/python tests/bench/preload_memory.py [--workers N] [--requests N]

What is measured is the proportional set size (PSS) of the arbiter and all its children, the mold included: each page
that processes share is divided among them. It is taken once all workers are ready, and again after so many requests:
the pages of an administrator, from eight clients side by side that connect anew for each.
"""

import argparse
import concurrent.futures
import pathlib
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx

from support import processes
from support.server import Server
from support.sites import ADMIN_PASSWORD, make_site_folder

CASES = {
    "each worker loads": (),
    "preload": ("--preload",),
    "preload, refork after 50": ("--preload", "--refork-after", "50,0"),
    "preload, refork after 25 and 75 more": ("--preload", "--refork-after", "25,75,0"),
}
PATHS = ("/admin/", "/admin/notes/note/", "/admin/notes/note/add/", "/admin/auth/user/", "/admin/auth/user/1/change/")
CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one case, in MiB."""

    name: str
    ready: float
    served: float


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each case, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--requests", type=int, default=2000)
    args = parser.parse_args(argv)
    rows = list(measured(args.workers, args.requests))
    first = rows[0]
    sys.stdout.write(f"| {args.workers} workers | PSS when ready | share | after {args.requests} requests | share |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for row in rows:
        shares = row.ready / first.ready, row.served / first.served
        sys.stdout.write(
            f"| {row.name} | {row.ready:.1f} MiB | {shares[0]:.0%} | {row.served:.1f} MiB | {shares[1]:.0%} |\n"
        )
    return 0


def measured(workers: int, requests: int) -> Iterator[Row]:
    """Run each case."""
    with tempfile.TemporaryDirectory() as folder:
        make_site_folder(pathlib.Path(folder))
        for name, options in CASES.items():
            env = {"SITE_FOLDER": folder}
            with Server("django_site.wsgi:application", "-w", str(workers), *options, env=env) as server:
                server.wait_for_log("worker ready", workers)
                ready = pool_mib(server.pid)
                ask(server.url, requests)
                # Each time one becomes a mold, and then all are replaced.
                reforks = options[-1].count(",") if len(options) > 1 else 0
                server.wait_for_log("worker exited", reforks * (1 + workers), timeout_s=60)
                yield Row(name, ready, pool_mib(server.pid))


def pool_mib(arbiter: int) -> float:
    """Return the PSS of an arbiter and its children."""
    return sum(pss_kib(pid) for pid in (arbiter, *processes.children_of(arbiter))) / 1024


def pss_kib(pid: int) -> int:
    """Return the PSS of a process."""
    found = re.search(r"^Pss: +(\d+) kB$", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None, "the kernel does not tell"
    return int(found[1])


def ask(url: str, requests: int) -> None:
    """Log in, and ask for so many pages."""
    with httpx.Client(base_url=url, timeout=20, follow_redirects=True) as client:
        page = client.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        form = {"username": "admin", "password": ADMIN_PASSWORD, "next": "/admin/", "csrfmiddlewaretoken": token[1]}
        assert "Site administration" in client.post(page.url, data=form).text
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Cookie": cookie, "Connection": "close"}
    with (
        httpx.Client(base_url=url, timeout=20, headers=headers) as client,
        concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool,
    ):
        for status in pool.map(lambda number: client.get(PATHS[number % len(PATHS)]).status_code, range(requests)):
            assert status == 200, status


if __name__ == "__main__":
    sys.exit(main())
