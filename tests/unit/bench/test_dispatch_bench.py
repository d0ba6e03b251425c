"""The measurement of the dispatch: its command line, its rows, the middle of its rounds, and its tables."""

import argparse
from pathlib import Path

import pytest

import bench
import dispatch
from loadbench import environment, listener_cost, processes, running
from loadbench.busy import Busy
from loadbench.listener_cost import Cost
from loadbench.parts import Line, middle
from loadbench.report import Row
from loadbench.servers import Server
from loadbench.waiting import Waits

ROWS = [server for part in dispatch.PARTS.values() for server in part.servers]


def lines(part: str) -> list[Line]:
    """Return a line for each row of a part, of which nothing is known yet."""
    return [Line(Row(server, "1.0")) for server in dispatch.PARTS[part].servers]


def row_of(text: str, name: str) -> list[str]:
    """Return the cells of the first row of a table that begins with `name`."""
    found = next(line for line in text.splitlines() if line.startswith(f"| {name} "))
    return [cell.strip() for cell in found.split("|")[1:-1]]


def cost(all_us: float, errors: int = 0) -> Cost:
    """Return what a request costs, a fifth of it in the listener."""
    return Cost(errors, 0.0, all_us / 5, all_us * 4 / 5, all_us, 1000.0)


# -- rows


@pytest.mark.parametrize("server", ROWS, ids=lambda server: f"{server.group}-{server.name}")
def test_every_row_can_be_started(server: Server) -> None:
    """Its command holds the port and no placeholder; its distribution is installed, its application is ours."""
    words = running.argv(server, 4711)
    assert "4711" in " ".join(words) and not any("{" in word for word in words)
    pinned = environment.requirements(environment.REQUIREMENTS[server.environment])
    assert server.distribution in {"heeler", *(line.partition("==")[0] for line in pinned)}
    (application,) = [word for word in words if word.endswith(":app")]
    assert (environment.APPS / f"{application.removesuffix(':app')}.py").exists()
    assert server.worker_class in {"", *words}


def test_names_differ() -> None:
    """A name picks one row of a part."""
    for part in dispatch.PARTS.values():
        assert len({server.name for server in part.servers}) == len(part.servers)


def test_rows_that_need_a_listener() -> None:
    """Those whose name says so: they would be measured under a false name if they served without."""
    expected = {server.name for server in ROWS if server.name.endswith(("-request", "-connection"))}
    assert {server.name for server in ROWS if running.has_listener(server)} == expected != set()


def test_processes_are_told_apart_by_title(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A title may go on after its number; one that merely begins alike is another, and so is another tree's."""
    titles = {2: "heeler: arbiter", 3: "heeler: listener 1 [shop]", 4: "heeler: listeners", 9: "heeler: listener 2"}
    for pid, title in titles.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cmdline").write_bytes(title.encode() + b"\0\0")
    stats = [processes.Stat(2, 1, 0), processes.Stat(3, 2, 7), processes.Stat(4, 2, 8), processes.Stat(5, 2, 9)]
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(processes, "all_stats", lambda: iter([*stats, processes.Stat(9, 1, 0)]))
    assert processes.titled(2, running.LISTENER) == [stats[1]]


# -- figures


def test_middle_of_rounds() -> None:
    """The median of each figure by itself, of whatever kind; errors are added up."""
    assert middle([cost(50.0, 1), cost(10.0), cost(20.0, 2)]) == cost(20.0, 3)
    assert middle([Waits(0, 0.0, 1.0, 9.0, 0.1), Waits(0, 0.0, 3.0, 5.0, 0.3)]) == Waits(0, 0.0, 2.0, 7.0, 0.2)


def test_cost_is_compared_with_the_kernels() -> None:
    """Under the same kind of load; where that is missing there is no ratio."""
    kernel, connection, request = lines("listener")
    kernel.rounds = {"curl": [cost(10.0)], "new": [cost(40.0)]}
    connection.rounds = {"new": [cost(60.0)]}
    request.rounds = {"curl": [cost(25.0)]}
    kept, new = list(listener_cost.tables([kernel, connection, request], argparse.Namespace()))[1::2]
    assert row_of(kept, "heeler-request")[2:6] == ["5.0", "20.0", "25.0", "2.50"]
    assert row_of(new, "heeler-connection")[5] == "1.50"
    assert row_of(new, "heeler-request")[2] == "-"
    assert "heeler-connection" not in kept
    alone = list(listener_cost.tables([request], argparse.Namespace()))[1]
    assert row_of(alone, "heeler-request")[4:6] == ["25.0", ""]


def test_report_has_every_row() -> None:
    """What could not be measured stands in its table, with the reason below; so does noise."""
    options = dispatch.arguments(["--loads", "0.5", "--requests", "200"])
    found = {part: lines(part) for part in dispatch.PARTS}
    found["busy"][0].row.failure = "no listener"
    found["busy"][4].rounds["new"] = [Busy(2, 0.5, 1030.0, 29.5, 100.0, 2000.0, 9000.0, 9999.0, 0.75)]
    found["waiting"][4].rounds["kept 0.5"] = [Waits(1, 0.0, 0.75, 14.5, 25.0)]
    text = dispatch.text(found, options)
    assert all(f"| {server.name} " in text for server in ROWS)
    assert "busy: heeler-sync-request: NOT MEASURED: no listener" in text
    assert "others took up to 50%" in text and "the load was 25 ms late" in text
    fast = text[text.index("each time on a new connection") :]
    assert row_of(fast, "gunicorn-sync")[2:] == ["1,030", "29.5", "0.10", "2.00", "9.00", "10.00", "75%", "50%", "2"]
    kept = text[text.index("64 kept connections") :]
    assert row_of(kept, "gunicorn-sync")[2:] == ["0.8 / 14.5", "25.0", "1"]
    assert row_of(kept, "central queue, simulated")[2].startswith("0.0 / ")
    parts = dispatch.document(found, options)["parts"]
    assert parts["waiting"]["gunicorn-sync"]["rounds"]["kept 0.5"][0]["p99_ms"] == 14.5


# -- the command line


def test_quick_is_short() -> None:
    """Unless a length is given."""
    options = dispatch.arguments(["busy", "--quick"])
    assert (options.parts, options.seconds, options.requests) == (["busy"], 1.0, 300)
    assert dispatch.arguments(["--quick", "--requests", "50"]).requests == 50
    assert dispatch.arguments([]).requests == 3000


@pytest.mark.parametrize("wrong", [["idle"], ["--only", "nginx"], ["--loads", "1"]])
def test_arguments_that_make_no_sense(wrong: list[str]) -> None:
    """They are refused, as argparse does it."""
    with pytest.raises(SystemExit, match="2"):
        dispatch.arguments(wrong)


def test_benchmark_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make bench ARGS='dispatch busy'` is `dispatch.py busy`."""
    monkeypatch.setattr(dispatch, "main", len)
    assert bench.main(["dispatch", "busy", "--quick"]) == 2
