"""`heeler status [--json] [--pid N | --pidfile FILE]`: what a running Heeler is doing."""

from collections.abc import Sequence

from heeler.arbiter.config.flags import Parser


def run(argv: Sequence[str]) -> int:
    """Print it."""
    parser = Parser(prog="heeler status", add_help=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pid", type=int)
    which.add_argument("--pidfile")
    wanted = parser.parse_args(list(argv))
    from heeler.arbiter.status import run as show

    return show(wanted.pid, wanted.pidfile, wanted.json)
