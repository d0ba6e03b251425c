"""The number of workers follows the load, and what people say."""

import json
import re
import signal

import pytest

from heeler.plugins.exit_status import ExitStatus
from loadbench.environment import APPS
from loadbench.steady_load import SteadyLoad
from support.held import FILES, Crowd, Gate, statuses
from support.reexec import Line
from support.server import Finished, Server, heeler

UP_AND_DOWN = """
workers_min = 2
workers_max = 4

def scaler(history):
    "Two and four workers in turns."
    steady = [seen for seen in history[-3:] if seen.workers == history[-1].workers == seen.ready]
    return history[-1].workers if len(steady) < 3 else 6 - history[-1].workers
"""

QUICK = """
import functools
from heeler.plugins.scalers import busy
workers_min = 1
workers_max = 3
scaler = functools.partial(busy, down_s=0.5, queue_s=0.5)
"""

NEVER = """
workers_min = 1
workers_max = 4

def scaler(history):
    return history[-1].workers
"""

FAILS = """
import sys
workers_min = 1
workers_max = 4

def scaler(history):
    print("asked", file=sys.stderr, flush=True)
    raise LookupError("no idea")
"""


def scale(server: Server, *args: str) -> Finished:
    """Run `heeler scale` for that server."""
    return heeler("scale", *args, "--pid", str(server.pid))


def scaling(server: Server) -> tuple[int, str]:
    """Return how many workers are wanted, and who says so."""
    found = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
    return found["workers"], found["scaling"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker_class", "dispatch"),
    [("sync", "request"), ("thread", "reuseport"), ("gevent", "kernel"), ("asyncio", "connection")],
)
def test_nothing_is_lost_up_and_down(worker_class: str, dispatch: str) -> None:
    """Workers come and go all the time, and every request is answered, on new connections and on kept ones."""
    app = "boots_slowly:asgi_app" if worker_class == "asyncio" else "boots_slowly:app"
    args = ("-k", worker_class, "--dispatch", dispatch, "--threads", "4" if worker_class == "thread" else "1")
    env = {"PYTHONPATH": str(APPS), "BOOT_MS": "100", "SERVICE_MS": "5"}
    with Server(app, *args, env=env, files={"heeler.conf.py": UP_AND_DOWN}) as server:
        server.wait_for_log("worker ready", 2)
        with SteadyLoad(server.address) as load:
            load.go_on(50)
            server.wait_for_log("workers changed workers=2 before=4 by=scaler ", 2, timeout_s=60)
            server.wait_for_log("worker exited", 2)
            load.go_on(50)
        assert load.losses == []
        assert "workers changed workers=4 before=2 by=scaler load=" in server.log()


@pytest.mark.slow
def test_busy_follows_the_load() -> None:
    """What waits brings workers, the most there may be at last; once nothing is to be done, they go again."""
    files = {**FILES, "heeler.conf.py": QUICK}
    args = ("--dispatch", "request")  # what waits, waits in the listener, and not in a worker that has accepted it
    with Server("app:app", *args, files=files) as server, Gate(server) as gate, Crowd(server) as crowd:
        clients = crowd.ask("/held", count=5)
        held = [gate.next()]
        server.wait_for_log("workers changed workers=2 before=1 by=partial load=1.00 queue=", timeout_s=60)
        held.append(gate.next())
        server.wait_for_log("workers changed workers=3 before=2 by=partial load=1.00 queue=", timeout_s=60)
        held.append(gate.next())
        assert len({one.pid for one in held}) == 3
        for one in held:
            one.open()
        for _ in range(2):
            gate.next().open()
        assert set(statuses(clients)) == {200}
        server.wait_for_log("workers changed workers=1 before=2 by=partial load=0.00 queue=0", timeout_s=60)
        server.wait_for_log("worker exited", 2)


def test_scaler_that_fails_changes_nothing() -> None:
    """It is logged once, with the traceback, and asked again and again; the number stays, and people may change it."""
    with Server("hello:app", tracebacks=True, files={"heeler.conf.py": FAILS}, env={"PYTHONPATH": str(APPS)}) as server:
        server.wait_for_log("asked", 3)
        assert server.log().count("scaler failed scaler=scaler") == 1
        assert scaling(server) == (1, "on")
        server.signal(signal.SIGTTIN)
        server.wait_for_log("worker ready", 2)
        assert scaling(server) == (2, "by_hand")


def test_people_have_the_last_word() -> None:
    """A number of theirs holds until they give it back, or until a reload; it is kept within the bounds."""
    with Server("hello:app", files={"heeler.conf.py": NEVER}, env={"PYTHONPATH": str(APPS)}) as server:
        server.wait_for_log("worker ready")
        assert scale(server, "3", "--wait") == Finished(ExitStatus.OK, "", "")
        assert len(server.worker_pids()) == 3
        assert scaling(server) == (3, "by_hand")
        assert "workers 3 of 1 to 4 by hand" in heeler("status", "--pid", str(server.pid)).stdout
        server.wait_for_log('workers changed workers=3 before=1 by="heeler scale"')
        assert scale(server, "2", "--wait").status == ExitStatus.OK
        assert len(server.worker_pids()) == 2
        assert scale(server, "auto").status == ExitStatus.OK
        server.wait_for_log("scaler resumes")
        assert scaling(server) == (2, "on")
        refused = scale(server, "5")
        assert refused.status == ExitStatus.USAGE
        assert refused.stderr.endswith(f"WORKERS: 5 is not from 1 to 4, as process {server.pid} may have\n")
        server.signal(signal.SIGTTOU)
        server.wait_for_log("scaler rests", 2)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        assert scaling(server) == (1, "on")


def test_a_reload_to_more_than_there_is_room_for_is_refused() -> None:
    """The scoreboard is as large as it was made: at its end no worker could be replaced, and no reload would come."""
    with Server("hello:app", files={"heeler.conf.py": NEVER}, env={"PYTHONPATH": str(APPS)}) as server:
        server.write("heeler.conf.py", NEVER.replace("workers_max = 4", "workers_max = 60"))
        refused = heeler("reload", "--wait", "--pid", str(server.pid))
        assert refused.status == ExitStatus.ROLLED_BACK
        assert "too many with their replacements for the 64 pages of the scoreboard; USR2 makes" in refused.stderr
        server.write("heeler.conf.py", NEVER.replace("workers_max = 4", "workers_max = 40"))
        assert heeler("reload", "--wait", "--pid", str(server.pid)).status == ExitStatus.OK


def test_another_arbiter_goes_on_with_the_number() -> None:
    """After `USR2` there are as many workers as before, since the load is what it was; its scaler decides anew."""
    with (
        Server("hello:app", files={"heeler.conf.py": NEVER}, env={"PYTHONPATH": str(APPS)}) as server,
        Line(server) as line,
    ):
        assert scale(server, "3", "--wait").status == ExitStatus.OK
        pid = line.replace()
        found = json.loads(heeler("status", "--json", "--pid", str(pid)).stdout)
        assert (found["workers"], found["scaling"]) == (3, "on")
        assert [child["state"] for child in found["children"]] == ["ready"] * 3
        assert re.findall(r"serving url=\S+ workers=(\d)", server.log()) == ["1", "3"]


def test_number_without_a_scaler() -> None:
    """It may be chosen all the same; there is nobody to give it back to."""
    with Server("hello:app", env={"PYTHONPATH": str(APPS)}) as server:
        assert scale(server, "2", "--wait").status == ExitStatus.OK
        assert scaling(server) == (2, "off")
        refused = scale(server, "auto")
        assert refused == Finished(
            ExitStatus.INTERNAL,
            "",
            f"heeler: error: process {server.pid} has no scaler: it wants workers_min or workers_max\n",
        )
        assert scale(server, "33").status == ExitStatus.USAGE


def test_workers_that_do_not_come_are_not_waited_for() -> None:
    """`--wait` ends with 3 when the time is over, and says how many are there."""
    code = "import time, os\nif os.path.exists('slow'):\n    time.sleep(60)\nfrom hello import app\n"
    with Server("app:app", files={"app.py": code}, env={"PYTHONPATH": str(APPS)}) as server:
        server.write("slow", "")
        vain = scale(server, "2", "--wait", "--timeout", "0.2")
        assert vain.status == ExitStatus.BOOT
        assert vain.stderr == "heeler: error: after 0.2 s 1 of 2 workers serve, and 1 others are there\n"


def test_arbiter_that_does_not_answer() -> None:
    """One that is stopped is not waited for; the wish is obeyed when it goes on."""
    with Server("hello:app", env={"PYTHONPATH": str(APPS)}) as server:
        server.signal(signal.SIGSTOP)
        refused = scale(server, "2", "--timeout", "0.2")
        assert refused.status == ExitStatus.INTERNAL
        assert "does not answer" in refused.stderr
        server.signal(signal.SIGCONT)
        server.wait_for_log("worker ready", 2)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["0"], "argument WORKERS: '0' is neither an integer >= 1 nor `auto`"),
        (["many"], "argument WORKERS: 'many' is neither an integer >= 1 nor `auto`"),
        ([], "the following arguments are required: workers"),
        (["auto", "--wait"], "argument --wait: the scaler has no number yet to wait for"),
    ],
)
def test_what_makes_no_sense_is_refused(args: list[str], message: str) -> None:
    """In one line, before any process is looked for."""
    assert heeler("scale", *args) == Finished(ExitStatus.USAGE, "", f"heeler: error: {message}\n")
