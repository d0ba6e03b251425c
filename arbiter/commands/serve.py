"""`heeler [run] APP`: serve, or only check that it could be."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heeler.arbiter.commands.check import check
from heeler.arbiter.config.loader import Loaded, load
from heeler.arbiter.inheritance import Inheritance
from heeler.arbiter.launch import Launch
from heeler.plugins.errors import UsageError

if TYPE_CHECKING:
    from heeler.arbiter.predecessor import Predecessor


def run(argv: Sequence[str]) -> int:
    """Read the settings and serve until told to stop."""
    inheritance = Inheritance.take(os.environ, os.getpid())  # before it is taken for a setting
    if inheritance is not None:
        from heeler.arbiter.predecessor import Predecessor

        return Predecessor(inheritance).be_told(lambda predecessor: _serve(argv, predecessor))
    return _serve(argv, None)


def _serve(argv: Sequence[str], predecessor: "Predecessor | None") -> int:
    launch = Launch.of_this_process()
    loaded = read(argv)
    if loaded.config.print_config:
        from heeler.arbiter.commands.show_config import print_text

        print_text(loaded, changed=False)
    if loaded.config.print_config or loaded.config.check_config:
        loaded.enter()
        return check(loaded)
    from heeler.arbiter.runner import run as serve

    return serve(loaded, launch, predecessor)


def read(argv: Sequence[str]) -> Loaded:
    """Read the settings of this process.

    Raises:
        HeelerError: anything is wrong.
    """
    try:
        return load(argv, os.environ, Path.cwd())
    except UsageError as error:
        raise _with_commands(error, argv) from error


def _with_commands(error: UsageError, argv: Sequence[str]) -> UsageError:
    """Return the error with a hint for those who meant a command: `heeler stauts --pid 1`."""
    if not argv or argv[0].startswith("-") or ":" in argv[0] or "." in argv[0]:
        return error
    from heeler.arbiter.cli import COMMANDS
    from heeler.plugins.suggest import suggest

    near = suggest(argv[0], COMMANDS)
    return UsageError(f"{error} ({argv[0]!r} is taken for an application{near})") if near else error
