"""Settings of the worker processes."""

from heeler.plugins.parse import boolean, choice, integer, memory, optional, seconds
from heeler.plugins.setting import Setting


def _worker_class(value: object) -> object:
    if isinstance(value, type) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("neither a name nor a class; `heeler workers` lists the names")


def _workers(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    try:
        return integer(1)(value)
    except ValueError as error:
        raise ValueError(f"{error}, nor `auto`") from None


def _scaler(value: object) -> object:
    if callable(value) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError("neither a name nor a function; `busy` is one of the names")


def _reforks(value: object) -> object:
    given = value.split(",") if isinstance(value, str) and value.strip() else value
    counts = [integer(0)(each) for each in (given if isinstance(given, list | tuple) else [given])] if given else []
    if 0 in counts[:-1] or counts == [0]:
        raise ValueError("not numbers of requests, of which the last may be 0")
    return tuple(counts)


WORKER_PROCESSES = (
    Setting(
        "workers",
        _workers,
        1,
        "How many worker processes to keep; where their number follows the load, how many to begin with."
        " `auto` is as many as make use of the CPUs and fit into the memory that the server may use: each CPU gets one"
        " worker, or two and one in all for `sync`, and each worker 128M, or `max_worker_memory`; what its control"
        " group (its container) allows counts. The log says which limit has decided. It is found out again in a"
        " reload.",
        "Worker processes",
        cli=("--workers", "-w"),
        env=("WEB_CONCURRENCY",),
        metavar="INT",
        example="4",
        gunicorn="The variable WEB_CONCURRENCY wins over the config module; in Gunicorn it is only a default."
        " Gunicorn has no `auto`.",
    ),
    Setting(
        "workers_min",
        optional(integer(1)),
        None,
        "How few workers there may be: with it, or with `workers_max`, the number follows the load."
        " Unless given, `workers`.",
        "Worker processes",
        cli=("--workers-min",),
        metavar="INT",
        example="2",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "workers_max",
        optional(integer(1)),
        None,
        "How many workers there may be: with it, or with `workers_min`, the number follows the load."
        " Unless given, `workers`.",
        "Worker processes",
        cli=("--workers-max",),
        metavar="INT",
        example="8",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "scaler",
        _scaler,
        "busy",
        "What decides how many workers there are, from `workers_min` to `workers_max`:"
        " `busy` by how busy they are, `backlog` by what waits for them, a third party's by name,"
        " `package.module:function`, or, in the config module, a function.",
        "Worker processes",
        cli=("--scaler",),
        metavar="NAME",
        example="backlog",
        gunicorn="Gunicorn has none.",
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
        "preload_app",
        boolean,
        False,
        "Load the application once, in a process of its own, the mold, from which the workers are forked: they share"
        " its memory, and boot at once. With `reload`, each worker loads it, as ever.",
        "Worker processes",
        cli=("--preload",),
        flag=True,
        reloadable=False,
        gunicorn="The arbiter loads it there, and a reload keeps the old code; here a reload makes a new mold.",
    ),
    Setting(
        "refork_after",
        _reforks,
        (),
        "With `preload_app`: after how many requests a worker becomes the next mold, so that what it has loaded and"
        " made since is shared too. The second number is for workers of that mold, and so on; the last one holds for"
        " all further ones, unless it is 0: then there are none. Without it there are none at all. For the class `sync`"
        " alone.",
        "Worker processes",
        cli=("--refork-after",),
        metavar="INT,INT,...",
        example="50,1000,0",
        gunicorn="Gunicorn has none.",
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
    Setting(
        "max_worker_lifetime",
        seconds,
        0,
        "How long a worker serves before it is replaced; 0 = it is not.",
        "Worker processes",
        cli=("--max-worker-lifetime",),
        metavar="SECONDS",
        example="3600",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "max_worker_lifetime_jitter",
        optional(seconds),
        None,
        "At most how many seconds are added to `max_worker_lifetime`, so that not all workers are replaced at once;"
        " each slot has its share. Unless given, a tenth of the lifetime.",
        "Worker processes",
        cli=("--max-worker-lifetime-jitter",),
        metavar="SECONDS",
        example="600",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "max_worker_memory",
        memory,
        0,
        "How much memory a worker may use before it is replaced; 0 = there is no limit. A size such as `512M` or"
        " `1.5G`, or a share such as `20%` of what the server may use: of the memory limit of its control group"
        " (its container), or, without one, of the machine's memory.",
        "Worker processes",
        cli=("--max-worker-memory",),
        metavar="SIZE",
        example="512M",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "worker_memory_kind",
        choice("rss", "pss"),
        "rss",
        "What counts for `max_worker_memory`. `rss` is all that is in memory; `pss` divides what processes share"
        " among them, and is dearer to find out.",
        "Worker processes",
        cli=("--worker-memory-kind",),
        metavar="KIND",
        example="pss",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "min_worker_lifetime",
        optional(seconds),
        None,
        "How long a worker serves at least before it is replaced, whatever it has reached. Unless given, 10 for"
        " `max_worker_memory`, so that a limit below what the application takes does not make workers boot all the"
        " time, and 0 for `max_requests`.",
        "Worker processes",
        cli=("--min-worker-lifetime",),
        metavar="SECONDS",
        example="60",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "max_surge",
        optional(integer(0)),
        None,
        "How many workers more than `workers` there may be while some are replaced, those that drain included."
        " Unless given, 1, and a quarter of `workers` in a reload.",
        "Worker processes",
        cli=("--max-surge",),
        metavar="INT",
        example="2",
        gunicorn="Gunicorn starts all replacements at once.",
    ),
    Setting(
        "max_unavailable",
        integer(0),
        0,
        "How many workers may be missing while some are replaced: where `max_surge` allows no more beside them,"
        " so many stop before their replacements boot. With 0, each is ready first.",
        "Worker processes",
        cli=("--max-unavailable",),
        metavar="INT",
        example="1",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "reload_strategy",
        choice("rolling", "surge"),
        "rolling",
        "How a reload (HUP) goes about it. `rolling`: one new worker shows that it is ready, the others follow, as many"
        " at a time as `max_surge` and `max_unavailable` allow. `surge`: all new workers boot beside the old ones, and"
        " serve beside them; once all are ready the old ones drain together, and if one does not boot the new ones"
        " go, and none of the old has been touched. It takes twice the memory meanwhile, whatever `max_surge` says.",
        "Worker processes",
        cli=("--reload-strategy",),
        metavar="STRATEGY",
        example="surge",
        gunicorn="Gunicorn starts all new workers and stops all old ones at once, ready or not.",
    ),
)
"""The worker processes."""
