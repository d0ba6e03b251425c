"""The command line as a source of settings, and its help.

One argparse parser, derived from the table; argparse never ends the process.
"""

import argparse
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from typing_extensions import override

from heeler.arbiter.config.absent import ABSENT
from heeler.plugins.errors import UsageError
from heeler.plugins.setting import Setting
from heeler.plugins.suggest import suggest


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """What a command line gives.

    Args:
        values: texts (or a switch's value) by setting.
        words: what is no flag: the application.
        unknown: flags that no setting has.
    """

    values: Mapping[str, object]
    words: tuple[str, ...]
    unknown: tuple[str, ...]


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours."""

    @override
    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        raise UsageError(message)


def parser(settings: Iterable[Setting], usage: str = "") -> Parser:
    """Return a parser for the flags of `settings`, grouped by section."""
    made = Parser(
        prog="heeler",
        usage=usage,
        add_help=False,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=_formatter,
    )
    made.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for setting in settings:
        if setting.cli:
            if setting.section not in groups:
                groups[setting.section] = made.add_argument_group(setting.section)
            _add(groups[setting.section], setting)
    taken = set(made._option_string_actions)  # noqa: SLF001 - a worker class may have one of Gunicorn's flags
    for absent in ABSENT:
        free = [flag for flag in absent.flags if flag not in taken]
        if free:
            action = "store_true" if absent.switch else "store"
            made.add_argument(*free, dest=absent.name, action=action, help=argparse.SUPPRESS)
    return made


def read(made: Parser, argv: Sequence[str]) -> Given:
    """Return what `argv` gives; a wrong flag is found later, by `check`.

    Raises:
        UsageError: a flag lacks its value, or has one too many.
    """
    found, unknown = made.parse_known_args(list(argv))
    values = dict(vars(found))
    words = tuple(values.pop("words", ()))
    extra = tuple(word for word in unknown if not word.startswith("-"))
    return Given(values, words + extra, tuple(word for word in unknown if word.startswith("-")))


def check(given: Given, settings: Iterable[Setting]) -> None:
    """Refuse flags that are unknown, and more than one word.

    Raises:
        UsageError: with the nearest right flag.
    """
    flags = [flag for setting in settings for flag in setting.cli]
    for flag in given.unknown:
        name = flag.partition("=")[0]
        near = suggest(name, [each for each in flags if each.startswith("--")] + ["--help", "--version"])
        raise UsageError(f"unknown option {name}{near}")
    if len(given.words) > 1:
        raise UsageError(f"unexpected argument {given.words[1]!r} after {given.words[0]!r}")


def _add(group: argparse._ArgumentGroup, setting: Setting) -> None:
    help_text = _help(setting)
    if setting.flag:
        group.add_argument(
            *setting.cli, dest=setting.name, action="store_const", const=setting.flag_value, help=help_text
        )
    else:
        action = "append" if setting.repeat else "store"
        group.add_argument(
            *setting.cli, dest=setting.name, action=action, metavar=setting.metavar or "VALUE", help=help_text
        )


def _help(setting: Setting) -> str:
    first = setting.doc.split(". ")[0].rstrip(".")
    default = "" if setting.flag or setting.default in (None, "", (), {}) else f" (default: {setting.default})"
    return (first + default).replace("%", "%%")


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=36)
