"""The `heeler` command: picks the command and says what went wrong, in one line.

Imports late what it may not need: `heeler --version` is asked for by scripts.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Final

COMMANDS: Final = (
    *("run", "config", "workers", "status", "healthcheck", "reload", "scale", "drain", "conformance", "new-worker"),
    "systemd-unit",
)
"""The first words that are commands; any other first word is an application."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `argv` and return its exit status.

    Args:
        argv: the arguments without the program's name; those of this process by default.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"], ["-v"]):
        from heeler import __version__

        sys.stdout.write(f"heeler {__version__}\n")
        return 0
    if argv is None:
        _die_quietly()
    from heeler.arbiter.commands.report import report

    name = words[0] if words else ""
    return report(_command(words), name if name in COMMANDS and name != "run" else None)


def _die_quietly() -> None:
    """Let signals end this process without a traceback, until a server takes them over."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from heeler.arbiter.process_one import obey_at_once

    obey_at_once()


def _command(words: list[str]) -> Callable[[], int]:
    """Return what the first word asks for."""
    name, rest = (words[0], words[1:]) if words and words[0] in COMMANDS else ("run", words)
    if any(word in ("--help", "-h") for word in rest):
        from heeler.arbiter.commands import help_text

        return lambda: help_text.run(name, rest)
    if name == "config":
        from heeler.arbiter.commands import show_config

        return lambda: show_config.run(rest)
    if name == "workers":
        from heeler.arbiter.commands import list_workers

        return lambda: list_workers.run(rest)
    if name == "status":
        from heeler.arbiter.commands import show_status

        return lambda: show_status.run(rest)
    if name == "scale":
        from heeler.arbiter.commands import scale

        return lambda: scale.run(rest)
    if name == "reload":
        from heeler.arbiter.commands import reload

        return lambda: reload.run(rest)
    if name == "healthcheck":
        from heeler.arbiter.commands import healthcheck

        return lambda: healthcheck.run(rest)
    if name == "drain":
        from heeler.arbiter.commands import drain

        return lambda: drain.run(rest)
    if name == "conformance":
        from heeler.arbiter.commands import conformance

        return lambda: conformance.run(rest)
    if name == "new-worker":
        from heeler.arbiter.commands import new_worker

        return lambda: new_worker.run(rest)
    if name == "systemd-unit":
        from heeler.arbiter.commands import systemd_unit

        return lambda: systemd_unit.run(rest)
    from heeler.arbiter.commands import serve

    return lambda: serve.run(rest)
