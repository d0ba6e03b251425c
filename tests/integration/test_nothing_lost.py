"""The loss counter: whatever happens to a server, every request is answered, but those that a killed worker was in."""

import signal

import pytest

from heeler.workers.accepting import ACCEPT_BURST
from loadbench.environment import APPS
from loadbench.happenings import CONFIG, HAPPENINGS, Scene, happen, running, wait_stopped
from loadbench.loss_rows import DISPATCHES
from loadbench.steady_load import Kind, SteadyLoad
from support import processes
from support.held import Crowd, statuses
from support.server import WORKER_CLASSES, Server

pytestmark = pytest.mark.slow

# So many that there is room while one is away: about four requests run at once.
WORDS = {
    "sync": ("-w", "6", "boots_slowly:app"),
    "thread": ("-w", "2", "--threads", "6", "boots_slowly:app"),
    "gevent": ("-w", "2", "boots_slowly:app"),
    "eventlet": ("-w", "2", "boots_slowly:app"),
    "asyncio": ("-w", "2", "boots_slowly:asgi_app"),
}
ENV = {"PYTHONPATH": str(APPS), "BOOT_MS": "300", "NOTES": "notes"}
QUEUE = 2000


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_nothing_is_lost(worker_class: str, dispatch: str) -> None:
    """Reloads, fewer workers and more, ends and recycling of workers, another arbiter; of a killed one, what it ran."""
    count_losses(worker_class, "--dispatch", dispatch)


@pytest.mark.parametrize(("worker_class", "dispatch"), [("thread", "kernel"), ("asyncio", "request")])
def test_nothing_is_lost_where_workers_come_from_a_mold(worker_class: str, dispatch: str) -> None:
    """The same; a new arbiter has a mold of its own."""
    count_losses(worker_class, "--dispatch", dispatch, "--preload")


def count_losses(worker_class: str, *options: str) -> None:
    """Have all things happen to a server under load."""
    words = WORDS[worker_class]
    args = ("-k", worker_class, *options, *words)
    with Server(None, *args, env=ENV, files={CONFIG: "\n"}) as server:
        server.wait_for_log("worker ready", int(words[1]))
        with SteadyLoad(server.address) as load:
            scene = Scene(server, load, calm=20)
            for happening in HAPPENINGS:
                span = happen(happening, scene)
                counts = f"{len(span.new_s)} on new connections, {len(span.kept_s)} on kept ones"
                print(f"{happening.name}: {counts}, {[round(ms) for ms in span.new_ms()]} ms, {span.killed} killed")
                assert span.lost == [], happening.name
                # Those that drain linger two seconds, twenty times as long as these clients are silent, unless held up.
                assert not span.unsaid or span.late_s > 1, happening.name
                assert span.new_s and span.kept_s
        scene.end()
        had = frozenset().union(*scene.killed.values())
        assert [loss for loss in load.losses if loss.port not in had] == []
        # Of what the dead had, new connections were running but for those that they had accepted a moment before.
        ran = {path for pid in scene.killed for path in running(server.directory / "notes", pid)}
        not_run = [loss for loss in load.losses if loss.kind is Kind.NEW and loss.path not in ran]
        assert len(not_run) <= ACCEPT_BURST


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_stop_answers_all_that_wait_to_be_accepted(worker_class: str, dispatch: str) -> None:
    """TERM with two thousand connections in the accept queue, or as many as the kernel lets in."""
    with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
        queue = min(QUEUE, int(file.read()))
    args = ("-k", worker_class, "--dispatch", dispatch, "--backlog", str(queue), "-w", "2")
    with Server("hello:app", *args) as server, Crowd(server) as crowd:
        server.wait_for_log("worker ready", 2)
        asleep = [*server.worker_pids(), *server.listener_pids()]
        for pid in asleep:
            processes.kill(pid, signal.SIGSTOP)
            wait_stopped(pid)
        clients = crowd.ask(count=queue)
        print(f"{queue} connections wait; net.core.somaxconn lets in no more than that, or {QUEUE} are wanted")
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        for pid in asleep:
            processes.kill(pid, signal.SIGCONT)
        assert set(statuses(clients)) == {200}
        assert server.wait() == 0
