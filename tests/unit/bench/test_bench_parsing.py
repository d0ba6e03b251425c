"""The benchmark's reading of wrk's output and of /proc, and its arithmetic."""

from dataclasses import replace
from pathlib import Path

import pytest

import bench
from loadbench import environment, load, processes, profile_text, report, running, servers
from loadbench.measure import Measure, medians

SAMPLE = (Path(__file__).parent / "wrk_sample.txt").read_text()


def measure(per_second: float, errors: int = 0) -> Measure:
    """Return a measure that differs in its rate and errors only."""
    return Measure(per_second, 20.0, 1.0, 0.0, 300.0, 900.0, errors, 10240)


def row(name: str, *rates: float) -> report.Row:
    """Return a row of the server `name` with one round per rate."""
    server = next(server for server in servers.SERVERS if server.name == name)
    return report.Row(server, "1.0", {"browser": [measure(rate) for rate in rates]})


def test_wrk_output_is_read() -> None:
    """A stored output of wrk gives the figures that wrk itself summed up in it."""
    result = load.parse(SAMPLE)
    assert result.requests == 107106
    assert result.per_second == pytest.approx(53514.66, rel=1e-3)
    assert (result.p50_us, result.p90_us, result.p99_us) == (247.0, 465.0, 593.0)
    assert result.errors == 0


def test_all_kinds_of_errors_are_added_up() -> None:
    """Socket errors and bad statuses count alike."""
    line = SAMPLE.splitlines()[-1].replace('"read": 0', '"read": 3').replace('"status": 0', '"status": 4')
    assert load.parse(line).errors == 7


@pytest.mark.parametrize("output", ["", "unable to connect", "RESULT {", "RESULT {}", SAMPLE + SAMPLE])
def test_output_that_says_nothing_is_refused(output: str) -> None:
    """Anything but one whole RESULT line is an error, never a figure."""
    with pytest.raises(load.LoadError):
        load.parse(output)


def test_a_run_of_no_time_is_refused() -> None:
    """A duration of nought is an error, not a division by zero."""
    line = '{"requests": 1, "duration_us": 0, "p50_us": 1, "p90_us": 1, "p99_us": 1, "max_us": 1'
    line += ', "connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0}'
    with pytest.raises(load.LoadError, match="no time"):
        load.parse(load.MARK + line)


def test_stat_of_a_process_with_an_awkward_name() -> None:
    """Spaces and parentheses in the name do not shift the fields; reaped children are counted."""
    line = "41 (a) S (b) R 7 41 41 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 1 0 5 6 7"
    assert processes.parse_stat(line) == processes.Stat(pid=41, parent=7, ticks=124)


def test_tree_has_descendants_alone() -> None:
    """Grandchildren belong to the tree, siblings and parents do not, whatever the order."""
    stats = [processes.Stat(*fields) for fields in ((5, 4, 1), (4, 2, 1), (2, 1, 1), (3, 1, 1), (1, 0, 1))]
    assert {stat.pid for stat in processes.tree_of(2, stats)} == {2, 4, 5}


def test_pss_is_read() -> None:
    """The total is taken, not one of its parts."""
    text = "55-7f ---p 0 00:00 0 [rollup]\nRss:     9000 kB\nPss:     7331 kB\nPss_Anon:  12 kB\n"
    assert processes.parse_pss_kib(text) == 7331
    assert processes.parse_pss_kib("") == 0


def test_busy_time_of_a_processor() -> None:
    """The line of that processor counts, without the time it had nothing to do."""
    text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 8 8 8 8 8 8 8 8 0 0\ncpu1 100 20 3 7000 50 60 70 4 0 0\nintr 1 2\n"
    assert processes.parse_busy_ticks(text, 1) == 257
    with pytest.raises(ValueError, match="no processor 2"):
        processes.parse_busy_ticks(text, 2)


def test_medians_of_rounds() -> None:
    """The middle round counts, errors add up, and the spread says how far the rounds lie apart."""
    middle = medians([measure(100.0, 1), measure(120.0, 2), measure(80.0)])
    assert (middle.per_second, middle.errors) == (100.0, 3)
    assert middle.spread == pytest.approx(0.4)


def test_ratio_and_target() -> None:
    """A peer's row says how many times faster Heeler is, and a missed target is told."""
    rows = [row("heeler-sync", 30.0), row("gunicorn-sync", 2.0), row("granian-wsgi", 25.0)]
    assert report.ratio(rows, rows[1], "browser") == pytest.approx(15.0)
    assert report.missed_targets(rows) == ["heeler-sync is 1.20 times granian-wsgi, the target is 1.3"]


def test_ratio_is_taken_round_by_round() -> None:
    """A machine that is twice as fast for one round does not change the ratio; a missing round is no matter."""
    rows = [row("heeler-sync", 10.0, 20.0, 10.0), row("bjoern", 20.0, 40.0)]
    assert report.ratio(rows, rows[1], "browser") == pytest.approx(0.5)
    assert report.ratio(rows, row("waitress"), "browser") is None


def test_noise_is_told() -> None:
    """Figures taken while others had the processor come with a warning, quiet ones without."""
    quiet, noisy = row("bjoern", 9.0), row("granian-wsgi", 8.0)
    noisy.rounds["browser"] = [replace(measure(8.0), noise=0.3)]
    assert "NOISY: others took up to 30%" in report.text([quiet, noisy])
    assert "NOISY" not in report.text([quiet])


def test_ratio_by_cpu_time() -> None:
    """A peer that spends twice the CPU time on a request has a ratio of two."""
    rows = [row("heeler-sync", 10.0), row("waitress", 10.0)]
    rows[1].rounds["browser"] = [replace(measure(10.0), cpu_us=40.0)]
    assert report.cpu_ratio(rows, rows[1], "browser") == pytest.approx(2.0)


def test_a_server_that_did_not_start_is_a_row() -> None:
    """The table has a line for it and the notes say why."""
    broken = report.Row(servers.SERVERS[0], "-", failure="ended with status 3")
    text = report.text([broken, row("bjoern", 9.0)])
    assert "| heeler-sync" in text
    assert "heeler-sync: NOT MEASURED: ended with status 3" in text


@pytest.mark.parametrize("server", servers.SERVERS, ids=lambda server: server.name)
def test_every_command_can_be_filled_in(server: servers.Server) -> None:
    """Each row's command line holds the port, and no placeholder is left over."""
    words = running.argv(server, 4711)
    assert "4711" in " ".join(words)
    assert not any("{" in word for word in words)


def test_names_of_servers_differ() -> None:
    """A name picks one row."""
    names = [server.name for server in servers.SERVERS]
    assert len(set(names)) == len(names)


def test_strace_counts_are_read() -> None:
    """The most frequent call comes first; failures are optional; rules and totals are no calls."""
    text = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000600           6       100           sendto
 40.00    0.000400           2       200         7 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001000           3       300         7 total
"""
    expected = [profile_text.Calls("recvfrom", 200, 7), profile_text.Calls("sendto", 100, 0)]
    assert profile_text.parse_strace_counts(text) == expected


def test_stacks_are_read() -> None:
    """The innermost frame has the sample as its own; a recursive one counts once, waiting does not."""
    stacks = ("main (a.py);loop (a.py);loop (a.py) 3", "main (a.py);send (c.so) 5", "main (a.py);epoll_wait (c.so) 9")
    samples = profile_text.parse_stacks("\n".join([*stacks, ""]))
    assert (samples.total, samples.waiting) == (8, 9)
    assert samples.own == {"loop (a.py)": 3, "send (c.so)": 5}
    assert samples.inclusive == {"main (a.py)": 8, "loop (a.py)": 3, "send (c.so)": 5}


@pytest.mark.parametrize(("name", "file"), environment.REQUIREMENTS.items())
def test_requirements_name_every_server(name: str, file: Path) -> None:
    """Each peer is pinned, so that two runs compare."""
    wanted = environment.requirements(file)
    assert all("==" in line for line in wanted)
    peers = {server.distribution for server in servers.SERVERS if server.environment == name} - {"heeler"}
    assert peers <= {line.partition("==")[0] for line in wanted}


def test_a_peer_is_compared_with_the_subject_of_its_group() -> None:
    """The ratio of a peer in one group has nothing to do with Heeler's row in another."""
    rows = [row("heeler-sync", 99.0), row("heeler-thread", 30.0), row("gunicorn-gthread", 10.0)]
    assert report.ratio(rows, rows[2], "browser") == pytest.approx(3.0)
    assert report.missed_targets(rows) == ["heeler-thread is 3.00 times gunicorn-gthread, the target is 8"]


@pytest.mark.parametrize("group", servers.GROUPS, ids=lambda group: group.name)
def test_every_group_has_a_subject(group: servers.Group) -> None:
    """The row that all ratios are about is one of Heeler's, and comes first."""
    members = [server for server in servers.SERVERS if server.group == group.name]
    assert members[0].name == group.subject
    assert members[0].worker_class
    assert set(group.kinds) <= set(load.KINDS)


def test_every_group_that_was_measured_has_a_table() -> None:
    """A table stands for each kind of load that its group was under, and one of empty rows where nothing could be."""
    broken = report.Row(next(one for one in servers.SERVERS if one.name == "heeler-gevent"), "-", failure="no gevent")
    text = report.text([row("bjoern", 9.0), broken])
    assert "WSGI hello, browser" in text
    assert "WSGI hello, gevent, browser" in text
    assert "varied" not in text
    assert "asgi" not in text


@pytest.mark.parametrize(
    ("arguments", "groups", "kinds"),
    [
        ([], {group.name for group in servers.GROUPS}, ("browser", "varied")),
        (["asgi"], {"asgi"}, ("browser",)),
        (["asgi", "thread", "--headers", "varied"], {"asgi", "thread"}, ("varied",)),
        (["--quick"], {group.name for group in servers.GROUPS}, ("browser",)),
        (["--only", "uvicorn,gunicorn-gevent-fast"], {"asgi", "gevent"}, ("browser",)),
    ],
)
def test_what_is_measured_is_chosen(arguments: list[str], groups: set[str], kinds: tuple[str, ...]) -> None:
    """Groups are named on the command line; a part of the whole is measured with one kind of headers."""
    options = bench.arguments(arguments)
    assert {server.group for server in options.servers} == groups
    asgi = next(group for group in servers.GROUPS if group.name == "asgi")
    assert bench.kinds_of(asgi, options) == kinds


def test_a_group_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message says which groups there are."""
    with pytest.raises(SystemExit):
        bench.arguments(["http"])
    assert "no group is named http; there are wsgi, thread" in capsys.readouterr().err
