"""Runs commands: `PING`, `ECHO` and `QUIT` are the worker class's own, all others the application's."""

import time
from typing import TYPE_CHECKING, cast

from heeler_resp.protocol import CommandError, Reply, encode, encode_error

if TYPE_CHECKING:
    from heeler_resp.worker import RespWorker


def run(worker: "RespWorker", words: list[bytes]) -> bytes:
    """Run a command; return its reply as it is sent.

    It is shown on the scoreboard while it runs, by its name alone (what follows may be a
    secret), and counted: 2xx stands for a reply, 4xx for an error that the client is told,
    5xx for one that is logged.
    """
    started_ns, status, name = time.monotonic_ns(), 2, words[0]
    worker.row.enter_only(started_ns, len(name), name)
    try:
        reply = encode(_reply(worker, name.upper(), words))
    except CommandError as error:
        reply, status = encode_error(str(error)), 4
    except Exception:
        worker.boot.logs.error.exception("command failed command=%r", name)
        reply, status = encode_error("internal error"), 5
    worker.row.leave_only()
    worker.last_response_ns = time.monotonic_ns()
    worker.tally.answered(status, len(reply), worker.last_response_ns - started_ns)
    if worker.quota.count_down():
        worker.retire("max_requests")
    return reply


def _reply(worker: "RespWorker", name: bytes, words: list[bytes]) -> Reply:
    match name, words[1:]:
        case b"PING", []:
            return "PONG"
        case ((b"PING" | b"ECHO"), [text]):
            return text
        case b"QUIT", []:
            return "OK"
        case ((b"PING" | b"ECHO" | b"QUIT"), _):
            raise CommandError(f"wrong number of arguments for {name.decode()}")
    if worker.application is None:
        raise CommandError(f"unknown command {name!r}")
    return cast("Reply", worker.application.callable(*words))
