"""Tells WSGI from ASGI by looking at the application, without calling it; and which worker class fits which."""

import inspect
import shlex
from collections.abc import Set as AbstractSet
from typing import Final, Literal

from heeler.plugins.errors import AppLoadError

_RIGHT: Final = {"wsgi": "sync", "asgi": "asyncio"}
"""Which worker class of ours to take for an interface."""


def interface_of(application: object) -> Literal["wsgi", "asgi"] | None:
    """Return how `application` is to be called; None where it takes the arguments of neither.

    An object whose signature cannot be seen is taken for WSGI.
    """
    if isinstance(application, type):
        return _interface_of_class(application)
    if _is_coroutine(application):
        return "asgi" if _takes(application, 3) else None
    if _takes(application, 2):
        return "wsgi"
    return "asgi" if _takes(application, 3) else None


def check_pair(
    target: str, interface: str | None, worker_class: str, served: AbstractSet[str], *, in_program: bool = False
) -> None:
    """Refuse an application that a worker class does not serve.

    Args:
        target: the application as it was named.
        interface: how it is called; None where that does not matter.
        worker_class: the worker class as it was named.
        served: the interfaces that it serves; empty where it calls no application.
        in_program: whether a program named them, and no command line.

    Raises:
        AppLoadError: with the command, or the setting, that would be right.
    """
    if not served or interface is None or interface in served:
        return
    kind = {"wsgi": "a WSGI", "asgi": "an ASGI"}[interface]
    kinds = " and ".join(sorted(served)).upper()
    right = _RIGHT[interface]
    advice = f"worker_class={right!r}" if in_program else f"heeler -k {right} {shlex.quote(target)}"
    reason = f"is {kind} application, and worker class {worker_class!r} serves {kinds}; say `{advice}`"
    raise AppLoadError(target, reason)


def is_factory(application: object) -> bool:
    """Tell whether it can be called without arguments, and not with those of a request."""
    return _takes(application, 0) and not _takes(application, 2) and not _takes(application, 3)


def _interface_of_class(application: type) -> Literal["wsgi", "asgi"] | None:
    """A class is an application only if its objects are responses: iterable (PEP 3333), or awaitable."""
    if _takes(application, 2) and (hasattr(application, "__iter__") or hasattr(application, "__getitem__")):
        return "wsgi"
    return "asgi" if _takes(application, 3) and hasattr(application, "__await__") else None


def _is_coroutine(application: object) -> bool:
    if inspect.iscoroutinefunction(application):
        return True
    return inspect.iscoroutinefunction(getattr(application, "__call__", None))  # noqa: B004 - the method itself


def _takes(application: object, count: int) -> bool:
    if not callable(application):
        return False
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        return count == 2
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
