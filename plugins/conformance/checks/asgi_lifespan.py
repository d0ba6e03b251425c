"""The lifespan protocol of ASGI."""

import signal

from heeler.plugins.conformance.checks.scene import PROMPT_S, InFlight, end_of
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect
from heeler.plugins.exit_status import ExitStatus


def check_lifespan(maker: Maker) -> None:
    """The application starts up before the worker is ready, and shuts down after its last request."""
    with maker.serve() as server, InFlight(maker, server) as flight:
        expect("lifespan startup" in server.log(), "requests come before the application was told to start up")
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping", timeout_s=maker.patience_s)
        expect("lifespan shutdown" not in server.log(), "the application was shut down with a request in flight")
        flight.let_go("a request in flight is answered before the shutdown")
        end_of(server, "the server ends after the lifespan", PROMPT_S)
        log = server.log()
        expect(log.count("lifespan startup") == 1, "the application was started up more than once")
        expect(log.count("lifespan shutdown") == 1, "the application was not told to shut down, or more than once")


def check_lifespan_that_fails(maker: Maker) -> None:
    """`lifespan.startup.failed` ends the start with status 3, and the application's message."""
    done = maker.run(maker.app("startup_failed"), "--bind", "127.0.0.1:0")
    expect(done.status == ExitStatus.BOOT, f"the start ended with status {done.status}, not 3:\n{done.stderr}")
    expect("the database is on holiday" in done.stderr, f"the application's message is not shown:\n{done.stderr}")


def check_application_without_lifespan(maker: Maker) -> None:
    """An application that knows of no lifespan is served all the same."""
    with maker.serve(app=maker.app("without_lifespan")) as server:
        maker.ask(server, "an application without lifespan is served")
