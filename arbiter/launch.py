"""How the command was started: what a re-exec starts once more.

Reads the process's own beginnings, once, before anything changes them; decides how the same command is
executed again. Must not know what for.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, Self

_ACTIVATION: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
"""They name descriptors of the process that was started, by its process id."""


@dataclasses.dataclass(frozen=True, slots=True)
class Launch:
    """A command, as it was started.

    Args:
        argv: with the interpreter and its options before the command's own words; the first is what is executed.
        environ: the variables.
        directory: the working directory, as the shell that started the command called it.
        umask: as it was.
        pid: of the process, which may be in the background since under another one.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    directory: str
    umask: int
    pid: int

    @classmethod
    def of_this_process(cls) -> Self:
        """Return how this process was started. Process: the command, before it has changed any of it."""
        umask = os.umask(0o077)
        os.umask(umask)
        environ = {name: value for name, value in os.environ.items() if name not in _ACTIVATION}
        return cls(command(sys.orig_argv, sys.executable), environ, _directory(environ), umask, os.getpid())

    def execute(self, changes: Mapping[str, str | None]) -> NoReturn:
        """Execute the command in the place of this process.

        Args:
            changes: variables that it gets besides; one that is None it does not get.

        Process: a child, right after the fork.

        Raises:
            OSError: the directory or the program is not there any more.
        """
        os.umask(self.umask)
        os.chdir(self.directory)
        environ = {name: value for name, value in {**self.environ, **changes}.items() if value is not None}
        if environ.get("WATCHDOG_PID") == str(self.pid):  # systemd watches whoever is the main process
            environ["WATCHDOG_PID"] = str(os.getpid())
        os.execve(self.argv[0], self.argv, environ)  # noqa: S606 - what the operator has started, and no shell


def command(orig_argv: Sequence[str], executable: str) -> tuple[str, ...]:
    """Return the command line that starts the same program again.

    What the system has been told to execute is taken as it is where it is a path, so that one that leads
    through a link (`current/bin/python`) leads to what it links to by then. A bare name has been looked for
    in PATH, and Python knows what was found.

    Args:
        orig_argv: `sys.orig_argv`.
        executable: `sys.executable`.
    """
    program = orig_argv[0] if "/" in orig_argv[0] else executable
    return (program, *orig_argv[1:])


def _directory(environ: Mapping[str, str]) -> str:
    """Return the working directory by the name that a shell has given it, which may lead through a link."""
    actual = os.getcwd()
    named = environ.get("PWD", "")
    try:
        return named if os.path.isabs(named) and os.path.samefile(named, actual) else actual
    except OSError:
        return actual
