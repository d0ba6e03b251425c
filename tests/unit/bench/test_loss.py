"""The benchmark of losses: its rows, its table, and its command line."""

from pathlib import Path

import pytest

import loss
from loadbench import environment, running
from loadbench.happenings import HAPPENINGS, client_ports
from loadbench.happenings import running as noted_as_running
from loadbench.loss_rows import DISPATCHES, OURS, PEERS
from loadbench.servers import Server
from loadbench.steady_load import Kind, Loss, Span


def test_rows_are_each_class_with_each_dispatch() -> None:
    """Each has a name of its own."""
    assert len({server.name for server in (*OURS, *PEERS)}) == len(OURS) + len(PEERS) == 5 * len(DISPATCHES) + 4


@pytest.mark.parametrize("server", PEERS, ids=lambda server: server.name)
def test_every_other_server_can_be_started(server: Server) -> None:
    """Its command holds the port and no placeholder; its distribution is installed, its application is ours."""
    words = running.argv(server, 4711)
    assert "4711" in " ".join(words) and not any("{" in word for word in words)
    pinned = environment.requirements(environment.REQUIREMENTS[server.environment])
    assert server.distribution in {line.partition("==")[0] for line in pinned}
    assert words[-1].startswith("boots_slowly:")


def test_cells_stand_below_their_heads() -> None:
    """What is lost is counted by kind, and apart from what was killed; what did not happen has no figure."""
    lost = Loss(Kind.KEPT, 1.0, "/1", 4711, "end of file")
    found = loss.Found(killed_running=3)
    found.spans["HUP"] = Span([0.021, 0.022, 0.09], [0.02], [lost], [], 0, 0.004)
    found.spans["KILL of a worker"] = Span([0.021], [0.02], [], [lost, lost], 0, 0.0)
    cells = dict(zip(loss.heads()[2:], found.cells(), strict=True))
    assert (cells["new, lost"], cells["kept, lost"]) == ("0 of 4", "1 of 3")
    assert cells["HUP"] == "22 / 90 / 90"
    assert cells["killed, lost of running"] == "2 of 3"
    assert (cells["nothing"], cells["late"]) == ("-", "4")
    assert found.document()["HUP"]["lost"] == ["kept: end of file"]


def test_what_is_promised_is_checked() -> None:
    """Nothing is lost but by kills, and p99 and the longest of new connections are below a limit each."""
    lost = Loss(Kind.KEPT, 1.0, "/1", 4711, "end of file")
    found = loss.Found()
    found.spans["nothing"] = Span([0.02] * 999 + [0.149], [0.02], [], [lost], 0, 0.0)
    assert found.missed() == []
    found.spans["HUP"] = Span([0.02] * 90 + [0.07] * 10, [0.02], [lost], [], 0, 0.0)
    found.spans["USR2"] = Span([0.02] * 999 + [0.2], [0.02], [], [], 0, 0.0)
    found.spans["TTOU, TTIN"] = Span([], [0.02], [], [], 0, 0.0)
    assert found.missed() == [
        "1 lost by HUP",
        "70 ms at p99 and 70 ms at most by HUP",
        "20 ms at p99 and 200 ms at most by USR2",
        "0 ms at p99 and inf ms at most by TTOU, TTIN",
    ]


def test_each_happening_has_a_column() -> None:
    """By its name, which no other has."""
    names = [one.name for one in HAPPENINGS]
    assert [head for head in loss.heads() if head in names] == names
    assert len(set(names)) == len(names)


def test_what_ran_is_what_was_begun_and_not_ended(tmp_path: Path) -> None:
    """In the process that is asked about."""
    notes = tmp_path / "notes"
    notes.write_text("begun 7 /1\nbegun 8 /2\nended 7 /1\nbegun 7 /3\n")
    assert noted_as_running(notes, 7) == {"/3"}


def test_ports_of_the_clients_of_a_process() -> None:
    """Of its sockets those that are connected; a listening one has no client."""
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 500 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:1267 01 00000000:00000000 00:00000000 00000000     0        0 501 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0100007F:1268 01 00000000:00000000 00:00000000 00000000     0        0 502 1 0 20 4 30 10 -1
   3: 0100007F:1F90 0100007F:1269 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0
"""
    assert client_ports({"500", "501"}, table) == {0x1267}


def test_unknown_rows_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With the name that is wrong."""
    with pytest.raises(SystemExit):
        loss.arguments(["--only", "heeler-sync-kernel,apache"])
    assert "no row is named apache" in capsys.readouterr().err
