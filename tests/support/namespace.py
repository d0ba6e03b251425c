"""A namespace of process ids, as containers have, in which the server or a shell is process 1."""

import functools
import os
import shutil
import subprocess
import sys
from typing import Final

from support import processes
from support.server import Server

_ENTER: Final = (
    *("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
)


@functools.cache
def is_possible() -> bool:
    """Whether this process may make one."""
    if shutil.which(_ENTER[0]) is None or shutil.which("nsenter") is None:
        return False
    return subprocess.run([*_ENTER, "true"], capture_output=True, check=False).returncode == 0


def python(shell: str = "") -> tuple[str, ...]:
    """Return what runs Python as process 1, for `Server`.

    Args:
        shell: a script that is process 1 instead, and runs `"$@"`, which is Python.
    """
    return (*_ENTER, *(("sh", "-c", shell, "sh") if shell else ()), sys.executable)


def process_one(server: Server) -> int:
    """Return the process that is number 1 there, by its number here."""
    (pid,) = processes.children_of(server.pid)
    return pid


def inside(server: Server, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command there, as `docker exec` does."""
    enter = ["nsenter", "--target", str(process_one(server)), "--pid", "--mount"]
    enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
    return subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=30)
