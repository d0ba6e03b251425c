"""`--help`, with the settings that the chosen worker class brings."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from heeler.arbiter.commands.report import say
from heeler.arbiter.config import flags
from heeler.arbiter.config.loader import Sources
from heeler.arbiter.config.table import SETTINGS
from heeler.plugins.errors import HeelerError
from heeler.plugins.setting import Setting

_USAGE: Final = {
    "run": """heeler [run] APP [options]
       heeler config [KEY] [--json] [--changed] [options]
       heeler workers [--json]
       heeler status [--json] [--pid N | --pidfile FILE]
       heeler reload [--wait] [--timeout SECONDS] [--pid N | --pidfile FILE]
       heeler scale WORKERS | auto [--wait] [--timeout SECONDS] [--pid N | --pidfile FILE]
       heeler healthcheck [--live] [--workers N] [--pid N | --pidfile FILE]
       heeler drain [--timeout SECONDS] [--pid N | --pidfile FILE]
       heeler conformance -k NAME [--json] [--html FILE] [CHECK ...]
       heeler new-worker NAME [--directory DIRECTORY]
       heeler systemd-unit APP [--socket] [--systemd VERSION] [options]
       heeler --version""",
    "config": "heeler config [KEY] [--json] [--changed] [options]",
    "workers": "heeler workers [--json]",
    "status": "heeler status [--json] [--pid N | --pidfile FILE]",
    "reload": "heeler reload [--wait] [--timeout SECONDS] [--pid N | --pidfile FILE]",
    "scale": "heeler scale WORKERS | auto [--wait] [--timeout SECONDS] [--pid N | --pidfile FILE]",
    "healthcheck": "heeler healthcheck [--live] [--workers N] [--pid N | --pidfile FILE]",
    "drain": "heeler drain [--timeout SECONDS] [--pid N | --pidfile FILE]",
    "conformance": "heeler conformance -k NAME [-k NAME ...] [--json] [--html FILE] [--full] [--jobs N]"
    " [--send TEXT --expect TEXT] [CHECK ...] [-- OPTIONS]\n       heeler conformance --list",
    "new-worker": "heeler new-worker NAME [--directory DIRECTORY]",
    "systemd-unit": "heeler systemd-unit APP [--socket] [--systemd VERSION] [options]",
}

_ABOUT: Final = {
    "run": "Serve APP: module, module:attribute, module:factory(), path/file.py or path/file.py:attribute."
    " An application called as a command is, is served by `heeler run APP`.",
    "config": "Print the settings in force, each with where its value comes from; KEY prints one value."
    " --changed leaves out those at their default; --json is for programs."
    " The options are those of `heeler run`, and count.",
    "workers": "List the installed worker classes: names, distributions, versions.",
    "status": "Show what a running Heeler is doing. Without --pid or --pidfile, the only one there is.",
    "reload": "Have a running Heeler read its settings and load its application again, as HUP does. With --wait, return"
    " once that is done, or say why it is not: the exit status is 5 where the old workers serve on, 6 where a newer"
    " reload has taken its place, 7 after SECONDS, 8 where the server has ended. Without --pid or --pidfile, the only"
    " one there is.",
    "scale": "Have a running Heeler keep WORKERS workers; its scaler rests then until `auto`, or until a reload."
    " --wait returns once they serve, and those that are too many are gone. Without --pid or --pidfile, the only one"
    " there is.",
    "healthcheck": "End with 0 if a running Heeler is ready, else with 1: before the first worker is, and once it is to"
    " stop. With --workers, N of them must be ready. With --live it is enough that the arbiter is not stuck.",
    "drain": "Have a running Heeler drain: it says that it is not ready, serves on for `drain_delay`, and finishes what"
    " it has. Its arbiter stays until TERM. Waits until it has drained, and ends with 0, or with 75 if something was"
    " cut; with 124 after SECONDS.",
    "conformance": "Check that worker classes keep their promises, on real servers; --list says which there are."
    " --full takes sizes and counts of real life. A class without HTTP is asked what --send says and must answer"
    " what --expect says. OPTIONS are settings of the servers.",
    "new-worker": "Write a distribution with a worker class called NAME, with a setting and tests that pass as written:"
    " into DIRECTORY, or heeler-NAME here.",
    "systemd-unit": "Print the unit with which systemd runs APP from here, with these settings; with --socket, that of"
    " the sockets. It is made for the systemd that is installed, or for VERSION. The options are those of"
    " `heeler run`.",
}


def run(name: str, argv: Sequence[str]) -> int:
    """Print the help of a command."""
    settings = _settings(argv) if name in ("run", "config", "systemd-unit") else ()
    made = flags.parser(settings, _USAGE[name])
    made.description = _ABOUT[name]
    if name == "run":
        made.epilog = "Every setting can also be given as HEELER_NAME in the environment, or in the config module."
    made.print_help()
    return 0


def _settings(argv: Sequence[str]) -> Sequence[Setting]:
    """Return the core's settings and the chosen worker class's; help is given even where they cannot be read."""
    rest = tuple(word for word in argv if word not in ("--help", "-h", "--json", "--changed", "--socket", "--systemd"))
    try:
        return Sources(rest, dict(os.environ), Path.cwd(), needs_application=False).load().settings
    except HeelerError as error:
        sys.stdout.flush()
        say(error)
        return SETTINGS
