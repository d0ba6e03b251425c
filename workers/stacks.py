"""What a process is doing: the stacks of its threads, tasks and greenlets, as text of bounded length.

Decides the form, the order and the bounds. It may run in a signal handler, and where a hub or a
loop is blocked: so it takes no lock, reads no file, waits for nothing, and calls no code of the
application's (`isinstance` would, on a lazy object).
"""

import gc
import itertools
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

STACKS_AT_MOST: Final = 40
"""How many different stacks are shown."""
FRAMES_AT_MOST: Final = 40
"""How many frames of each: those of the most recent calls."""
NAMES_AT_MOST: Final = 3
"""How many of those that share a stack are named."""
LOOKED_AT_MOST: Final = 5000
"""How many tasks and greenlets are looked at; more are counted."""

Place = tuple[types.CodeType, int | None]
"""The code that runs, and the line it is at."""


class Stack(NamedTuple):
    """What one of them is doing."""

    kind: str
    name: str
    places: tuple[Place, ...]
    """The most recent call first."""


def all_stacks(here: types.FrameType | None = None) -> str:
    """Return the stack of every thread, asyncio task and greenlet; those with the same stack stand together.

    Args:
        here: where the calling thread was, if that is not the caller: a signal handler says what it has interrupted.

    Blocking: never; it takes some 10 ms for each 100,000 objects where asyncio or greenlet is in use.
    """
    objects, left_out = _tasks_and_greenlets()
    groups: dict[tuple[str, tuple[Place, ...]], list[str]] = {}
    for stack in itertools.chain(_threads(here), objects):
        groups.setdefault((stack.kind, stack.places), []).append(stack.name)
    shown = itertools.islice(groups.items(), STACKS_AT_MOST)
    parts = [_text(kind, names, places) for (kind, places), names in shown]
    left_out += sum(map(len, itertools.islice(groups.values(), STACKS_AT_MOST, None)))
    if left_out:
        parts.append(f"and {left_out} more\n")
    return "\n".join(parts)


def stack_of(task: object) -> str:
    """Return the stack of an asyncio task; empty where it is none, or has ended."""
    coroutine = task.get_coro() if hasattr(task, "get_coro") else None
    places = _of_coroutine(coroutine)
    return _text("Task", [_name(task)], places) if places else ""


def _threads(here: types.FrameType | None) -> list[Stack]:
    """Return those of the threads, the calling one first."""
    own = sys._getframe(1)  # noqa: SLF001 - the public way to frames
    known = dict(threading._active)  # type: ignore[attr-defined]  # noqa: SLF001 - enumerate() takes a lock
    found: list[Stack] = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the public way to threads' frames
        is_own = _is_within(own, frame)
        name = f"{ident:#018x}"
        if ident in known:
            name += f" {known[ident].name!a}"
        stack = Stack("Current thread" if is_own else "Thread", name, _of_frame(here or own if is_own else frame))
        found.insert(0 if is_own else len(found), stack)
    return found


def _is_within(wanted: types.FrameType, innermost: types.FrameType) -> bool:
    """Whether `wanted` is one of the last frames of a thread."""
    at: types.FrameType | None = innermost
    for _ in range(4):
        if at is wanted:
            return True
        at = at.f_back if at is not None else None
    return False


def _tasks_and_greenlets() -> tuple[list[Stack], int]:
    """Return those that have begun and have not ended, and how many more there are."""
    task, greenlet = _kind("asyncio", "Task"), _kind("greenlet", "greenlet")
    kinds = tuple(kind for kind in (task, greenlet) if kind is not None)
    if not kinds:
        return [], 0
    living = _objects_of(kinds)
    found: list[Stack] = []
    looked_at = left_out = 0
    for each in living:
        is_task = task is not None and issubclass(type(each), task)
        if each.done() if is_task else each.gr_frame is None:  # it has ended, not begun, or is what its thread runs
            continue
        looked_at += 1
        if looked_at > LOOKED_AT_MOST:
            left_out += 1
        elif is_task:
            found.append(Stack("Task", _name(each), _of_coroutine(each.get_coro())))
        else:
            found.append(Stack("Greenlet", _name(each), _of_frame(each.gr_frame)))
    return found, left_out


def _objects_of(kinds: tuple[type[Any], ...]) -> list[Any]:
    """Return all objects of these classes, in one piece of C code: no other thread has a turn before all is dropped.

    Else one that is making a tuple of unknown length would find that somebody else holds it, and
    fail (CPython issue 59313). By `type`: `isinstance` asks lazy objects what they are, and so has
    them do their work.
    """
    objects, looked_at = itertools.tee(itertools.chain.from_iterable(map(gc.get_objects, (None,))))
    return list(itertools.compress(objects, map(issubclass, map(type, looked_at), itertools.repeat(kinds))))


def _kind(module: str, name: str) -> type[Any] | None:
    """Return a class of a module that somebody has imported."""
    return getattr(sys.modules.get(module), name, None)


def _name(each: Any) -> str:  # Any: a task or a greenlet, or one of another loop's
    if hasattr(each, "get_name"):
        return ascii(each.get_name())
    return f"{type(each).__name__} {id(each):#x}"


def _of_frame(frame: types.FrameType | None) -> tuple[Place, ...]:
    places = []
    while frame is not None:
        places.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(places)


def _of_coroutine(coroutine: object) -> tuple[Place, ...]:
    """Return where it waits, and where those do that wait for that; it ends at what is not Python's own."""
    return tuple((frame.f_code, frame.f_lineno) for frame in _awaited(coroutine))[::-1]


def _awaited(coroutine: object) -> Iterator[types.FrameType]:
    while True:
        match coroutine:
            case types.CoroutineType():
                frame, coroutine = coroutine.cr_frame, coroutine.cr_await
            case types.GeneratorType():
                frame, coroutine = coroutine.gi_frame, coroutine.gi_yieldfrom
            case types.AsyncGeneratorType():
                frame, coroutine = coroutine.ag_frame, coroutine.ag_await
            case _:
                return
        if frame is None:
            return
        yield frame


def _text(kind: str, names: list[str], places: tuple[Place, ...]) -> str:
    title = f"{kind} {names[0]}"
    if len(names) > 1:
        others = len(names) - NAMES_AT_MOST
        title = f"{len(names)} of {kind} {', '.join(names[:NAMES_AT_MOST])}"
        title += f" and {others} more" if others > 0 else ""
    return "".join([f"{title} (most recent call first):\n", *_lines(places)])


def _lines(places: tuple[Place, ...]) -> Iterable[str]:
    for code, line in places[:FRAMES_AT_MOST]:
        yield f'  File "{code.co_filename}", line {line} in {code.co_name}\n'
    if len(places) > FRAMES_AT_MOST:
        yield f"  and {len(places) - FRAMES_AT_MOST} calls before\n"
