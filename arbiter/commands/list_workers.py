"""`heeler workers [--json]`: the installed worker classes, none of which is imported."""

import dataclasses
import json
from collections.abc import Sequence

from heeler.arbiter.commands.output import line
from heeler.arbiter.config.flags import Parser
from heeler.plugins.registry import Plugin, workers


def run(argv: Sequence[str]) -> int:
    """Print name, distribution and version of each."""
    parser = Parser(prog="heeler workers", add_help=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="for programs")
    wanted = parser.parse_args(list(argv))
    found = workers()
    if wanted.json:
        line(json.dumps([dataclasses.asdict(plugin) for plugin in found], indent=2))
        return 0
    rows = [("NAME", "DISTRIBUTION", "VERSION", "CLASS"), *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        line("  ".join([*cells, row[3]]))
    return 0


def _row(plugin: Plugin) -> tuple[str, str, str, str]:
    return plugin.name, plugin.distribution or "", plugin.version or "", str(plugin.target)
