"""Runs a `heeler` command that ends by itself."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

_OURS: Final = (
    *("PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Finished:
    """What a command ended with."""

    status: int
    stdout: str
    stderr: str


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return this process's environment without what Heeler reads, then changed (None removes)."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("HEELER_") and name not in _OURS}
    for name, value in (changes or {}).items():
        found.pop(name, None)
        if value is not None:
            found[name] = value
    return found


def heeler(
    *args: str, env: Mapping[str, str | None] | None = None, cwd: str | os.PathLike[str], timeout_s: float = 30.0
) -> Finished:
    """Run a `heeler` command that ends by itself.

    Raises:
        subprocess.TimeoutExpired: it does not.
    """
    done = subprocess.run(
        [sys.executable, "-m", "heeler", *args],
        env=environment(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)
