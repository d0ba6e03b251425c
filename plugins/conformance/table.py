"""Every check, in the order in which they are run; and what each applies to."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Final, Literal

from heeler.plugins.conformance.checks import (
    asgi_http,
    asgi_lifespan,
    boot,
    clients,
    counts,
    deadlines,
    drain,
    framing,
    heartbeat,
    hostile_requests,
    leaks,
    recycle,
    reload,
    stop,
    websockets,
    worker_signals,
    wsgi_rules,
)
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.errors import UsageError
from heeler.plugins.suggest import suggest

Applies = Literal["any", "http", "wsgi", "asgi"]
"""To every worker class, to those that speak HTTP, to those that serve that interface."""


THEMES: Final = {
    "boot": "Boot",
    "stop": "Stop",
    "reload": "Reload and scale",
    "worker_signals": "Signals to a worker",
    "drain": "Drain",
    "heartbeat": "Heartbeat",
    "recycle": "Recycling",
    "deadlines": "Deadlines",
    "framing": "HTTP framing",
    "hostile_requests": "Hostile requests",
    "clients": "Clients",
    "leaks": "Leaks",
    "counts": "Logs and counters",
    "wsgi_rules": "WSGI",
    "asgi_lifespan": "ASGI lifespan",
    "asgi_http": "ASGI over HTTP",
    "websockets": "WebSocket",
}
"""What the modules of checks are about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """A promise, and what finds out whether it is kept.

    Args:
        applies: what kind of worker class makes it.
        run: raises `Failed` where the promise is broken, `NotApplicable` where there is none.
    """

    applies: Applies
    run: Callable[[Maker], None]

    @property
    def name(self) -> str:
        """The function's name without its `check_`."""
        return self.run.__name__.removeprefix("check_")

    @property
    def promise(self) -> str:
        """The promise, in one sentence."""
        assert self.run.__doc__ is not None, f"{self.name} says nothing"
        return self.run.__doc__.splitlines()[0]

    @property
    def theme(self) -> str:
        """What it belongs to."""
        return THEMES[self.run.__module__.rpartition(".")[2]]

    def applies_to(self, interface: str) -> bool:
        """Whether a class that is tried with `interface` (empty without HTTP) makes this promise."""
        return self.applies == "any" or (bool(interface) and self.applies in ("http", interface))


CHECKS: Final = (
    Check("any", boot.check_boots),
    Check("any", boot.check_application_that_is_not_there),
    Check("any", boot.check_application_that_fails_to_import),
    Check("any", boot.check_application_that_hangs_in_its_import),
    Check("http", boot.check_wrong_interface),
    Check("any", stop.check_term_when_idle),
    Check("http", stop.check_term_when_busy),
    Check("any", stop.check_quick_stop_when_idle),
    Check("http", stop.check_quick_stop_when_busy),
    Check("http", stop.check_quick_stop_while_draining),
    Check("any", reload.check_reload_when_idle),
    Check("http", reload.check_reload_when_busy),
    Check("http", reload.check_logs_are_reopened),
    Check("any", reload.check_scaling),
    Check("any", worker_signals.check_ending_signals_when_idle),
    Check("http", worker_signals.check_term_to_a_busy_worker),
    Check("http", worker_signals.check_cutting_signals_to_a_busy_worker),
    Check("any", worker_signals.check_harmless_signals_when_idle),
    Check("http", worker_signals.check_harmless_signals_when_busy),
    Check("http", worker_signals.check_harmless_signals_while_draining),
    Check("any", drain.check_drain_serves_the_backlog),
    Check("http", drain.check_drain_finishes_an_upload),
    Check("http", drain.check_drain_finishes_a_slow_response),
    Check("http", drain.check_drain_answers_a_late_request),
    Check("http", drain.check_drain_closes_idle_connections),
    Check("http", drain.check_drain_ends_at_its_deadline),
    Check("any", heartbeat.check_idle_worker_is_left_alone),
    Check("any", heartbeat.check_stuck_worker_is_replaced),
    Check("http", recycle.check_max_requests_lose_nothing),
    Check("http", deadlines.check_header_deadline),
    Check("http", deadlines.check_silence_deadline),
    Check("http", deadlines.check_body_deadline),
    Check("http", deadlines.check_write_deadline),
    Check("http", deadlines.check_keep_alive_deadline),
    Check("http", deadlines.check_request_deadline),
    Check("http", framing.check_responses_without_content),
    Check("http", framing.check_chunked_requests),
    Check("http", framing.check_responses_of_unknown_length),
    Check("http", framing.check_pipelining),
    Check("http", framing.check_continue),
    Check("http", framing.check_keep_alive),
    Check("http", framing.check_http_1_0),
    Check("http", framing.check_failing_application),
    Check("http", framing.check_length_that_does_not_hold),
    Check("http", hostile_requests.check_hostile_requests),
    Check("http", clients.check_slow_writers),
    Check("http", clients.check_slow_readers),
    Check("http", clients.check_large_upload),
    Check("http", clients.check_clients_that_go_away),
    Check("any", clients.check_unix_socket),
    Check("any", leaks.check_nothing_leaks),
    Check("http", counts.check_counts_agree),
    Check("wsgi", wsgi_rules.check_wsgi_validator),
    Check("wsgi", wsgi_rules.check_wsgi_iterables_are_closed),
    Check("asgi", asgi_lifespan.check_lifespan),
    Check("asgi", asgi_lifespan.check_lifespan_that_fails),
    Check("asgi", asgi_lifespan.check_application_without_lifespan),
    Check("asgi", asgi_http.check_asgi_scope),
    Check("asgi", asgi_http.check_asgi_request_streams),
    Check("asgi", asgi_http.check_asgi_response_streams),
    Check("asgi", asgi_http.check_asgi_back_pressure),
    Check("asgi", asgi_http.check_asgi_disconnect),
    Check("asgi", asgi_http.check_asgi_background_work),
    Check("asgi", asgi_http.check_asgi_streams_are_told_of_the_drain),
    Check("asgi", websockets.check_websocket_handshake),
    Check("asgi", websockets.check_websocket_echo),
    Check("asgi", websockets.check_websocket_close_codes),
    Check("asgi", websockets.check_websocket_protocol_errors),
    Check("asgi", websockets.check_websocket_drain),
)


def find(names: Iterable[str]) -> list[Check]:
    """Return the checks of these names, in their order.

    Raises:
        UsageError: there is none of a name; the text says which is near.
    """
    by_name = {check.name: check for check in CHECKS}
    found = []
    for name in names:
        plain = name.removeprefix("check_")
        if plain not in by_name:
            raise UsageError(f"no check is called {name!r}{suggest(plain, by_name)}")
        found.append(by_name[plain])
    return sorted(found, key=CHECKS.index)
