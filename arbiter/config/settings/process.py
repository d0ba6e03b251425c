"""Settings of the processes: directory, environment, user, title."""

import re

from heeler.plugins.parse import boolean, integer, optional, text, texts
from heeler.plugins.setting import Setting


def _variable(given: str) -> str:
    if not re.match(r"[^=\0]+=[^\0]*\Z", given):
        raise ValueError(f"{given!r} is not NAME=value")
    return given


def _user(value: object) -> object:
    return _account(value, "user")


def _group(value: object) -> object:
    return _account(value, "group")


def _account(value: object, kind: str) -> object:
    """Return the number, or the name if the system knows it."""
    if isinstance(value, str) and not value.isdecimal():
        import grp
        import pwd

        try:
            _ = pwd.getpwnam(value) if kind == "user" else grp.getgrnam(value)
        except KeyError:
            raise ValueError(f"the system has no {kind} of that name") from None
        return value
    try:
        return integer(0)(value)
    except ValueError:
        raise ValueError(f"neither the name nor the number of a {kind}") from None


def _umask(value: object) -> object:
    if isinstance(value, str):
        digits = value.lower().removeprefix("0o")
        if not re.fullmatch(r"[0-7]+", digits):
            raise ValueError("not an octal number such as 022")
        value = int(digits, 8)
    return integer(0, 0o777)(value)


PROCESS = (
    Setting(
        "chdir",
        text,
        ".",
        "The directory to work in; the application is looked for in it first. Relative to the launch directory.",
        "Processes",
        cli=("--chdir",),
        metavar="DIRECTORY",
        reloadable=False,
    ),
    Setting(
        "pythonpath",
        optional(text),
        None,
        "Directories, separated by commas, that are put before Python's module path.",
        "Processes",
        cli=("--pythonpath",),
        metavar="DIRECTORIES",
        example="/srv/shop/lib",
    ),
    Setting(
        "raw_env",
        texts(_variable, split=r",(?=[A-Za-z_]\w*=)"),
        (),
        "Environment variables for the application, `NAME=value`. May be repeated.",
        "Processes",
        cli=("--env", "-e"),
        metavar="NAME=VALUE",
        repeat=True,
        example="DJANGO_SETTINGS_MODULE=shop.settings",
    ),
    Setting(
        "daemon",
        boolean,
        False,
        "Go to the background, away from the terminal.",
        "Processes",
        cli=("--daemon", "-D"),
        flag=True,
        reloadable=False,
    ),
    Setting(
        "enable_stdio_inheritance",
        boolean,
        False,
        "Let a daemon go on to write to the standard output and error it was started with.",
        "Processes",
        cli=("--enable-stdio-inheritance", "-R"),
        flag=True,
        reloadable=False,
    ),
    Setting(
        "pidfile",
        optional(text),
        None,
        "A file that holds the arbiter's process id while it runs.",
        "Processes",
        cli=("--pid", "-p", "--pidfile"),
        metavar="FILE",
        example="/run/shop.pid",
        reloadable=False,
    ),
    Setting(
        "user",
        optional(_user),
        None,
        "The user the workers run as, by name or number. Without it, the one who started the command.",
        "Processes",
        cli=("--user", "-u"),
        metavar="USER",
        example="www-data",
    ),
    Setting(
        "group",
        optional(_group),
        None,
        "The group the workers run as, by name or number.",
        "Processes",
        cli=("--group", "-g"),
        metavar="GROUP",
        example="www-data",
    ),
    Setting(
        "initgroups",
        boolean,
        False,
        "Give the workers all groups of `user`.",
        "Processes",
        cli=("--initgroups",),
        flag=True,
    ),
    Setting(
        "umask",
        _umask,
        0,
        "The permissions that new files do not get; as text it is read as octal. Where it is not given, Unix sockets"
        " are made with 0, and other files with what the command was started with.",
        "Processes",
        cli=("--umask", "-m"),
        metavar="OCTAL",
        example="022",
        reloadable=False,
        gunicorn="Gunicorn's default, 0, holds for all files, so that anybody may write to them.",
    ),
    Setting(
        "proc_name",
        optional(text),
        None,
        "A name that the process titles show, so that several servers can be told apart.",
        "Processes",
        cli=("--name", "-n"),
        metavar="NAME",
        example="shop",
        reloadable=False,
    ),
)
"""Directory, environment, user, title."""
