"""Tells WSGI from ASGI by reading an application's source, without running any of it.

Answers only where nothing but the answer is possible; all else is left to the worker,
which has the application in its hands. So a wrong pair is found before anything is
bound wherever it can be, and a right one is never refused.
"""

import ast
import os
import re
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.config.makers import Interface, interface_made_by
from heeler.arbiter.config.scope import Scope, bound_by
from heeler.arbiter.config.source_file import source_of

_MAX_BYTES: Final = 24576
"""A longer file takes longer to parse than is worth while."""

_MAX_STEPS: Final = 8
"""How many names are followed, each to the next."""

_SIDE_DOORS: Final = re.compile(
    rb"\b(?:(?:globals|locals|vars|exec|eval|setattr|modules)\s*[\[(.]|(?:global|nonlocal)\s)"
)
"""What can bind names unseen."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef


def foresee(target: str, folders: Sequence[str], directory: str) -> Interface | None:
    """Return the interface of the application that `target` names; None where that is not certain.

    Never raises, and takes a few milliseconds at most.

    Args:
        target: the application as it was named.
        folders: the module path.
        directory: the directory that the worker will run in.
    """
    place, _, expression = target.partition(":")
    try:
        path = source_of(place, folders, directory)
        scope = _module(path) if path else None
        return _named(scope, expression.strip()) if scope and not scope.is_open else None
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _module(path: str) -> Scope | None:
    with open(path, "rb") as file:
        source = file.read(_MAX_BYTES + 1)
    if len(source) > _MAX_BYTES or _SIDE_DOORS.search(source):
        return None
    folder, name = os.path.split(path)
    # A module of a package becomes an attribute of the package once anything imports it.
    modules = [entry.partition(".")[0] for entry in os.listdir(folder)] if name == "__init__.py" else []
    return Scope.of(ast.parse(source).body, modules)


def _named(scope: Scope, expression: str) -> Interface | None:
    """Return the interface of what the worker would take: see `heeler.workers.application`."""
    if not expression:
        for name in ("app", "application"):
            if name in scope.bound:
                return _interface(scope.last(name), scope)
        return _made(scope.last("create_app"), scope)
    match ast.parse(expression, mode="eval").body:
        case ast.Name(id=name):
            return _interface(scope.last(name), scope)
        case ast.Call(func=ast.Name(id=name)):
            return _made(scope.last(name), scope)
    return None


def _interface(node: ast.AST | None, scope: Scope, steps: int = _MAX_STEPS) -> Interface | None:
    """Return the interface of what `node`, found in `scope`, defines or is."""
    if steps == 0:
        return None
    match node:
        case ast.FunctionDef(decorator_list=[]) | ast.AsyncFunctionDef(decorator_list=[]):
            return _of_function(node)
        case ast.Name(id=name):
            owner = scope.owner(name)
            return _interface(owner.only(name), owner, steps - 1) if owner else None
        case ast.Call(func=function):
            full = _full_name(function, scope)
            if full is not None:
                return interface_made_by(full)
            if isinstance(function, ast.Name) and (owner := scope.owner(function.id)):
                return _made(owner.only(function.id), owner, steps - 1)
    return None


def _made(node: ast.AST | None, scope: Scope, steps: int = _MAX_STEPS) -> Interface | None:
    """Return the interface of what a factory returns, where it has one way only."""
    if steps == 0 or not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return None
    end = node.body[-1]
    if not isinstance(end, ast.Return):
        return None
    for each in ast.walk(node):
        # A `return` of an inner function counts too: it is not worth telling apart.
        if (isinstance(each, ast.Return) and each is not end) or isinstance(each, ast.Yield | ast.YieldFrom):
            return None
    return _interface(end.value, Scope.of(node.body, _arguments(node), scope), steps - 1)


def _of_function(node: _Definition) -> Interface | None:
    """Return what `heeler.workers.interface` will say of a function."""
    if isinstance(node, ast.FunctionDef) and _takes(node.args, 2):
        return "wsgi"
    return "asgi" if _takes(node.args, 3) and not _takes(node.args, 2) else None


def _takes(args: ast.arguments, count: int) -> bool:
    """Whether a function can be called with `count` arguments, all by position."""
    most = len(args.posonlyargs) + len(args.args)
    if None in args.kw_defaults:
        return False
    return most - len(args.defaults) <= count and (count <= most or args.vararg is not None)


def _arguments(node: _Definition) -> list[str]:
    args = node.args
    return [
        one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg) if one is not None
    ]


def _full_name(node: ast.expr, scope: Scope) -> str | None:
    """Return the name under which the world knows what `node` says; None where it is not imported here."""
    rest = ""
    while isinstance(node, ast.Attribute):
        rest = f".{node.attr}{rest}"
        node = node.value
    if not isinstance(node, ast.Name) or not (owner := scope.owner(node.id)):
        return None
    name, statement = node.id, owner.only(node.id)
    match statement:
        case ast.ImportFrom(module=str(module), level=0, names=names):
            return next(f"{module}.{each.name}{rest}" for each in names if bound_by(each) == name)
        case ast.Import(names=names):
            found = next(each for each in names if bound_by(each) == name)
            return f"{found.name if found.asname else name}{rest}"
    return None
