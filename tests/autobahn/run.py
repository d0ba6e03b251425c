"""Runs the Autobahn testsuite against a server of WebSockets, and judges its report.

    python tests/autobahn/run.py                   the base cases, 247 of them, against Heeler (about 10 s)
    python tests/autobahn/run.py --all             all 517: limits, performance and compression too (about 12 minutes)
    python tests/autobahn/run.py --cases '9.*'     some of them
    python tests/autobahn/run.py --url ws://...    against a server that is running already

The testsuite needs Python 2.7: $PYTHON27, one of pyenv's, or `python2.7`.
Exit status: 0 all passed, 1 a case failed or was not run, 3 NOTHING WAS RUN because there is no Python 2.7.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from python27 import NoPythonError, wstest

HERE: Final = pathlib.Path(__file__).resolve().parent
FOLDER: Final = HERE.parents[1] / ".autobahn"
AGENT: Final = "server"
BASE: Final = [f"{number}.*" for number in (1, 2, 3, 4, 5, 6, 7, 10)]
BASE_COUNT: Final = 247
ALL_COUNT: Final = 517
GOOD: Final = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
"""What a case may end with; its closing handshake too.

Non-strict: right, if later than it could be seen. Informational: there is no right and wrong.
"""

NOTHING_RUN: Final = 3


@contextlib.contextmanager
def heeler(loop: str) -> Iterator[str]:
    """Serve the echo with Heeler; yields the URL."""
    sys.path.insert(0, os.fspath(HERE.parent))
    from support.server import Server

    args = ["-k", "asyncio", "--loop", loop, "--websocket-max-size", str(32 * 2**20)]
    with Server("echo:app", *args, cwd=HERE) as server:
        yield server.url.replace("http:", "ws:")


def run(command: pathlib.Path, url: str, cases: Sequence[str], timeout_s: float) -> dict[str, dict[str, str]]:
    """Run the cases and return what the testsuite reports: for each its `behavior` and `behaviorClose`."""
    reports = FOLDER / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    spec = FOLDER / "fuzzingclient.json"
    servers = [{"agent": AGENT, "url": url}]
    asked = {"outdir": os.fspath(reports), "servers": servers, "cases": cases}
    spec.write_text(json.dumps({**asked, "exclude-cases": [], "exclude-agent-cases": {}}))
    with (FOLDER / "wstest.log").open("w") as log:
        arguments = [os.fspath(command), "-m", "fuzzingclient", "-s", os.fspath(spec)]
        subprocess.run(arguments, cwd=FOLDER, stdout=log, stderr=log, timeout=timeout_s, check=True)
    found: dict[str, dict[str, dict[str, str]]] = json.loads((reports / "index.json").read_text())
    return found.get(AGENT, {})  # nothing at all where it could not connect


def judge(results: dict[str, dict[str, str]], expected: int | None) -> list[str]:
    """Return what is wrong: the cases that failed, and the number of them if it is not as expected."""
    faults = [
        f"case {name}: {result['behavior']}, closing: {result['behaviorClose']}"
        for name, result in sorted(results.items(), key=lambda item: [int(part) for part in item[0].split(".")])
        if result["behavior"] not in GOOD or result["behaviorClose"] not in GOOD
    ]
    if not results or (expected is not None and len(results) != expected):
        faults.append(f"{len(results)} cases were run, not {expected if expected is not None else 'one or more'}")
    return faults


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Run the Autobahn testsuite.", allow_abbrev=False)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="all 517 cases (about 12 minutes)")
    which.add_argument("--cases", nargs="+", help="patterns of cases, such as 6.* or 12.1.1")
    parser.add_argument("--loop", default="auto", help="Heeler's event loop (default: auto)")
    parser.add_argument("--url", help="a server that is running already, instead of Heeler")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run, print a summary and the faults, and return the exit status."""
    chosen = options(arguments)
    cases, expected = (["*"], ALL_COUNT) if chosen.all else (chosen.cases or BASE, None if chosen.cases else BASE_COUNT)
    FOLDER.mkdir(exist_ok=True)
    try:
        command = wstest(FOLDER)
    except NoPythonError as error:
        print(f"AUTOBAHN WAS NOT RUN: {error}", file=sys.stderr)
        return NOTHING_RUN
    with contextlib.nullcontext(chosen.url) if chosen.url else heeler(chosen.loop) as url:
        results = run(command, url, cases, timeout_s=300 if expected == BASE_COUNT else 3600)
    counts = Counter(result["behavior"] for result in results.values())
    print(f"autobahn: {len(results)} cases:", ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    faults = judge(results, expected)
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print(f"the reports are in {FOLDER / 'reports'}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
