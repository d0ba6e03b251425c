"""Each signal to the arbiter, in each state of the server, in each worker class: all pairs, against one model."""

import itertools
import signal
from typing import Final

import pytest

from support import held, processes
from support.scene import Scene
from support.server import WORKER_CLASSES
from support.signal_model import DEADLY, ENDING, LASTING, Kind, State, change, end

pytestmark = pytest.mark.slow

_SERVERS: Final = list(itertools.product(WORKER_CLASSES, State))
_ENDS: Final = list(itertools.product(WORKER_CLASSES, State, ENDING))


def _name(value: object) -> str:
    return str(value.value) if isinstance(value, State) else value.name if isinstance(value, Kind) else str(value)


def test_the_matrix_is_whole() -> None:
    """12 signals in 6 states of 5 worker classes: each either ends a server, in a test, or is one of those it lasts."""
    cells = {*_ENDS, *((*server, kind) for server in _SERVERS for kind in LASTING)}
    assert cells == set(itertools.product(WORKER_CLASSES, State, Kind))
    assert len(cells) == 12 * 6 * 5


@pytest.mark.parametrize(("worker_class", "state", "kind"), _ENDS, ids=_name)
def test_what_ends_a_server(worker_class: str, state: State, kind: Kind) -> None:
    """It ends as the model says: with that status, nobody and nothing left, and all answered, or counted."""
    expected = end(state, kind)
    with Scene(worker_class, state) as scene:
        if expected.answers and state not in (State.IDLE, State.DRAINING):
            scene.ask()
        if state is State.DRAINING:
            # Not a wait for anything in the server: the same TERM within a quarter of a second is one wish.
            assert processes.wait_ended([scene.pid], 0.3) == [scene.pid]
        scene.send(kind.value)
        if kind in DEADLY:
            scene.await_end(expected.status)
        elif expected.answers:
            scene.server.wait_for_log("stopping how=graceful")
        if expected.answers:
            scene.answer()
        else:
            scene.see_it_cut()
        if expected.is_survived:
            scene.server.wait_for_log("taken over")
            _see_it_serve_and_end(scene)
        else:
            scene.see_all_gone(expected.status, expected.leaves)


@pytest.mark.parametrize(("worker_class", "state"), _SERVERS, ids=_name)
def test_what_a_server_lasts(worker_class: str, state: State, subtests: pytest.Subtests) -> None:
    """One signal after another changes what the model says, and nothing else; then the server gets on."""
    with Scene(worker_class, state) as scene:
        for kind in LASTING:
            with subtests.test(signal=kind.name):
                _apply(scene, kind)
        if state is State.DRAINING:
            scene.answer()
            scene.see_all_gone(0)
        else:
            _see_it_serve_and_end(scene)


def _apply(scene: Scene, kind: Kind) -> None:
    """Send the signal, and see what it changes."""
    state = scene.state
    expected = change(state, kind)
    start = scene.server.log_size()
    if kind is Kind.STOP:
        held.freeze(scene.pid)
        scene.check()
        scene.send(signal.SIGCONT)
    else:
        scene.send(kind.value)
    for _ in range(expected.begun):
        scene.await_import()
    scene.bury_imports(expected.ended)
    scene.server.wait_for_log(expected.says, start=start)
    if expected.succeeds:
        scene.successor = scene.find_successor(start)
        scene.answer()
        scene.succeed()
    elif expected.renews:
        scene.answer()
        scene.server.wait_for_log("reload done", start=start)
    if expected.renews and state is State.BUSY:
        scene.hold()
    scene.workers += expected.workers
    scene.settle()
    if not expected.says:
        assert scene.said(start) == ""
    scene.check()


def _see_it_serve_and_end(scene: Scene) -> None:
    """Let the state pass, see that the server serves, and stop it."""
    start = scene.server.log_size()
    scene.go_on()
    if scene.state is State.BOOTING:
        scene.server.wait_for_ready()
    scene.answer()
    if scene.state is State.RELOADING:
        scene.server.wait_for_log("reload done", start=start)
    elif scene.successor:
        scene.succeed()
    assert scene.is_answered_at_once()
    scene.send(signal.SIGTERM)
    scene.see_all_gone(0)
