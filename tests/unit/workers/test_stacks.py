"""All stacks of a process as text: of bounded length, and without running anything of the application's."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import greenlet
import pytest
from typing_extensions import override

from heeler.workers import stacks
from heeler.workers.stacks import FRAMES_AT_MOST, STACKS_AT_MOST, all_stacks, stack_of


class Held:
    """A thread that waits, deep in calls of its own, for as long as the block lasts."""

    def __init__(self, name: str, depth: int = 0) -> None:
        self._is_there, self._go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._descend, args=(depth,), name=name)

    def _descend(self, depth: int) -> None:
        if depth:
            self._descend(depth - 1)
            return
        self._is_there.set()
        self._go.wait()

    def __enter__(self) -> None:
        self._thread.start()
        self._is_there.wait()

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._thread.join()


def part(text: str, title: str) -> str:
    """Return the stack whose title has that in it."""
    (found,) = (each for each in text.split("\n\n") if title in each.partition("\n")[0])
    return found


def test_threads() -> None:
    """Each by its name, the calling one first, and the last call of each first."""
    with Held("held\nup"):
        text = all_stacks()
    assert text.startswith("Current thread 0x")
    current = part(text, "Current thread")
    assert f'File "{__file__}"' in current
    assert "in test_threads" in current
    held = part(text, r"'held\nup' (most recent call first):").splitlines()
    assert held[1].endswith(" in wait")
    assert "in _descend" in "\n".join(held)


def test_where_a_signal_handler_was_called() -> None:
    """The frame that was interrupted stands for the thread, without the handler's own."""
    here = sys._getframe()

    def handler() -> str:
        return all_stacks(here)

    current = part(handler(), "Current thread")
    assert current.splitlines()[1].endswith("in test_where_a_signal_handler_was_called")
    assert "in handler" not in current


def test_deep_stacks_are_cut() -> None:
    """The calls of long ago are counted."""
    with Held("deep", 200):
        deep = part(all_stacks(), "'deep'").splitlines()
    assert len(deep) == FRAMES_AT_MOST + 2
    assert deep[-1].startswith("  and ")
    assert deep[-1].endswith(" calls before")


async def sleeper(seconds: float) -> None:
    """Wait in a coroutine within a coroutine."""
    await asyncio.sleep(seconds)


async def generated() -> AsyncIterator[int]:
    """Wait in an asynchronous generator."""
    yield 1
    await sleeper(60)
    yield 2


async def consume() -> None:
    """Wait for one."""
    async for _ in generated():
        pass


def test_tasks() -> None:
    """Each by its name, with what it awaits; those with the same stack stand together; those that are done do not."""

    async def look() -> str:
        tasks = [asyncio.create_task(sleeper(60), name=f"sleeper-{number}") for number in range(10)]
        tasks.append(asyncio.create_task(consume(), name="consumer"))
        done = asyncio.create_task(asyncio.sleep(0), name="done")
        await done
        await asyncio.sleep(0)
        text = all_stacks() + "\nONE " + stack_of(tasks[0])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return text

    text = asyncio.run(look())
    sleepers = part(text, "10 of Task 'sleeper-").splitlines()
    assert "and 7 more" in sleepers[0]
    assert [line.rpartition(" ")[2] for line in sleepers[1:]] == ["sleep", "sleeper"]
    assert "in consume" in part(text, "Task 'consumer'")
    assert "'done'" not in text
    assert part(text, "ONE Task 'sleeper-0'").endswith("in sleeper\n")


def test_greenlets() -> None:
    """Those that wait, also in what a greenlet calls; not those that have not begun, or are over."""

    def wait() -> None:
        greenlet.getcurrent().parent.switch()

    def run() -> None:
        wait()

    def over() -> None:
        pass

    waiting, fresh, ended = greenlet.greenlet(run), greenlet.greenlet(run), greenlet.greenlet(over)
    waiting.switch()
    ended.switch()
    text = all_stacks()
    found = part(text, f"Greenlet greenlet {id(waiting):#x}").splitlines()
    assert [line.rpartition(" ")[2] for line in found[1:]] == ["wait", "run"]
    assert f"{id(fresh):#x}" not in text
    assert f"{id(ended):#x}" not in text
    waiting.switch()


def test_many_stacks_are_counted() -> None:
    """However many there are, so many are shown; the rest is counted, and beyond a number not even looked at."""

    def made(number: int) -> Any:  # Any: a greenlet of code that no other has
        names: dict[str, Any] = {"switch": greenlet.getcurrent().switch}
        exec(f"def run_{number}():\n switch()\n", names)
        found = greenlet.greenlet(names[f"run_{number}"])
        found.switch()
        return found

    waiting = [made(number) for number in range(STACKS_AT_MOST + 10)]
    text = all_stacks()
    assert text.count("most recent call first") == STACKS_AT_MOST
    said = text.rpartition("\n\n")[2] if "\n\nand " in text else text[text.rindex("\nand ") + 1 :]
    assert int(said.split()[1]) >= 10
    for each in waiting:
        each.switch()


def test_more_than_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a great many, the first are looked at."""
    monkeypatch.setattr(stacks, "LOOKED_AT_MOST", 3)

    def run() -> None:
        greenlet.getcurrent().parent.switch()

    waiting = [greenlet.greenlet(run) for _ in range(9)]
    for each in waiting:
        each.switch()
    text = all_stacks()
    assert "3 of Greenlet" in text
    assert "\nand 6 more\n" in text
    for each in waiting:
        each.switch()


class Lazy:
    """An object that does its work when it is asked what it is, as frameworks have them."""

    asked = 0

    @property  # type: ignore[misc]
    @override
    def __class__(self) -> Any:
        type(self).asked += 1
        raise RuntimeError("outside of a request")


def test_nothing_of_the_application_runs() -> None:
    """Lazy objects among all objects are left alone."""
    lazy = [Lazy()]
    assert "Current thread" in all_stacks()
    assert type(lazy[0]).asked == 0


def test_generators_that_wait_for_each_other() -> None:
    """Coroutines of old are generators; what is none of Python's own ends the chain."""

    def inner() -> Iterator[int]:
        yield 1

    def outer() -> Iterator[int]:
        yield from inner()

    running = outer()
    next(running)

    class Task:
        def get_coro(self) -> object:
            return running

        def get_name(self) -> str:
            return "of old"

    text = stack_of(Task())
    assert [line.rpartition(" ")[2] for line in text.splitlines()[1:]] == ["inner", "outer"]
    assert stack_of(object()) == ""
