"""Settings of the worker processes."""

from heeler.plugins.parse import integer
from heeler.plugins.setting import Setting


def _worker_class(value: object) -> object:
    if isinstance(value, type) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("neither a name nor a class; `heeler workers` lists the names")


WORKER_PROCESSES = (
    Setting(
        "workers",
        integer(1),
        1,
        "How many worker processes to keep.",
        "Worker processes",
        cli=("--workers", "-w"),
        env=("WEB_CONCURRENCY",),
        metavar="INT",
        example="4",
        gunicorn="The variable WEB_CONCURRENCY wins over the config module; in Gunicorn it is only a default.",
    ),
    Setting(
        "worker_class",
        _worker_class,
        "auto",
        "The kind of worker: a name that `heeler workers` lists, `DISTRIBUTION:NAME`, `package.module:Class`,"
        " or, in the config module, a class."
        " `auto` is `asyncio` for an ASGI application, and `sync` for a WSGI one, or `thread` where `threads` is"
        " more than 1; the worker chooses once it has loaded the application.",
        "Worker processes",
        cli=("--worker-class", "-k"),
        metavar="NAME",
        example="gevent",
        gunicorn="The default is `sync` there. A name may come from any installed distribution.",
    ),
    Setting(
        "threads",
        integer(1),
        1,
        "How many threads serve requests in each worker. More than 1 makes `thread` of the worker class `sync`.",
        "Worker processes",
        cli=("--threads",),
        metavar="INT",
        example="4",
    ),
    Setting(
        "worker_connections",
        integer(1),
        1000,
        "How many connections a worker may hold at a time, idle ones included."
        " For one more, the one that has been idle longest is closed.",
        "Worker processes",
        cli=("--worker-connections",),
        metavar="INT",
        gunicorn="It holds in every worker class.",
    ),
    Setting(
        "max_requests",
        integer(0),
        0,
        "How many requests a worker serves before it is replaced; 0 = it is not."
        " The replacement is ready before the old worker stops.",
        "Worker processes",
        cli=("--max-requests",),
        metavar="INT",
        example="10000",
    ),
    Setting(
        "max_requests_jitter",
        integer(0),
        0,
        "At most how many requests are added to `max_requests`, so that not all workers are replaced at once.",
        "Worker processes",
        cli=("--max-requests-jitter",),
        metavar="INT",
        example="1000",
    ),
)
"""The worker processes."""
