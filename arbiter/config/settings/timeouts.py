"""Settings in seconds: how long each phase may last."""

from heeler.plugins.parse import seconds
from heeler.plugins.setting import Setting

TIMEOUTS = (
    Setting(
        "timeout",
        seconds,
        30,
        "A worker that is silent for longer is killed and replaced; 0 = never. Every request of a `sync` worker must"
        " end within it.",
        "Timeouts",
        cli=("--timeout", "-t"),
        metavar="SECONDS",
        gunicorn="A worker that hangs before it is ready has a limit of its own, `boot_timeout`.",
    ),
    Setting(
        "graceful_timeout",
        seconds,
        30,
        "How long a worker that is asked to stop may go on with the requests it has; what is left then is cut.",
        "Timeouts",
        cli=("--graceful-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        "drain_delay",
        seconds,
        0,
        "How long a server that is told to stop says that it is not ready, and serves on, before it drains: so long do"
        " balancers and the like go on sending.",
        "Timeouts",
        cli=("--drain-delay",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "boot_timeout",
        seconds,
        60,
        "How long a new worker may take until it is ready; 0 = for ever.",
        "Timeouts",
        cli=("--boot-timeout",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none: a worker that hangs in import stays for ever.",
    ),
    Setting(
        "keepalive",
        seconds,
        75,
        "How long a connection may be idle between two requests; 0 closes it after each response.",
        "Timeouts",
        cli=("--keep-alive",),
        metavar="SECONDS",
        gunicorn="Gunicorn's default is 2, which is shorter than the idle time of most load balancers and lets them"
        " run into a closing connection. Idle connections occupy nothing here.",
    ),
    Setting(
        "header_timeout",
        seconds,
        10,
        "How long the head of a request may take, from the moment it is waited for; 0 = for ever.",
        "Timeouts",
        cli=("--header-timeout",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "body_timeout",
        seconds,
        30,
        "How long a client may be silent within a request body; 0 = for ever.",
        "Timeouts",
        cli=("--body-timeout",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "request_timeout",
        seconds,
        0,
        "How long the application may take for one request; then all stacks are logged, `RequestTimeout` is raised in"
        " it, and the client gets 504; 0 = for ever.",
        "Timeouts",
        cli=("--request-timeout",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none; its `timeout` kills the whole worker.",
    ),
    Setting(
        "write_timeout",
        seconds,
        30,
        "How long a client that is owed bytes may take none; 0 = for ever.",
        "Timeouts",
        cli=("--write-timeout",),
        metavar="SECONDS",
        gunicorn="Gunicorn has none.",
    ),
)
"""How long each phase may last."""
