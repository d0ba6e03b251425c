"""One run of wrk against a server that is up: how it is called, and what its output says."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 16
SCRIPT = Path(__file__).resolve().parent.parent / "load.lua"
HEADERS = ("browser", "varied", "curl")
MARK = "RESULT "


class LoadError(Exception):
    """wrk failed, or said nothing that could be read."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one run of wrk counted.

    Args:
        requests: responses that came back whole.
        seconds: how long the run took.
        p50_us, p99_us, max_us: latency, microseconds.
        errors: failed connects, reads, writes, time-outs and responses with a status over 399, together.
    """

    requests: int
    seconds: float
    p50_us: float
    p99_us: float
    max_us: float
    errors: int

    @property
    def per_second(self) -> float:
        """Requests per second over the whole run."""
        return self.requests / self.seconds


def parse(output: str) -> LoadResult:
    """Read the RESULT line that load.lua makes wrk write.

    Raises: LoadError where there is none, or no time passed.
    """
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if len(lines) != 1:
        raise LoadError(f"wrk wrote {len(lines)} RESULT lines: {output.strip()[-300:]!r}")
    try:
        fields = json.loads(lines[0].removeprefix(MARK))
        result = LoadResult(
            requests=int(fields["requests"]),
            seconds=fields["duration_us"] / 1e6,
            p50_us=float(fields["p50_us"]),
            p99_us=float(fields["p99_us"]),
            max_us=float(fields["max_us"]),
            errors=sum(int(fields[name]) for name in ("connect", "read", "write", "timeout", "status")),
        )
    except (ValueError, KeyError) as error:
        raise LoadError(f"wrk wrote a RESULT line that cannot be read: {lines[0]!r}") from error
    if result.seconds <= 0:
        raise LoadError("wrk ran for no time at all")
    return result


def run(port: int, headers: str, seconds: float, cpu: int) -> LoadResult:
    """Load the server on `port` from processor `cpu`.

    Blocking: until wrk ends, at most `seconds` and a few more.
    Raises: LoadError.
    """
    # wrk takes whole seconds only.
    duration = max(1, round(seconds))
    command = ["taskset", "-c", str(cpu), "wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{duration}s", "--latency"]
    command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--", headers]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=duration + 15, check=False)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"wrk did not end {duration + 15} s after its start") from error
    if done.returncode != 0:
        raise LoadError(f"wrk ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
    return parse(done.stdout)
