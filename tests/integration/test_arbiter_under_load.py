"""Nothing is lost while workers come and go."""

import signal

import pytest

from support.load import Load
from support.server import Server, heeler


@pytest.mark.slow
@pytest.mark.alone
def test_a_reload_under_load_loses_nothing_and_stalls_nobody() -> None:
    """HUP again and again under 16 kept connections and 100 new ones a second: all are answered within 100 ms."""
    with Server("hello:app", "-w", "4") as server:
        server.wait_for_log("worker ready", 4)
        longest_s: list[float] = []
        generation = 1
        # The quietest of three rounds: a stall of ours comes in each, one of a busy machine does not.
        while len(longest_s) < 3 and min(longest_s, default=1.0) >= 0.1:
            with Load(server) as load:
                while len(load.new_s) < 200:
                    generation += 1
                    server.signal(signal.SIGHUP)
                    server.wait_for_log(f"reload done generation={generation}")
            assert load.lost == []
            assert len(load.kept_s) > 200
            longest_s.append(load.longest_s())
        assert generation >= 3
        assert min(longest_s) < 0.1, longest_s


_APP = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"ok"]\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("app.py", "def app(:\n", "SyntaxError"),
        ("heeler.conf.py", "workers = \n", "heeler.conf.py"),
        ("heeler.conf.py", "workers = 'many'\n", "workers = 'many' (heeler.conf.py:1)"),
    ],
    ids=["application", "config file", "setting"],
)
def test_a_reload_that_fails_under_load_loses_nothing(path: str, text: str, says: str) -> None:
    """HUP with something broken under load: every request is answered, the log says why, and status shows it."""
    files = {"app.py": _APP, "heeler.conf.py": "workers = 2\n"}
    with Server("app:app", files=files, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        before = server.worker_pids()
        with Load(server) as load:
            server.write(path, text)
            server.signal(signal.SIGHUP)
            server.wait_for_log("reload failed generation=2")
            load.go_on(200)
        assert load.lost == []
        assert says in server.log()
        assert "reload failed" in heeler("status", "--pid", str(server.pid)).stdout
        assert set(before) <= set(server.worker_pids())


@pytest.mark.slow
def test_recycling_under_load_loses_nothing() -> None:
    """Workers that retire after 20 requests: their clients do not notice."""
    with Server("hello:app", "-w", "2", "--max-requests", "20") as server:
        with Load(server, keeping=4) as load:
            server.wait_for_log("worker retires", 8, timeout_s=30)
        assert load.lost == []


def test_nothing_is_lost_when_workers_are_added_and_taken_away() -> None:
    """TTIN and TTOU under load."""
    with Server("hello:app", "-w", "1") as server, Load(server, keeping=4) as load:
        for count in (2, 3):
            server.signal(signal.SIGTTIN)
            server.wait_for_log("worker ready", count)
            load.go_on(50)
        for count in (1, 2):
            server.signal(signal.SIGTTOU)
            server.wait_for_log("worker exited", count)
            load.go_on(50)
        assert load.lost == []
