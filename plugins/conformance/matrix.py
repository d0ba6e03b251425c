"""What the checks found, as a table: text for people, JSON for programs, HTML for a page."""

import html
import json
from collections.abc import Iterable, Sequence
from typing import Final

from heeler.plugins.conformance.kit import Check, Outcome, Verdict

SIGNS: Final = {Verdict.PASSED: "ok", Verdict.FAILED: "FAILED", Verdict.NOT_APPLICABLE: "-"}
_STYLE: Final = """\
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
  color-scheme: light dark; color: light-dark(#222, #ddd); background: light-dark(#fff, #181818) }
table { border-collapse: collapse; width: 100% }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-top: 1px solid light-dark(#ddd, #444) }
td.v { text-align: center; white-space: nowrap }
td.passed { color: light-dark(#176b2c, #6fd08c) }
td.failed { background: light-dark(#b3261e, #8c1d18); color: #fff; font-weight: 600 }
td.none { color: #888 }
th.theme { padding-top: 1.2rem }
code { font-size: .9em }"""


def text(outcomes: Sequence[Outcome], *, width: int = 46) -> str:
    """Return the table for people: a line a check, a column a target; then why checks failed."""
    targets = _targets(outcomes)
    found = {(one.check.name, one.target): one for one in outcomes}
    columns = [max(len(target), 6) for target in targets]
    head = "  ".join(["CHECK".ljust(width), *(name.ljust(size) for name, size in zip(targets, columns, strict=True))])
    lines = [head.rstrip()]
    for name in dict.fromkeys(one.check.name for one in outcomes):
        cells = [
            (SIGNS[one.verdict] if (one := found.get((name, target))) else "").ljust(size)
            for target, size in zip(targets, columns, strict=True)
        ]
        lines.append("  ".join([name.ljust(width), *cells]).rstrip())
    lines += ["", summary(outcomes)]
    lines += [f"\n{one.target}: {one.check.name}: {one.message}" for one in outcomes if one.verdict is Verdict.FAILED]
    return "\n".join(lines) + "\n"


def summary(outcomes: Iterable[Outcome]) -> str:
    """Return how many checks found what, in a line."""
    counts = dict.fromkeys(Verdict, 0)
    for one in outcomes:
        counts[one.verdict] += 1
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items())


def as_json(outcomes: Iterable[Outcome]) -> str:
    """Return all that was found, for programs."""
    found = [
        {
            "check": one.check.name,
            "theme": one.check.theme,
            "promise": one.check.promise,
            "target": one.target,
            "verdict": one.verdict.value,
            "message": one.message,
            "seconds": round(one.seconds, 3),
        }
        for one in outcomes
    ]
    return json.dumps(found, indent=2) + "\n"


def as_html(outcomes: Sequence[Outcome], title: str) -> str:
    """Return a page that needs nothing else: a row a check, with its promise; failures say why."""
    targets = _targets(outcomes)
    found = {(one.check.name, one.target): one for one in outcomes}
    rows, theme = [], ""
    for name, check in {one.check.name: one.check for one in outcomes}.items():
        if check.theme != theme:
            theme = check.theme
            rows.append(f'<tr><th class="theme" colspan="{len(targets) + 1}">{html.escape(theme)}</th></tr>')
        cells = "".join(_cell(found.get((name, target))) for target in targets)
        rows.append(f"<tr><td><code>{name}</code><br>{html.escape(check.promise)}</td>{cells}</tr>")
    heads = "".join(f"<th>{html.escape(target)}</th>" for target in targets)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>\n{_STYLE}\n</style>\n<h1>{html.escape(title)}</h1>\n<p>{html.escape(summary(outcomes))}</p>\n"
        f"<table>\n<tr><th>Check</th>{heads}</tr>\n" + "\n".join(rows) + "\n</table></html>\n"
    )


def catalogue(checks: Iterable[Check]) -> str:
    """Return the checks as the documents list them: a table of Markdown for each theme."""
    lines: list[str] = []
    theme = ""
    for check in checks:
        if check.theme != theme:
            theme = check.theme
            lines += ["", f"### {theme}", "", "| check | applies to | promise |", "|---|---|---|"]
        lines.append(f"| `{check.name}` | {check.applies} | {check.promise} |")
    return "\n".join(lines[1:]) + "\n"


def _cell(outcome: Outcome | None) -> str:
    if outcome is None or outcome.verdict is Verdict.NOT_APPLICABLE:
        why = html.escape(outcome.reason, quote=True) if outcome else "does not apply"
        return f'<td class="v none" title="{why}">-</td>'
    if outcome.verdict is Verdict.FAILED:
        return f'<td class="v failed" title="{html.escape(outcome.reason, quote=True)}">failed</td>'
    return f'<td class="v passed">{outcome.seconds:.1f} s</td>'


def _targets(outcomes: Iterable[Outcome]) -> list[str]:
    return list(dict.fromkeys(one.target for one in outcomes))
