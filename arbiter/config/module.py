"""The config module: finding it, running it, and what it sets.

Knows nothing of what the names mean.
"""

import ast
import dataclasses
import sys
import types
from pathlib import Path

from heeler.plugins.errors import ConfigError

DEFAULT_FILE = "heeler.conf.py"
"""Read from the launch directory where no config module is named."""

MODULE_NAME = "__config__"
"""What the config module is called while it runs; Gunicorn's name for it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Assignment:
    """A name that the config module sets.

    Args:
        value: any object.
        source: `heeler.conf.py:12`.
        is_read: False for `name = value` where nothing else in the module reads the name:
            then it is either a setting or a mistake, and no helper variable.
    """

    value: object
    source: str
    is_read: bool


def read(named: str | None, directory: Path) -> dict[str, Assignment]:
    """Run the config module and return the names it sets.

    Args:
        named: as people name it: a path, `file:PATH`, `python:MODULE`, `none`; None for the default.
        directory: the launch directory, to which a path is relative.

    Raises:
        ConfigError: it is not there, or is wrong, or raises; an application's traceback is a note on it.
    """
    if named is None:
        default = directory / DEFAULT_FILE
        return _run(default.read_bytes(), str(default), DEFAULT_FILE) if default.is_file() else {}
    if named in ("", "none"):
        return {}
    if named.startswith("python:"):
        return _read_module(named.removeprefix("python:"))
    return _read_file(named.removeprefix("file:"), directory)


def _read_file(named: str, directory: Path) -> dict[str, Assignment]:
    path = directory / named
    try:
        code = path.read_bytes()
    except OSError as error:
        raise ConfigError(None, named, f"cannot read this config file: {error.strerror}") from error
    return _run(code, str(path), named)


def _read_module(name: str) -> dict[str, Assignment]:
    import importlib.util

    # A module that was imported stays as it is; this one is read afresh on each reload.
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError) as error:
        raise ConfigError("config", None, f"no module named {name!r}: {error}") from error
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise ConfigError("config", None, f"no module named {name!r} that is a Python file")
    return _run(Path(spec.origin).read_bytes(), spec.origin, name, spec.parent)


def _run(code: bytes, path: str, shown: str, package: str | None = None) -> dict[str, Assignment]:
    """Run `code` in a fresh module and return what it sets."""
    module = types.ModuleType(MODULE_NAME)
    module.__file__ = path
    module.__package__ = package or None
    sys.modules[MODULE_NAME] = module
    try:
        tree = ast.parse(code, path)
        exec(compile(tree, path, "exec"), module.__dict__)  # noqa: S102 - a config module is code
    except SyntaxError as error:
        if error.filename == path:
            raise ConfigError(None, f"{shown}:{error.lineno}", f"{type(error).__name__}: {error.msg}") from error
        raise _failed(error, path, shown) from error
    except ValueError as error:  # the source has null bytes
        raise _failed(error, path, shown) from error
    except BaseException as error:  # on a reload it must not end those who serve
        raise _failed(error, path, shown) from error
    lines = _lines(tree)
    unread = _assigned(tree) - _names_read(tree)
    return {
        name: Assignment(value, f"{shown}:{lines[name]}" if name in lines else shown, name not in unread)
        for name, value in vars(module).items()
        if not name.startswith("__")
    }


def _failed(error: BaseException, path: str, shown: str) -> ConfigError:
    from heeler.workers.application import traceback_of

    line = None
    frame = error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == path:
            line = frame.tb_lineno
        frame = frame.tb_next
    failed = ConfigError(None, f"{shown}:{line}" if line else shown, f"{type(error).__name__}: {error}")
    failed.add_note(traceback_of(error))
    return failed


def _lines(tree: ast.Module) -> dict[str, int]:
    """Return on which line each name is last set, at the top level or under an `if`, `try`, `with`, `for`."""
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store(), lineno=line):
                lines[name] = max(line, lines.get(name, 0))
            case ast.FunctionDef(name=name, lineno=line) | ast.AsyncFunctionDef(name=name, lineno=line):
                lines[name] = max(line, lines.get(name, 0))
    return lines


def _assigned(tree: ast.Module) -> set[str]:
    """Return the names of all `name = value`."""
    targets: list[ast.expr] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=several):
                targets += several
            case ast.AnnAssign(target=target):
                targets.append(target)
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _names_read(tree: ast.Module) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
