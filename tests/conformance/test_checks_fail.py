"""Each check of the kit fails on a worker class that breaks its promise, and says so."""

import pathlib
import re
import tempfile
from typing import Final

import pytest

from heeler.plugins.conformance.kit import CHECKS, Maker, Verdict, run_one
from heeler.plugins.conformance.table import find

WORKERS: Final = pathlib.Path(__file__).resolve().parent / "workers"

MISBEHAVING: Final = (
    ("boots", "bad_boot:HasNoRoom", "shows no capacity"),
    ("application_that_is_not_there", "bad_boot:ServesWithoutApplication", "has not ended"),
    ("application_that_fails_to_import", "bad_boot:HidesTheCause", "the cause is not shown"),
    ("application_that_hangs_in_its_import", "bad_boot:IsReadyTooEarly", "has not ended"),
    ("wrong_interface", "bad_boot:TakesAnyInterface", "has not ended"),
    ("term_when_idle", "bad_end:IgnoresStop", "TERM ends a server that is idle"),
    # It may be that the answer is out before its end comes: then the server has counted it as cut.
    ("term_when_busy", "bad_end:CutsAtStop", "in flight at TERM is answered|ended with status 75"),
    ("quick_stop_when_idle", "bad_end:IgnoresQuit", "did not obey SIGINT"),
    ("quick_stop_when_busy", "bad_end:IgnoresQuit", "SIGINT cuts .*did not obey"),
    ("quick_stop_while_draining", "bad_end:IgnoresQuit", "INT during a graceful stop.*had to be killed"),
    ("reload_when_idle", "bad_end:IgnoresStop", "a reload is done"),
    ("reload_when_busy", "bad_end:CutsAtStop", "in flight at HUP is answered"),
    ("logs_are_reopened", "bad_end:IgnoresReopen", "logs again at USR1"),
    ("scaling", "bad_end:IgnoresStop", "after TTOU two workers"),
    ("ending_signals_when_idle", "bad_end:IgnoresSignals", "is replaced: 4 of 5 workers still run"),
    ("term_to_a_busy_worker", "bad_end:DiesAtTerm", "worker that gets TERM is answered"),
    ("cutting_signals_to_a_busy_worker", "bad_end:IgnoresSignals", "gets SIGINT ends at once"),
    ("harmless_signals_when_idle", "bad_end:DiesAtHup", "USR2 writes"),
    ("harmless_signals_when_busy", "bad_end:DiesAtHup", "USR2 writes"),
    ("harmless_signals_while_draining", "bad_end:DiesAtHup", "USR2 writes"),
    ("drain_serves_the_backlog", "bad_end:DropsTheBacklog", "waited at TERM were lost"),
    ("drain_finishes_an_upload", "bad_end:ClosesAllAtStop", "an upload that is under way at TERM"),
    ("drain_finishes_a_slow_response", "bad_end:CutsAtStop", "bytes arrived of a response"),
    ("drain_answers_a_late_request", "bad_end:ClosesAllAtStop", "kept connection right after TERM is answered"),
    ("drain_closes_idle_connections", "bad_end:LingersForEver", "idle connections do not hold up the end"),
    ("drain_ends_at_its_deadline", "bad_end:CutsAtStop", "the request was cut after"),
    ("idle_worker_is_left_alone", "bad_heart:NeverBeats", "gave no heartbeat"),
    ("stuck_worker_is_replaced", "bad_heart:BeatsWhateverHappens", "nothing moves any more is replaced"),
    ("max_requests_lose_nothing", "bad_end:EndsWhenItRetires", "requests were lost"),
    ("header_deadline", "bad_deadlines:WaitsForHeads", "beyond `header_timeout`"),
    ("silence_deadline", "bad_deadlines:WaitsForHeads", "closed after `header_timeout`: waited in vain"),
    ("body_deadline", "bad_deadlines:WaitsForContent", "after `body_timeout`: waited in vain"),
    ("write_deadline", "bad_deadlines:WaitsForReaders", "still connected after `write_timeout`"),
    ("keep_alive_deadline", "bad_deadlines:KeepsConnections", "closed after `keepalive`: waited in vain"),
    ("request_deadline", "bad_deadlines:LetsRequestsRun", "overruns `request_timeout` is answered: waited in vain"),
    ("responses_without_content", "bad_wire:AnswersHeadWithContent", "have no content"),
    ("chunked_requests", "bad_wire:PassesTheFramingOn", "came out otherwise"),
    ("responses_of_unknown_length", "bad_wire:DoesNotSayThatItChunks", "unknown length arrives"),
    ("pipelining", "bad_wire:KeepsNoOrder", "the answers came as"),
    ("continue", "bad_wire:NeverSaysContinue", "waits for 100 Continue gets it"),
    ("keep_alive", "bad_wire:KeepsNoConnection", "is not kept after request 0"),
    ("http_1_0", "bad_wire:NeverCloses", "stays open though nobody asked for it"),
    ("failing_application", "bad_wire:MakesBrokenLookWhole", "made to look complete"),
    ("length_that_does_not_hold", "bad_wire:LeavesAShortResponseOpen", "is cut off: waited in vain"),
    ("hostile_requests", "bad_wire:ForgivesARepeatedLength", "1 of .*'cl twice, same: "),
    ("slow_writers", "bad_clients:WaitsForEachHead", "slow to send"),
    ("slow_readers", "bad_clients:WaitsForEachReader", "slow to read"),
    ("large_upload", "bad_clients:KeepsContentInMemory", "MiB took .* MiB of memory"),
    ("clients_that_go_away", "bad_counts:ForgetsTheGone", "connections are counted after all clients are gone"),
    ("unix_socket", "bad_clients:RefusesUnixSockets", "over a Unix socket is served"),
    ("nothing_leaks", "bad_clients:LeaksDescriptors", "descriptors leak"),
    ("nothing_leaks", "bad_clients:LeaksThreads", "threads leak"),
    ("nothing_leaks", "bad_clients:LeavesZombies", "children leak"),
    ("counts_agree", "bad_counts:CountsTwice", "requests were answered, 64 are counted"),
    ("counts_agree", "bad_counts:LogsNothing", "the access log has 0 lines"),
    ("wsgi_validator", "bad_counts:BreaksTheEnviron", "was answered 500"),
    ("wsgi_iterables_are_closed", "bad_counts:ClosesNoIterable", "closed once it is sent"),
    ("lifespan", "bad_asgi:NeverShutsDown", "not told to shut down"),
    ("lifespan_that_fails", "bad_asgi:ForgivesAFailedStart", "has not ended"),
    ("application_without_lifespan", "bad_asgi:InsistsOnALifespan", "ended with status 3 before it was ready"),
    ("asgi_scope", "bad_asgi:ForgetsTheRawPath", r"scope\['raw_path'\] is None"),
    ("asgi_request_streams", "bad_asgi:WaitsForAllContent", "gets content as it comes: waited in vain"),
    ("asgi_response_streams", "bad_asgi:HoldsResponsesBack", "is sent as it comes: waited in vain"),
    ("asgi_back_pressure", "bad_asgi:TakesAllAtOnce", "64 MiB were taken for a client that reads nothing"),
    ("asgi_disconnect", "bad_asgi:HidesDisconnects", "told that its client is gone"),
    ("asgi_background_work", "bad_asgi:HoldsResponsesBack", "complete though the application is still busy"),
    ("asgi_streams_are_told_of_the_drain", "bad_asgi:TellsNobodyOfTheDrain", "is told of the drain"),
    ("websocket_handshake", "bad_asgi:ForgetsSubprotocols", "the client was told ''"),
    ("websocket_echo", "bad_asgi:EchoesInCapitals", "came back as"),
    ("websocket_close_codes", "bad_asgi:TellsOneCodeOnly", "client's close reaches the application"),
    ("websocket_protocol_errors", "bad_asgi:TakesNakedFrames", "a frame that is not masked"),
    ("websocket_drain", "bad_asgi:TellsNobodyOfTheDrain", "told of the drain"),
)
"""A check, a class that breaks its promise, and what the check then says."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "worker_class", "says"), MISBEHAVING)
def test_check_fails(name: str, worker_class: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check fails on the class, and its message says what is broken."""
    monkeypatch.syspath_prepend(str(WORKERS))
    (check,) = find([name])
    with tempfile.TemporaryDirectory(prefix="heeler-kept-") as kept:
        monkeypatch.setattr(tempfile, "tempdir", kept)  # the folders of servers that failed, as they should
        with Maker(worker_class, env={"PYTHONPATH": str(WORKERS)}, patience_s=3.0) as maker:
            outcome = run_one(maker, check)
    assert outcome.verdict is Verdict.FAILED, f"{worker_class} passes {name}"
    assert re.search(says, outcome.reason), outcome.message


def test_each_check_is_shown_to_fail() -> None:
    """No check is left out of the list."""
    assert {check.name for check in CHECKS} - {name for name, _, _ in MISBEHAVING} == set()
