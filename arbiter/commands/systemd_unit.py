"""`heeler systemd-unit APP [--socket]`: prints the unit with which systemd runs the server."""

import grp
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from heeler.arbiter.commands.serve import read
from heeler.arbiter.config.environment import CMD_ARGS
from heeler.arbiter.config.flags import Parser
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.unit_files import NOTIFY_RELOAD, Service, socket_unit

_FROM_ENVIRONMENT: Final = "environment "


def run(argv: Sequence[str]) -> int:
    """Print it; all the flags of `heeler run` are taken, and stand in it.

    Raises:
        HeelerError: the settings are wrong, or are not for a service.
    """
    parser = Parser(prog="heeler systemd-unit", add_help=False, allow_abbrev=False)
    parser.add_argument("--socket", action="store_true")
    parser.add_argument("--systemd", type=int)
    wanted, rest = parser.parse_known_args(list(argv))
    loaded = read(rest)
    if wanted.socket:
        text = socket_unit(loaded.config, loaded.application)
    else:
        text = Service(
            loaded.config,
            loaded.application,
            [*_program(), "run", *rest],
            _variables(loaded),
            str(Path.cwd()),
            _account(),
            _installed() if wanted.systemd is None else wanted.systemd,
        ).text()
    sys.stdout.write(text)
    return 0


def _program() -> list[str]:
    """Return what this command was started as."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "heeler" and os.access(started, os.X_OK):
        return [str(started)]
    return [sys.executable, "-m", "heeler"]


def _variables(loaded: Loaded) -> dict[str, str]:
    """Return the variables that settings come from; a service is started with none of them."""
    config, environ = loaded.config, loaded.sources.environ
    given = {config.source(name).partition(":")[0] for name in config}  # after a colon stands how it was understood
    sources = {source.removeprefix(_FROM_ENVIRONMENT) for source in given} | {CMD_ARGS}
    return {name: environ[name] for name in sources if environ.get(name)}


def _account() -> tuple[str, str] | None:
    """Return who calls, unless it is root."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return None
    try:
        return pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name
    except KeyError:
        return str(uid), str(gid)


def _installed() -> int:
    """Return the version of systemd here; where there is none, one that is new enough for all."""
    if (tool := shutil.which("systemctl")) is None:
        return NOTIFY_RELOAD
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - of PATH
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else NOTIFY_RELOAD
