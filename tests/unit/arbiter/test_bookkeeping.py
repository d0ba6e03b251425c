"""The small tables of the arbiter: passed descriptors, pid files, pages of the scoreboard, heartbeats."""

import os
import pathlib
from types import SimpleNamespace
from typing import Any

import pytest

from heeler.arbiter import events, listen_fds
from heeler.arbiter.children import TRANSITIONS, Children, Life
from heeler.arbiter.heartbeats import SECOND_LOOK_S, Heartbeats
from heeler.arbiter.herd import Member
from heeler.arbiter.memory_watch import LOOK_S, MemoryWatch
from heeler.arbiter.pidfile import PidFile, read_pid
from heeler.arbiter.pool import BACKOFF_LIMIT_S, backoff_s
from heeler.arbiter.post_mortem import Cut, entry_of
from heeler.arbiter.rows import Rows, longest
from heeler.plugins.errors import ConfigError
from heeler.workers import messages
from heeler.workers.access_entry import LOST
from heeler.workers.access_log import compiled
from heeler.workers.scoreboard import InFlight, State

_ANY: Any = None
_SPAWN = events.Spawn(age=7, role="worker", slot=3, generation=2, deadline=12.5)


def test_passed_descriptors_are_taken_once() -> None:
    """They count from 3, and no child sees the variables."""
    environ = {"LISTEN_PID": "41", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "PATH": "/bin"}
    assert listen_fds.take(environ, 41) == [(3, "a"), (4, "b")]
    assert environ == {"PATH": "/bin"}
    assert listen_fds.take(environ, 41) == []


@pytest.mark.parametrize(("count", "names"), [("2", "web"), ("1", "a:b"), ("1", "")])
def test_names_that_cannot_be_told_apart_are_none(count: str, names: str) -> None:
    """There are more or fewer of them than descriptors."""
    environ = {"LISTEN_PID": "41", "LISTEN_FDS": count, "LISTEN_FDNAMES": names}
    assert listen_fds.take(environ, 41) == [(3 + index, "") for index in range(int(count))]


@pytest.mark.parametrize("count", ["", "-1", "x", "\u00b2"])
def test_a_count_that_is_no_number_is_none(count: str) -> None:
    """Nothing is taken."""
    assert listen_fds.take({"LISTEN_PID": "41", "LISTEN_FDS": count}, 41) == []


def test_descriptors_for_another_process_are_left_alone() -> None:
    """LISTEN_PID is somebody else: nothing is taken, nothing is removed."""
    environ = {"LISTEN_PID": "41", "LISTEN_FDS": "1"}
    assert listen_fds.take(environ, 42) == []
    assert environ["LISTEN_FDS"] == "1"


def test_a_pid_file_is_removed_by_its_owner_only(tmp_path: pathlib.Path) -> None:
    """A file that another process has written since is not touched."""
    path = tmp_path / "x.pid"
    file = PidFile(str(path))
    file.create()
    assert read_pid(str(path)) == os.getpid()
    path.write_text("1\n")
    file.remove()
    assert path.read_text() == "1\n"


def test_a_pid_file_of_a_living_process_is_refused(tmp_path: pathlib.Path) -> None:
    """The parent of this process is alive and holds it."""
    path = tmp_path / "x.pid"
    path.write_text(f"{os.getppid()}\n")
    with pytest.raises(ConfigError, match="is running"):
        PidFile(str(path)).create()


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "99999999999", "\xff"])
def test_what_is_no_process_id_is_none(tmp_path: pathlib.Path, text: str) -> None:
    """Garbage in a pid file is as good as no pid file."""
    path = tmp_path / "x.pid"
    path.write_bytes(text.encode("latin-1"))
    assert read_pid(str(path)) is None


def test_a_page_says_all_that_is_known_before_the_fork() -> None:
    """Slot, generation and the deadline of the boot stand there before there is a process."""
    rows = Rows(1, pid=1)
    row = rows.take(_SPAWN)
    assert (row.get("slot"), row.get("generation"), row.get("age")) == (3, 2, 7)
    assert row.get("boot_deadline") == 12_500_000_000
    assert State(row.get("state")) is State.BOOTING


def test_the_counts_of_a_child_outlive_it() -> None:
    """A page that is given back is added to the totals, and is empty for the next child."""
    rows = Rows(1, pid=1)
    row = rows.take(_SPAWN)
    row.set("requests", 5)
    rows.give_back(row)
    assert rows.board.totals.get("requests") == 5
    assert rows.take(_SPAWN).get("requests") == 0


def test_a_scoreboard_has_room_for_workers_and_successors() -> None:
    """There are four pages a worker; when all are taken, that is an error like others of the fork."""
    rows = Rows(20, pid=1)
    for _ in range(80):
        rows.take(_SPAWN)
    with pytest.raises(OSError, match="all 80 pages"):
        rows.take(_SPAWN)


_SECOND = 1_000_000_000


def _member(timeout_s: float) -> Member:
    row = Rows(1, pid=1).take(_SPAWN)
    loaded: Any = SimpleNamespace(config=SimpleNamespace(timeout=timeout_s))  # Any: as far as it is looked at
    nothing: Any = None  # Any: not looked at
    return Member(7, 41, "worker", nothing, row, loaded, nothing)


def test_silence_is_told_by_the_last_beat() -> None:
    """A child is silent when its beat is older than `timeout` at two looks; before the first beat it is not."""
    member, heartbeats = _member(30), Heartbeats()
    assert heartbeats.silent([member], 100 * _SECOND) == []
    member.row.set("beat_at", 10 * _SECOND)
    assert heartbeats.silent([member], 40 * _SECOND) == []
    assert heartbeats.deadline([member]) == pytest.approx(40, abs=0.01)
    assert heartbeats.silent([member], 41 * _SECOND) == []
    assert heartbeats.deadline([member]) == pytest.approx(41 + SECOND_LOOK_S, abs=0.01)
    assert heartbeats.silent([member], 42 * _SECOND) == [(member, 32.0)]


def test_one_beat_between_two_looks_clears_a_child() -> None:
    """Whoever was only stopped with all the others needs a turn to say so."""
    member, heartbeats = _member(1), Heartbeats()
    member.row.set("beat_at", 10 * _SECOND)
    assert heartbeats.silent([member], 12 * _SECOND) == []
    member.row.set("beat_at", 12 * _SECOND + 1)
    assert heartbeats.silent([member], 12 * _SECOND + _SECOND // 2) == []
    assert heartbeats.silent([member], 14 * _SECOND) == []


def test_time_that_nobody_had_is_no_silence() -> None:
    """After a pardon the count begins anew, and 0 is never."""
    member, heartbeats = _member(30), Heartbeats()
    member.row.set("beat_at", 10 * _SECOND)
    heartbeats.pardon(100 * _SECOND)
    assert heartbeats.silent([member], 130 * _SECOND) == []
    assert heartbeats.deadline([member]) == pytest.approx(130, abs=0.01)
    assert heartbeats.deadline([_member(0)]) is None


def test_the_entry_of_a_lost_request_says_what_is_known() -> None:
    """Method, path and duration, status 0; an odd text of the scoreboard is no obstacle."""
    line = compiled('%(h)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(M)s')
    assert line(entry_of(InFlight(10.0, "GET /wait"), 11.5, LOST)) == '- "GET /wait HTTP/1.1" 0 0 "-" "-" 1500'
    assert line(entry_of(InFlight(10.0, ""), 11.5, LOST)) == '- "  HTTP/1.1" 0 0 "-" "-" 1500'


def test_the_longest_running_request_is_named() -> None:
    """Of several in flight, the one that began first."""
    row = Rows(1, pid=1).take(_SPAWN)
    assert longest(row) == ""
    row.enter(0, 200, b"GET /new")
    row.enter(1, 100, b"GET /old")
    assert longest(row) == "GET /old"


def test_pauses_double_up_to_a_limit() -> None:
    """Restarts back off exponentially, and no further than the limit."""
    assert [backoff_s(failures) for failures in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert backoff_s(10_000) == BACKOFF_LIMIT_S


def test_children_are_found_by_age_and_slot() -> None:
    """The book finds who is asked for, and nobody who is gone."""
    children = Children()
    first = children.add("worker", 1, 1, None)
    second = children.add("worker", 1, 2, None)
    assert [child.age for child in children] == [1, 2]
    assert children.in_slot("worker", 1) == [first, second]
    children.remove(first)
    assert children.get(1) is None
    assert children.in_slot("worker", 1) == [second]
    assert children.with_role("listener") == []


def test_every_life_has_its_transitions() -> None:
    """No state is left out of the table, and from the last there is no way but to be gone."""
    assert set(TRANSITIONS) == set(Life)
    assert TRANSITIONS[Life.ENDING] == frozenset()


def _weighed(age: int, limit: int | str, kind: str = "rss") -> Member:
    """A worker whose process is this one."""
    config = SimpleNamespace(max_worker_memory=limit, worker_memory_kind=kind)
    loaded: Any = SimpleNamespace(config=config)  # Any: as far as it is looked at
    nothing: Any = None  # Any: not looked at
    return Member(age, os.getpid(), "worker", nothing, nothing, loaded, nothing)


def test_memory_is_looked_at_from_time_to_time() -> None:
    """Each worker with a limit at its own time, again and again; who is gone is forgotten."""
    look_s = LOOK_S
    heavy, light, free = _weighed(1, 1 << 20), _weighed(2, 1 << 50), _weighed(3, 0)
    watch = MemoryWatch()
    assert watch.deadline([free, _weighed(4, 1, "pss")], 100.0) is None
    assert watch.deadline([free, heavy], 100.0) == 100.0 + look_s
    assert watch.outgrown([free, heavy], 100.0) == []
    assert watch.deadline([free, heavy, light], 102.0) == 100.0 + look_s
    ((member, why),) = watch.outgrown([free, heavy, light], 102.0 + look_s)
    assert (member, why.reason, why.limit) == (heavy, messages.TOO_LARGE, "1M")
    assert watch.outgrown([free, heavy, light], 102.0 + look_s) == []
    assert watch.deadline([light], 103.0 + look_s) == 102.0 + 2 * look_s
    assert watch.outgrown([heavy], 200.0) == []


# -- what was cut


def test_what_is_cut_is_added_up_by_its_kind() -> None:
    """Each kind for itself, and all together."""
    both = Cut(requests=3, websockets=1) + Cut(requests=1, connections=5, tasks=2)
    assert both == Cut(4, 1, 5, 2)
    assert both - Cut(requests=4) == Cut(0, 1, 5, 2)
    assert both.total == 12


@pytest.mark.parametrize("state", [State.READY, State.DRAINING, State.GONE])
def test_a_stop_counts_what_is_cut_from_its_beginning(state: State) -> None:
    """What was cut before, as by a request that got stuck, is not; what Ctrl-C has cut, a moment earlier, is."""
    row = Rows(1, pid=41).take(_SPAWN)
    row.set("cut", 2)
    row.set("cut_tasks", 1)
    row.set("state", state)
    member = Member(7, 42, "worker", _ANY, row, _ANY, _ANY)
    member.note_cut()
    assert member.cut_before == (Cut() if state is State.GONE else Cut(requests=2, tasks=1))
