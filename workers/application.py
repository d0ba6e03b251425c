"""From the name of an application to the callable that serves requests.

Runs in a worker (and in `--check-config`); the application's own exceptions pass through.
"""

import ast
import dataclasses
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from typing import Any, Final, Literal

from heeler.plugins.errors import AppLoadError
from heeler.plugins.suggest import suggest
from heeler.workers.interface import interface_of, is_factory
from heeler.workers.tracebacks import is_from_application, traceback_of

__all__ = ["Application", "load", "traceback_of"]

_TRIED: Final = ("app", "application")
_FACTORY: Final = "create_app"


@dataclasses.dataclass(frozen=True, slots=True)
class Application:
    """An application that was found.

    Args:
        callable: what is called for each request.
        target: where it was found, in whole: `app:create_app()` for `app`.
        interface: how it is called; None where it takes the arguments of neither.
    """

    callable: Callable[..., Any]  # Any: WSGI or ASGI, as `interface` says, or what a worker class makes of it
    target: str
    interface: Literal["wsgi", "asgi"] | None


def load(target: str, *, any_kind: bool = False) -> Application:
    """Import the application that `target` names.

    Args:
        target: `module`, `module:attribute`, `module:factory()`, `path/file.py`, `path/file.py:attribute`.
        any_kind: whether every callable will do, of neither interface too.

    Raises:
        AppLoadError: it is not there, or is no application. Whatever the application's own
            import raises passes through.

    Blocking: as long as the application's import does.
    """
    place, _, expression = _split(target)
    parsed = _parse(target, expression) if expression else None
    module = _import_file(target, place) if _is_path(place) else _import_module(target, place)
    if parsed is None:
        found, expression = _guess(target, module)
    else:
        found = _evaluate(target, module, parsed)
    return _checked(target, f"{place}:{expression}", found, any_kind=any_kind)


def of_object(application: object, *, any_kind: bool = False) -> Application:
    """Return the application that was given as an object, not by its name.

    Args:
        application: the object.
        any_kind: whether every callable will do, of neither interface too.

    Raises:
        AppLoadError: it is no application.
    """
    name = _name_of(application)
    return _checked(name, name, application, any_kind=any_kind)


def _name_of(application: object) -> str:
    """Return what people would call an object: `shop.make_app.<locals>.app`, `flask.app.Flask object`."""
    is_named = hasattr(application, "__qualname__")
    named = application if is_named else type(application)
    name = f"{getattr(named, '__module__', None) or ''}.{getattr(named, '__qualname__', '')}".lstrip(".")
    return name if is_named else f"{name} object"


def _split(target: str) -> tuple[str, str, str]:
    place, colon, expression = target.partition(":")
    if not place or (colon and not expression.strip()):
        raise AppLoadError(target, "not the name of an application; say for example `module:app` or `path/file.py:app`")
    return place, colon, expression.strip()


def _is_path(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _parse(target: str, expression: str) -> ast.expr:
    """Return `attribute`, `attribute.sub` or `factory(literals)` as a syntax tree."""
    try:
        node = ast.parse(expression, mode="eval").body
    except SyntaxError:
        node = None
    inner = node.func if isinstance(node, ast.Call) else node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if node is None or not isinstance(inner, ast.Name):
        reason = f"{expression!r} is neither an attribute nor a call such as `create_app('production')`"
        raise AppLoadError(target, reason)
    return node


def _import_module(target: str, name: str) -> types.ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise AppLoadError(target, f"{name!r} is not the name of a module")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if is_from_application(error) or not (name == missing or name.startswith(missing + ".")):
            raise
        raise AppLoadError(target, f"no module named {missing!r}{_nearby(missing)}") from None


def _nearby(name: str) -> str:
    """Return where a module was looked for, and what is there."""
    entries = [entry or os.getcwd() for entry in sys.path[:1]]
    names = {found for entry in entries for found in _modules_in(entry)}
    near = suggest(name, names)
    return f" in {', '.join(entries)} or on Python's module path{near}"


def _modules_in(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [
                entry.name.removesuffix(".py")
                for entry in entries
                if entry.name.endswith(".py") or (entry.is_dir() and entry.name.isidentifier())
            ]
    except OSError:
        return []


def _import_file(target: str, place: str) -> types.ModuleType:
    """Import the file at `place` as the module it would be: `pkg/wsgi.py` in a package is `pkg.wsgi`."""
    path = os.path.abspath(place)
    if not os.path.isfile(path):
        folder, file_name = os.path.split(path)
        reason = f"no such file: {path}{suggest(file_name.removesuffix('.py'), _modules_in(folder), '.py')}"
        raise AppLoadError(target, reason)
    directory, file_name = os.path.split(path)
    parts = [file_name.removesuffix(".py")]
    while os.path.isfile(os.path.join(directory, "__init__.py")):
        directory, package = os.path.split(directory)
        parts.insert(0, package)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    name = ".".join(parts).removesuffix(".__init__")
    spec = importlib.util.find_spec(name) if all(part.isidentifier() for part in parts) else None
    if spec and spec.origin and os.path.realpath(spec.origin) == os.path.realpath(path):
        return importlib.import_module(name)
    return _import_alone(path, parts[-1])


def _import_alone(path: str, stem: str) -> types.ModuleType:
    """Import a file whose module name is no name, or is that of another module."""
    name = f"heeler_application_{stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=None)
    if spec is None or spec.loader is None:
        raise AppLoadError(path, "not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _guess(target: str, module: types.ModuleType) -> tuple[object, str]:
    """Return the application of a module that is named alone, and its name there."""
    for name in _TRIED:
        if hasattr(module, name):
            return getattr(module, name), name
    if hasattr(module, _FACTORY):
        return _call(target, getattr(module, _FACTORY), _FACTORY, (), {}), f"{_FACTORY}()"
    tried = ", ".join(f"`{name}`" for name in (*_TRIED, f"{_FACTORY}()"))
    reason = f"module {module.__name__!r} has none of {tried}{_callables(module)}; say `{target}:NAME`"
    raise AppLoadError(target, reason)


def _evaluate(target: str, module: types.ModuleType, node: ast.expr) -> object:
    match node:
        case ast.Name(id=name):
            return _attribute(target, module, name)
        case ast.Attribute(value=owner, attr=name):
            return _attribute(target, _evaluate(target, module, owner), name)
        case ast.Call(func=function, args=args, keywords=keywords):
            try:
                values = tuple(ast.literal_eval(arg) for arg in args)
                named = {word.arg: ast.literal_eval(word.value) for word in keywords if word.arg}
            except ValueError:
                raise AppLoadError(target, "only literals may stand between the brackets of a factory") from None
            shown = ast.unparse(function)
            return _call(target, _evaluate(target, module, function), shown, values, named)
        case _:
            raise AppLoadError(target, "neither an attribute nor a call")


def _attribute(target: str, owner: object, name: str) -> object:
    try:
        return getattr(owner, name)
    except AttributeError:
        where = f"module {owner.__name__!r}" if isinstance(owner, types.ModuleType) else type(owner).__name__
        names = [each for each in dir(owner) if not each.startswith("_")]
        near = suggest(name, names) or _callables(owner)
        raise AppLoadError(target, f"{where} has no attribute {name!r}{near}") from None


def _callables(owner: object) -> str:
    names = [name for name, value in vars(owner).items() if callable(value) and not name.startswith("_")]
    return f" (it has {', '.join(names[:8])})" if names else ""


# Any: literals from the target.
def _call(target: str, factory: object, shown: str, args: tuple[Any, ...], named: dict[str, Any]) -> object:
    """Call a factory; a wrong number of arguments is our caller's mistake, all else is the factory's own."""
    if not callable(factory):
        raise AppLoadError(target, f"{shown!r} is {_kind(factory)}, which cannot be called")
    try:
        return factory(*args, **named)
    except TypeError as error:
        if is_from_application(error):
            raise
        raise AppLoadError(target, f"{shown} cannot be called so: {error}") from None


def _checked(target: str, resolved: str, found: object, *, any_kind: bool) -> Application:
    if not callable(found):
        raise AppLoadError(target, f"{resolved!r} is {_kind(found)}, which cannot be called")
    if any_kind:
        return Application(found, resolved, interface_of(found))
    if is_factory(found):
        raise AppLoadError(target, f"{resolved!r} takes no request; if it makes the application, say `{resolved}()`")
    interface = interface_of(found)
    if interface is None and isinstance(found, type):
        raise AppLoadError(target, f"{resolved!r} is a class; an application is an object of it")
    if interface is None:
        reason = f"{resolved!r} takes neither (environ, start_response) as WSGI says nor (scope, receive, send) as ASGI"
        raise AppLoadError(target, reason)
    return Application(found, resolved, interface)


def _kind(value: object) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
