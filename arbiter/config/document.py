"""Writes the reference pages that are derived from the settings and hooks.

python -m heeler.arbiter.config.document docs/reference
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from heeler.arbiter.config.absent import ABSENT
from heeler.arbiter.config.table import SETTINGS
from heeler.plugins.hooks import HOOKS
from heeler.plugins.registry import workers
from heeler.plugins.setting import Setting

_SETTINGS_INTRO = """\
# Settings

<!-- Written by `python -m heeler.arbiter.config.document docs/reference`; do not edit. -->

A setting has one name. It is given, each way winning over the ones before it,

1. in the config module: `name = value` in `heeler.conf.py` in the launch directory, or in what `-c` names;
2. in the environment: `HEELER_NAME=value`; a few have a variable that hosting platforms set, too;
3. in `HEELER_CMD_ARGS`, a variable that holds a command line;
4. on the command line.

A list replaces the list of a lower layer, it never extends it.
An empty variable counts as unset.
`heeler config` prints the settings in force, each with where its value came from.
A worker class may bring settings of its own, which are given in the same ways
and are unknown where another class is chosen; `heeler -k NAME --help` shows them.

Names that mean nothing are refused: a flag, a variable that begins with `HEELER_`,
and a plain `name = value` in the config module that nothing else there reads.
Helper variables that the module itself uses, `_names`, `NAMES`, imports, functions and classes are left alone.

Names, flags and meanings are Gunicorn's wherever it has the setting; where ours differs, a line says how.
Settings that only Gunicorn has stand [at the end](#settings-that-only-gunicorn-has).
"""

_ABSENT_INTRO = """\
## Settings that only Gunicorn has

A `gunicorn.conf.py` works as it is wherever it can (`-c gunicorn.conf.py`).
A value that asks for nothing, such as Gunicorn's own default, passes.
What would change how the application is served is refused, with the reason.

| name | flags | |
|---|---|---|
"""

_HOOKS_INTRO = """\
# Hooks

<!-- Written by `python -m heeler.arbiter.config.document docs/reference`; do not edit. -->

A hook is a function in the config module that is called at a named moment.
In its stead the dotted name of a function may be given: `post_fork = "shop.hooks.post_fork"`.
Names, arguments and moments are Gunicorn's, unless a line says otherwise.
What a hook raises is logged, and the server goes on.
Two have a say: an exception in `pre_request` makes the response a 500,
and `sys.exit()` in `on_starting`, `post_fork` or `post_worker_init` refuses to begin.

    def post_fork(server, worker):
        server.log.info("worker %s forked", worker.pid)

`server` has `cfg` (the settings), `log`, `pid`, `num_workers` and `address`.

| hook | called in | arguments, and when |
|---|---|---|
"""


def settings_page() -> str:
    """Return the page on settings: the core's, and those of the worker classes that Heeler brings."""
    parts = [_SETTINGS_INTRO]
    core: list[tuple[Setting, list[str]]] = [(setting, []) for setting in SETTINGS]
    for section, group in groupby(core + own_settings(), key=lambda each: each[0].section):
        if section != "Hooks":
            parts.append(f"## {section}\n")
            parts.extend(_setting(setting, classes) for setting, classes in group)
    parts.append("## Hooks\n\nFunctions in the config module; see [hooks](hooks.md).\n")
    rows = "".join(f"| `{each.name}` | {_code(each.flags)} | {each.reason} |\n" for each in ABSENT)
    return "\n".join(parts) + "\n" + _ABSENT_INTRO + rows


def own_settings() -> list[tuple[Setting, list[str]]]:
    """Return the settings that our own worker classes bring, each with the names of those classes, by section."""
    found: dict[str, tuple[Setting, list[str]]] = {}
    for plugin in workers():
        if plugin.distribution == "heeler":
            for setting in getattr(plugin.load(), "settings", ()):
                found.setdefault(setting.name, (setting, []))[1].append(plugin.name)
    return sorted(found.values(), key=lambda each: each[0].section)


def hooks_page() -> str:
    """Return the page on hooks."""
    return _HOOKS_INTRO + "".join(f"| `{hook.name}` | {hook.process} | {hook.when} |\n" for hook in HOOKS)


def main(argv: Sequence[str]) -> int:
    """Write both pages into the folder that is named."""
    folder = Path(argv[0])
    (folder / "settings.md").write_text(settings_page(), encoding="utf-8")
    (folder / "hooks.md").write_text(hooks_page(), encoding="utf-8")
    return 0


def _setting(setting: Setting, classes: Sequence[str]) -> str:
    only = [f"Worker classes: {_code(classes)}"] if classes else []
    facts = "\n".join(f"- {fact}" for fact in (*only, *_facts(setting)))
    return f"### {setting.name}\n\n{setting.doc}\n\n{facts}\n"


def _facts(setting: Setting) -> Iterator[str]:
    if setting.cli:
        metavar = "" if setting.flag else f" {setting.metavar or 'VALUE'}"
        again = ", may be repeated" if setting.repeat else ""
        yield f"Command line: {', '.join(f'`{flag}{metavar}`' for flag in setting.cli)}{again}"
    if setting.aliases:
        yield f"Config module: also {_code(setting.aliases)}"
    variables = (f"HEELER_{setting.name.upper()}", *setting.env)
    yield f"Environment: {_code(variables)}"
    yield f"Default: {_default(setting.default)}"
    if setting.example:
        given = f"{setting.cli[0]} {setting.example}" if setting.cli else f"{setting.name} = {setting.example!r}"
        yield f"Example: `{given}`"
    if not setting.reloadable:
        yield "A reload (HUP) does not change it."
    if setting.gunicorn:
        yield f"Gunicorn: {setting.gunicorn}"


def _default(value: object) -> str:
    return "none" if value in (None, (), {}) else f"`{value!r}`"


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
