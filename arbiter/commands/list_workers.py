"""`heeler workers [--json]`: the installed worker classes, none of which is imported."""

import json
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.commands.output import line
from heeler.arbiter.config.flags import Parser
from heeler.plugins.registry import Plugin, workers

_FIELDS: Final = ("name", "distribution", "version", "class")


def run(argv: Sequence[str]) -> int:
    """Print name, distribution and version of each."""
    parser = Parser(prog="heeler workers", add_help=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="for programs")
    wanted = parser.parse_args(list(argv))
    found = workers()
    if wanted.json:
        line(json.dumps([dict(zip(_FIELDS, _row(plugin), strict=True)) for plugin in found], indent=2))
        return 0
    rows = [tuple(field.upper() for field in _FIELDS), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        line("  ".join([*cells, row[3]]))
    return 0


def _row(plugin: Plugin) -> tuple[str, ...]:
    return plugin.name, plugin.distribution or "", plugin.version or "", str(plugin.target)
