"""The hooks as settings: functions in the config module, or texts that name one."""

import functools
from collections.abc import Callable

from heeler.plugins.hooks import HOOKS, Hook, fit
from heeler.plugins.setting import Setting


def _parse(hook: Hook, value: object) -> object:
    if value is None or value == "":
        return None
    function = _import(value) if isinstance(value, str) else value
    if not callable(function):
        raise ValueError("neither a function nor the dotted name of one")
    return fit(hook, function)


def _import(name: str) -> object:
    import importlib

    module, _, attribute = name.replace(":", ".").rpartition(".")
    if not module:
        raise ValueError("not the dotted name of a function, such as `shop.hooks.post_fork`")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(f"no module named {error.name!r}") from error
    except AttributeError as error:
        raise ValueError(f"module {module!r} has no {attribute!r}") from error


def _setting(hook: Hook) -> Setting:
    parse: Callable[[object], object] = functools.partial(_parse, hook)
    return Setting(
        hook.name,
        parse,
        None,
        f"Called in the {hook.process}: {hook.when}.",
        "Hooks",
        metavar="FUNCTION",
    )


HOOK_FUNCTIONS = tuple(map(_setting, HOOKS))
"""The hooks."""
