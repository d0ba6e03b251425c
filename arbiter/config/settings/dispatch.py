"""Settings of the dispatch: how connections and requests reach the workers."""

import re

from heeler.plugins.parse import choice, integer, optional, seconds, text
from heeler.plugins.setting import Setting


def _balancer(value: object) -> object:
    if callable(value) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("neither a name nor a function; `least-busy` is one of the names")


def _sticky_key(value: object) -> object:
    given = text(value)
    if given != "address" and not re.fullmatch(r"(cookie|query):[A-Za-z0-9_.~-]+", given):
        raise ValueError("neither `address`, nor `cookie:NAME`, nor `query:NAME`")
    return given


DISPATCH = (
    Setting(
        "dispatch",
        choice("kernel", "reuseport", "connection", "request"),
        "kernel",
        "Who accepts connections, and what is handed out."
        " `kernel`: each worker accepts from the shared sockets, while it has room."
        " `reuseport`: each from sockets of its own, among which the kernel spreads connections."
        " `connection`: a listener process accepts, and hands each connection to a worker with room."
        " `request`: it hands out each request, and keeps idle connections itself.",
        "Dispatch",
        cli=("--dispatch",),
        metavar="MODE",
        example="request",
        reloadable=False,
        gunicorn="`kernel` is what it does, but for the room, and `--reuse-port` about the same as `reuseport`.",
    ),
    Setting(
        "balancer",
        _balancer,
        "least-busy",
        "Which worker gets a connection or request, with `dispatch = connection` or `request`:"
        " `least-busy`, `round-robin`, `random-two`, `sticky`, a third party's by name, `package.module:function`,"
        " or, in the config module, a function.",
        "Dispatch",
        cli=("--balancer",),
        metavar="NAME",
        example="sticky",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "sticky_key",
        _sticky_key,
        "address",
        "What tells clients apart for a balancer that asks, such as `sticky`: `address`, `cookie:NAME` or `query:NAME`."
        " A request without that cookie or query parameter is told apart by its address.",
        "Dispatch",
        cli=("--sticky-key",),
        metavar="KEY",
        example="cookie:session",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "queue_timeout",
        seconds,
        0,
        "How long a request may wait for a worker with room, with `dispatch = connection` or `request`;"
        " then it is answered 503, with Retry-After. 0 = for ever.",
        "Dispatch",
        cli=("--queue-timeout",),
        metavar="SECONDS",
        example="10",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "queue_limit",
        optional(integer(0)),
        None,
        "How many requests may wait for a worker with room, with `dispatch = request`;"
        " one more is answered 503 at once. Without it they all wait.",
        "Dispatch",
        cli=("--queue-limit",),
        metavar="INT",
        example="1000",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
)
"""The dispatch."""
