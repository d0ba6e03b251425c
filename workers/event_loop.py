"""Which event loop the `asyncio` worker runs on."""

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from heeler.plugins.errors import HeelerError
from heeler.plugins.setting import Setting

if TYPE_CHECKING:
    import asyncio

LoopFactory = Callable[[], "asyncio.AbstractEventLoop"]


def parse_loop(value: Any) -> Any:  # Any: as the config module gives it
    """Return `value` if it names a loop, or is a factory of one."""
    if value == "uvloop" and importlib.util.find_spec("uvloop") is None:
        raise ValueError("uvloop is not installed: pip install 'heeler[uvloop]'")
    if callable(value) or value in ("auto", "asyncio", "uvloop"):
        return value
    module, _, attribute = str(value).partition(":")
    if module and attribute:
        return value
    raise ValueError("not auto, asyncio, uvloop, or module:factory")


LOOP = Setting(
    "loop",
    parse_loop,
    "auto",
    "The event loop: `auto` is uvloop where it is installed; `module:factory` is called without arguments.",
    "asyncio worker",
    cli=("--loop", "--asgi-loop"),
    metavar="NAME",
    example="uvloop",
    aliases=("asgi_loop",),
)


def new_loop(named: Any) -> "asyncio.AbstractEventLoop":  # Any: as `parse_loop` returned it
    """Make the loop.

    Raises:
        HeelerError: what makes it cannot be imported, or there is none of that name, or it makes something else.

    Process: the worker.
    """
    import asyncio

    factory = _factory(named)
    loop = factory() if callable(factory) else factory
    if not isinstance(loop, asyncio.AbstractEventLoop):
        raise HeelerError(f"loop = {named}: no event loop, but {loop!r}")
    return loop


def _factory(named: Any) -> LoopFactory:  # Any: as in `new_loop`
    if callable(named):
        return named  # type: ignore[no-any-return]
    if named == "asyncio":
        return _named("asyncio:new_event_loop")
    if named == "auto":
        has_uvloop = importlib.util.find_spec("uvloop") is not None
        return _named("uvloop:new_event_loop" if has_uvloop else "asyncio:new_event_loop")
    return _named("uvloop:new_event_loop" if named == "uvloop" else named)


def _named(target: str) -> LoopFactory:
    module, _, attribute = target.partition(":")
    try:
        found: LoopFactory = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        hint = ": pip install 'heeler[uvloop]'" if module == "uvloop" else ""
        raise HeelerError(f"loop = {target}: {error}{hint}") from error
    return found
