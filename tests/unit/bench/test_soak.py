"""The soak: when what happens, whether its books find what is wrong, and its command line."""

import dataclasses
from collections import Counter

import pytest

import soak
from loadbench.steady_load import Kind, Loss
from soaking.books import Balance, Kill, Notes, balance
from soaking.census import Shape
from soaking.course import Found
from soaking.disturbance import _accepted
from soaking.plan import Deed, plan

KILL = Kill(7, "worker", frozenset({4711}), 10.0, 10.1)
LISTENER = dataclasses.replace(KILL, pid=9, role="listener")
LOSS = Loss(Kind.KEPT, 10.05, "/1", 4711, "end of file")
LOG = 'ERROR request lost slot=1 pid=7 request="GET /1" seconds=0.01\n'


def close(
    log: str = LOG, *, notes: str, losses: tuple[Loss, ...] = (LOSS,), kills: tuple[Kill, ...] = (KILL,)
) -> Balance:
    """Return the balance where nothing else was answered."""
    return balance((), losses, kills, Notes.read(notes), LOG)


def test_a_plan_is_the_same_again() -> None:
    """For the same seed, and another one for another."""
    assert plan("1", 60, has_listener=True) == plan("1", 60, has_listener=True) != plan("2", 60, has_listener=True)


@pytest.mark.parametrize("seed", "abcdefgh")
def test_a_plan_has_everything_in_its_time(seed: str) -> None:
    """What is broken is mended later, more and fewer are as many, another arbiter comes in the first half."""
    entries = plan(seed, 30, has_listener=True)
    deeds = Counter(entry.deed for entry in entries)
    assert set(deeds) == set(Deed)
    assert [entry.at_s for entry in entries] == sorted(entry.at_s for entry in entries)
    assert all(0 <= entry.at_s <= 30 and 0 <= entry.pick < 1 for entry in entries)
    assert deeds[Deed.MEND] == deeds[Deed.BREAK_CODE] + deeds[Deed.BREAK_SETTINGS]
    assert deeds[Deed.MORE] == deeds[Deed.FEWER]
    assert all(entry.at_s <= 15 for entry in entries if entry.deed is Deed.REEXEC)


def test_without_a_listener_none_is_killed() -> None:
    """There is none."""
    assert Deed.KILL_LISTENER not in {entry.deed for entry in plan("1", 60, has_listener=False)}


def test_what_a_killed_worker_was_in_is_told_apart() -> None:
    """What it ran, what it had ended and not written, what it had not begun, and what was with a listener."""
    assert close(notes="begun 7 /1") == Balance(1, 0, 0, 0, [])
    assert close(notes="") == Balance(0, 1, 0, 0, [])
    assert close(notes="begun 7 /1\nended 7 /1") == Balance(0, 0, 1, 0, [])
    assert close(notes="", kills=(LISTENER,)) == Balance(0, 0, 0, 1, [])


@pytest.mark.parametrize(
    ("notes", "losses", "kills", "fault"),
    [
        ("begun 7 /1", (LOSS,), (), "nobody was killed"),
        ("", (dataclasses.replace(LOSS, port=4712),), (KILL,), "nobody was killed"),
        ("", (dataclasses.replace(LOSS, lost_at=9.9),), (KILL,), "nobody was killed"),
        ("", (dataclasses.replace(LOSS, lost_at=20.0),), (KILL,), "nobody was killed"),
        ("begun 8 /1\nended 8 /1", (LOSS,), (LISTENER,), "a worker had it"),
        ("begun 7 /1", (), (KILL,), "answered, though 7 was killed in it"),
        ("begun 8 /1", (LOSS,), (KILL,), "which nobody killed"),
        ("begun 7 /1\nbegun 8 /1\nended 8 /1", (LOSS,), (KILL,), "begun 2 times"),
        ("begun 7 /2", (dataclasses.replace(LOSS, path="/2"),), (KILL,), "not logged"),
    ],
)
def test_what_may_not_be_is_found(notes: str, losses: tuple[Loss, ...], kills: tuple[Kill, ...], fault: str) -> None:
    """Each way in which a request may be lost, or answered, that no kill explains."""
    assert any(fault in one for one in close(notes=notes, losses=losses, kills=kills).faults)


def test_an_answer_without_a_request_is_found() -> None:
    """The application has begun whatever is answered."""
    (fault,) = balance(["/1"], (), (), Notes.read(""), "").faults
    assert fault == "answered, and never begun: /1"


def test_whatever_is_left_over_is_named() -> None:
    """A descriptor, a zombie, a process, a file: with what there was, and what there is."""
    before = Shape(Counter(worker=2), 0, Counter({"worker: socket": 6}), Counter(), frozenset(), frozenset({"a"}))
    after = Shape(Counter(worker=2), 1, Counter({"worker: socket": 7}), Counter(), frozenset(), frozenset({"a", "b"}))
    assert before.differences(before) == []
    assert before.differences(after) == [
        "zombies: 0 at the start only, 1 at the end only",
        "descriptors: nothing at the start only, 1 worker: socket at the end only",
        "files: nothing at the start only, 1 b at the end only",
    ]


def test_connections_that_somebody_has_accepted() -> None:
    """Those of a server's port; one that waits to be accepted has no inode."""
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   1: 0100007F:1F90 0100007F:1267 01 00000000:00000000 00:00000000 00000000     0        0 501 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:1268 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4 30 10 -1
   3: 0100007F:1267 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 502 1 0 20 4 30 10 -1
"""
    assert _accepted(table, 0x1F90) == {"501"}


def test_cells_stand_below_their_heads() -> None:
    """All that was lost, and its parts."""
    found = Found("sync-kernel", 1000, Counter({Deed.RELOAD: 2}), 3, 6, 0.5, Balance(1, 2, 3, 0, ()), (1024, 2048))
    cells = dict(zip(soak._HEADS, soak.cells(found), strict=True))
    assert [cells[head] for head in ("lost", "= running", "+ sent", "+ unwritten", "+ parked")] == list("61230")
    assert (cells["server"], cells["answered"], cells["killed"]) == ("sync-kernel", "1,000", "3")
    assert (cells["PSS, MiB"], cells["faults"]) == ("1.0 to 2.0", "0")
    assert "2 HUP," in soak.table([found])


def test_unknown_servers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the name that is wrong."""
    with pytest.raises(SystemExit):
        soak.arguments(["--only", "sync-kernel,apache"])
    assert "no server is named apache" in capsys.readouterr().err
