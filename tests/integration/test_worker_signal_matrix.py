"""Each signal to a worker, in each of its states, in each worker class: all pairs, against one model."""

import itertools
import os
import signal

import pytest

from support import held, processes
from support.scene import END_S, Scene
from support.server import WORKER_CLASSES
from support.signal_model import ENDING, LASTING, Kind, State, WorkerState, worker_end, worker_says

pytestmark = pytest.mark.slow


def _name(value: object) -> str:
    return str(value.value) if isinstance(value, WorkerState) else str(value)


@pytest.mark.parametrize(("worker_class", "state"), list(itertools.product(WORKER_CLASSES, WorkerState)), ids=_name)
def test_signals_to_a_worker(worker_class: str, state: WorkerState, subtests: pytest.Subtests) -> None:
    """It lasts what is not for it; what ends it costs at most its own request, and the server has another."""
    assert {*LASTING, *ENDING} == {*Kind}
    with Scene(worker_class, State.IDLE, "--log-level", "debug") as scene:
        if state is WorkerState.BOOTING:
            scene.have_imports_wait()
        pid = _bring(scene, state)
        for kind in LASTING:
            with subtests.test(signal=kind.name):
                _see_it_last(scene, worker_says(state, kind), pid, kind)
        for kind in ENDING:
            with subtests.test(signal=kind.name):
                _see_it_end(scene, state, pid, kind)
            if kind is not ENDING[-1]:
                pid = _bring(scene, state)
        start = scene.server.log_size()
        scene.go_on()
        scene.answer()
        if state is WorkerState.BOOTING:
            scene.server.wait_for_log("reload done", start=start)
        assert scene.is_answered_at_once()
        scene.send(signal.SIGTERM)
        scene.see_all_gone(0)


def _bring(scene: Scene, state: WorkerState) -> int:
    """Return the process id of a worker in that state."""
    match state:
        case WorkerState.BOOTING:
            scene.send(signal.SIGHUP)
            pid = scene.await_import()
            scene.bury_imports(len(scene.imports) - 1)  # that of the reload before is superseded
            return pid
        case WorkerState.IDLE:
            scene.wait_for_rest()  # one that is killed before it has noted that it has answered is said to lose that
            (pid,) = scene.server.worker_pids()
            return pid
        case WorkerState.BUSY:
            return scene.hold()
        case WorkerState.DRAINING:
            pid = scene.hold()
            os.kill(pid, signal.SIGTERM)
            return pid


def _see_it_last(scene: Scene, says: str, pid: int, kind: Kind) -> None:
    """Send a signal that ends no worker, and see what it does."""
    start = scene.server.log_size()
    if kind is Kind.STOP:
        held.freeze(pid)
        os.kill(pid, signal.SIGCONT)
    else:
        os.kill(pid, kind.value)
    scene.server.wait_for_log(says, start=start)
    assert processes.is_alive(pid)
    scene.check_held()
    if scene.is_held:
        scene.ask()
    else:
        assert scene.is_answered_at_once()


def _see_it_end(scene: Scene, state: WorkerState, pid: int, kind: Kind) -> None:
    """Send a signal that ends a worker, and see how, and that there is another."""
    expected = worker_end(state, kind)
    start = scene.server.log_size()
    os.kill(pid, kind.value)
    if expected.answers:
        scene.answer()
    else:
        scene.see_it_cut(start)
    assert processes.wait_ended([pid], END_S) == []
    if state is WorkerState.BOOTING:
        scene.bury_imports(1)
        scene.server.wait_for_log("worker died in its boot", start=start)
        scene.server.wait_for_log(f'pid={pid} how="{expected.how}"\n', start=start)
        scene.await_import()  # it is tried again
    else:
        scene.server.wait_for_log(f'pid={pid} how="{expected.how}" cut={int(not expected.answers)}\n', start=start)
        scene.server.wait_for_log("worker ready", start=start)
    assert scene.is_answered_at_once()
