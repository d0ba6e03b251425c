"""One run of wrk, or of wsload for WebSockets, against a server that is up: how it is called, and what it says."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadbench.environment import WSLOAD

CONNECTIONS = 16
WEBSOCKETS = 32
SCRIPT = Path(__file__).resolve().parent.parent / "load.lua"
HEADERS = ("browser", "varied", "curl")
NEW = "new"  # a connection for each request; not among what bench.py offers
ECHO = "echo"
KINDS = (*HEADERS, ECHO)
MARK = "RESULT "


class LoadError(Exception):
    """The load generator failed, or said nothing that could be read."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run counted.

    Args:
        requests: responses, or echoes, that came back whole.
        seconds: how long the run took.
        p50_us, p90_us, p99_us, max_us: latency, microseconds.
        errors: failed connects, reads, writes, time-outs and responses with a status over 399, together.
    """

    requests: int
    seconds: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    errors: int

    @property
    def per_second(self) -> float:
        """Requests per second over the whole run."""
        return self.requests / self.seconds


def parse(output: str) -> LoadResult:
    """Read the RESULT line that load.lua makes wrk write, and that wsload writes.

    Raises: LoadError where there is none, or no time passed.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if len(lines) != 1:
        raise LoadError(f"{len(lines)} RESULT lines instead of one: {output.strip()[-300:]!r}")
    try:
        fields = json.loads(lines[0].removeprefix(MARK))
        result = LoadResult(
            requests=int(fields["requests"]),
            seconds=fields["duration_us"] / 1e6,
            p50_us=float(fields["p50_us"]),
            p90_us=float(fields["p90_us"]),
            p99_us=float(fields["p99_us"]),
            max_us=float(fields["max_us"]),
            errors=sum(int(fields[name]) for name in ("connect", "read", "write", "timeout", "status")),
        )
    except (ValueError, KeyError) as error:
        raise LoadError(f"a RESULT line that cannot be read: {lines[0]!r}") from error
    if result.seconds <= 0:
        raise LoadError("the load ran for no time at all")
    return result


def wrk(url: str, kind: str, seconds: float, connections: int = CONNECTIONS) -> list[str]:
    """Return the command that has wrk ask for `url` without pause; it takes whole seconds only."""
    duration = f"{max(1, round(seconds))}s"
    return [*f"wrk -t 1 -c {connections} -d {duration} --latency -s".split(), str(SCRIPT), url, "--", kind]


def command(port: int, kind: str, seconds: float, cpu: int | str) -> list[str]:
    """Return the command that puts one kind of load on the server on `port` from processor `cpu`."""
    pinned = ["taskset", "-c", str(cpu)]
    if kind == ECHO:
        return [*pinned, str(WSLOAD), str(port), str(WEBSOCKETS), f"{seconds:g}"]
    return [*pinned, *wrk(f"http://127.0.0.1:{port}/", kind, seconds)]


def run(port: int, kind: str, seconds: float, cpu: int | str) -> LoadResult:
    """Load the server on `port` from processor `cpu`.

    Blocking: until the load ends, at most `seconds` and a few more.
    Raises: LoadError.
    """
    limit_s = max(1.0, seconds) + 15
    try:
        done = subprocess.run(
            command(port, kind, seconds, cpu), capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"the load did not end {limit_s:g} s after its start") from error
    if done.returncode != 0:
        raise LoadError(f"the load ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    return parse(done.stdout)


def warm_up(port: int, kind: str, seconds: float, cpu: int | str) -> None:
    """Load the server for `seconds`, a part of one if need be, and count nothing."""
    with subprocess.Popen(
        command(port, kind, seconds + 1, cpu), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
