"""`heeler reload [--wait] [--timeout SECONDS] [--pid N | --pidfile FILE]`: new settings and code for a server."""

from collections.abc import Sequence

from heeler.arbiter.config.flags import Parser
from heeler.plugins.errors import UsageError


def run(argv: Sequence[str]) -> int:
    """Ask for it, and with `--wait` return how it has ended."""
    parser = Parser(prog="heeler reload", add_help=False, allow_abbrev=False)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--timeout", type=float)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pid", type=int)
    which.add_argument("--pidfile")
    wanted = parser.parse_args(list(argv))
    if wanted.pid is not None and wanted.pid < 1:
        raise UsageError(f"argument --pid: no process has the id {wanted.pid}")
    if wanted.timeout is not None and not wanted.wait:
        raise UsageError("argument --timeout: says how long to wait; say --wait too")
    if wanted.timeout is not None and not wanted.timeout >= 0:
        raise UsageError(f"argument --timeout: {wanted.timeout:g} is not a number of seconds >= 0")
    from heeler.arbiter.reload_request import run as ask

    return ask(wanted.pid, wanted.pidfile, waits=wanted.wait, timeout_s=wanted.timeout)
