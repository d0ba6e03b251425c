"""How a worker begins, and what is said when it cannot."""

import signal

from heeler.plugins.conformance.checks.scene import PROMPT_S, end_of
from heeler.plugins.conformance.looks import only_child
from heeler.plugins.conformance.maker import APPS, HTTP, Maker
from heeler.plugins.conformance.verdict import NotApplicable, expect
from heeler.plugins.exit_status import ExitStatus


def check_boots(maker: Maker) -> None:
    """A server becomes ready, serves, shows its worker as ready, and ends with status 0."""
    with maker.serve() as server:
        maker.ask(server)
        child = only_child(server)
        expect(child["state"] == "ready", f"the scoreboard shows the worker as {child['state']}, not ready")
        expect(child["capacity"] >= 1, "the scoreboard shows no capacity: `capacity` must be set in `setup`")
        server.signal(signal.SIGTERM)
        end_of(server, "TERM ends a server that is idle", PROMPT_S)


def check_application_that_is_not_there(maker: Maker) -> None:
    """An application that is not found ends the start with status 4, and one line that names it."""
    done = maker.run(maker.app("no_application"), "--bind", "127.0.0.1:0")
    _expect_status(done.status, ExitStatus.APP_LOAD, done.stderr)
    expect("Traceback" not in done.stderr, f"a traceback is shown where a line says it all:\n{done.stderr}")
    expect("no_application" in done.stderr, f"the message does not name the application:\n{done.stderr}")


def check_application_that_fails_to_import(maker: Maker) -> None:
    """An application whose import fails ends the start with status 3, and its own traceback."""
    done = maker.run(maker.app("raises_at_import"), "--bind", "127.0.0.1:0")
    _expect_status(done.status, ExitStatus.BOOT, done.stderr)
    expect("this import fails on purpose" in done.stderr, f"the cause is not shown:\n{done.stderr}")
    expect("raises_at_import.py" in done.stderr, f"the place is not shown:\n{done.stderr}")


def check_application_that_hangs_in_its_import(maker: Maker) -> None:
    """A boot that takes longer than `boot_timeout` ends the start with status 3."""
    done = maker.run(maker.app("hangs_at_import"), "--bind", "127.0.0.1:0", "--boot-timeout", "1")
    _expect_status(done.status, ExitStatus.BOOT, done.stderr)


def check_wrong_interface(maker: Maker) -> None:
    """An application of a kind that the class does not serve is refused with status 4."""
    others = [kind for kind in HTTP if kind not in maker.interfaces]
    if not others:
        raise NotApplicable("it serves every kind of application")
    done = maker.run(f"{APPS / f'{others[0]}_site.py'}:app", "--bind", "127.0.0.1:0")
    _expect_status(done.status, ExitStatus.APP_LOAD, done.stderr)
    expect(others[0].upper() in done.stderr, f"the message does not say what is wrong:\n{done.stderr}")


def _expect_status(found: int, wanted: ExitStatus, log: str) -> None:
    expect(found == wanted, f"the start ended with status {found}, not {int(wanted)} ({wanted.name})\n{log}")
