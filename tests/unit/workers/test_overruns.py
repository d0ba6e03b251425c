"""What is told of requests that take too long: how often, and by whom."""

import logging
import threading
import types
from typing import Any

import pytest

from heeler.workers.overruns import HOOKS_AT_MOST, STACKS_EVERY_S, Overruns
from heeler.workers.scoreboard import OVERRUNS, PAGE_WORDS
from support.asgi_fakes import GET, parse


class FakeWorker:
    """A worker with a hook."""

    def __init__(self, hook: Any = None) -> None:  # Any: it takes what the hook takes
        self.config = types.SimpleNamespace(on_request_timeout=hook)
        self.words = [0] * PAGE_WORDS
        self.boot = types.SimpleNamespace(logs=types.SimpleNamespace(error=logging.getLogger("heeler.error")))
        self.log = logging.getLogger("heeler.worker")
        self.slot = 1

    def call_hook(self, name: str, *arguments: object) -> None:
        """Call it."""
        getattr(self.config, name)(*arguments)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the phrases that were logged."""
    return [getattr(record, "phrase", "") for record in caplog.records]


def test_all_stacks_are_written_now_and_then(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The first request that overruns has them, those of the next seconds do not, and all are counted and named."""
    worker: Any = FakeWorker()
    now = 1000.0
    clock = types.SimpleNamespace(monotonic=lambda: now, monotonic_ns=lambda: int(now * 1e9))
    monkeypatch.setattr("heeler.workers.overruns.time", clock)
    telling = Overruns(worker)
    texts = []
    for moment in (now, now + 1, now + STACKS_EVERY_S):
        now = moment
        texts.append(telling.stacks())
        telling.begin(parse(GET), 0, texts[-1])
    assert [bool(text) for text in texts] == [True, False, True]
    assert told(caplog) == ["request overran"] * 3
    assert [bool(getattr(record, "block", "")) for record in caplog.records] == [True, False, True]
    assert worker.words[OVERRUNS] == 3


def test_hook_gets_the_last_stacks_in_a_thread_of_its_own() -> None:
    """Also where they were written a moment ago."""
    calls: list[tuple[object, ...]] = []
    done = threading.Semaphore(0)

    def hook(*arguments: object) -> None:
        calls.append((*arguments, threading.get_ident()))
        done.release()

    worker: Any = FakeWorker(hook)
    telling, request = Overruns(worker), parse(GET)
    for _ in range(2):
        telling.begin(request, 0, telling.stacks())
        assert done.acquire(timeout=10)
    for found_worker, found_request, text, thread in calls:
        assert found_worker is worker
        assert found_request is request
        assert "test_hook_gets_the_last_stacks" in str(text)
        assert thread != threading.get_ident()


def test_hook_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """It does not bring up more and more threads, and is called again once some have ended."""
    begun, go = threading.Semaphore(0), threading.Event()

    def hook(*_: object) -> None:
        begun.release()
        go.wait()

    worker: Any = FakeWorker(hook)
    telling = Overruns(worker)
    for _ in range(HOOKS_AT_MOST + 2):
        telling.begin(parse(GET), 0, "")
    for _ in range(HOOKS_AT_MOST):
        assert begun.acquire(timeout=10)
    assert not begun.acquire(blocking=False)
    assert told(caplog).count("hook left out") == 2
    go.set()
    while telling._calls:
        assert not begun.acquire(timeout=0.01)
    telling.begin(parse(GET), 0, "")
    assert begun.acquire(timeout=10)
