"""The servers that are measured, one line each: adding a server to the benchmark is adding a line here.

In a command, `{bin}` is the `bin` folder of the row's virtual environment, `{python}` its interpreter and `{port}` the
port to serve on. It runs in `apps/`: `hello:app` is the WSGI application, `hello_asgi:app` the ASGI one, which echoes
on a WebSocket too. One worker process everywhere, no access log.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are compared with each other.

    Args:
        name: what picks it on the command line.
        title: what the table says it shows.
        subject: the row that the ratios of the others are about.
        kinds: the kinds of load; the first alone when the group is asked for by name.
        unit: what is counted.
    """

    name: str
    title: str
    subject: str
    kinds: tuple[str, ...]
    unit: str = "req"


@dataclass(frozen=True, slots=True)
class Server:
    """One row of the benchmark.

    Args:
        group: whom it is compared with.
        name: what the table calls it.
        distribution: the Python distribution whose version is recorded.
        command: how it is started, as a shell would read it, but without a shell.
        note: what a reader of the table has to know.
        target: the group's subject is to reach this many times its rate; None where there is no such aim.
        worker_class: for Heeler's rows, the class whose entry point must be there.
        environment: the virtual environment it is installed in.
        is_extra: measured only when it is asked for by name.
    """

    group: str
    name: str
    distribution: str
    command: str
    note: str = ""
    target: float | None = None
    worker_class: str = ""
    environment: str = "venv"
    is_extra: bool = False


SUBJECT = "heeler-sync"

GROUPS: tuple[Group, ...] = (
    Group("wsgi", "WSGI hello", SUBJECT, ("browser", "varied", "curl")),
    Group("thread", "WSGI hello, four threads", "heeler-thread", ("browser", "varied")),
    Group("gevent", "WSGI hello, gevent", "heeler-gevent", ("browser", "varied")),
    Group("eventlet", "WSGI hello, eventlet", "heeler-eventlet", ("browser", "varied")),
    Group("asgi", "ASGI hello", "heeler-asyncio", ("browser", "varied")),
    Group("websocket", "WebSocket echo of 32 bytes", "heeler-websocket", ("echo",), "echo"),
)

_BJOERN = "import bjoern, hello; bjoern.run(hello.app, '127.0.0.1', {port})"
_HEELER = "{bin}/heeler -w 1 -b 127.0.0.1:{port}"
_GUNICORN = "{bin}/gunicorn -w 1 -b 127.0.0.1:{port}"
_GRANIAN = "{bin}/granian --workers 1 --host 127.0.0.1 --port {port}"
_UVICORN = (
    "{bin}/uvicorn --loop uvloop --http httptools --no-access-log --log-level warning --host 127.0.0.1 --port {port}"
)
_UWSGI = "{bin}/pyuwsgi --processes 1 --need-app --die-on-term --disable-logging --module hello:app"
_PLAIN = "--http-parser python"  # what `pip install gunicorn` gives
_FAST = "with its parser in C, gunicorn[fast]"

# ruff: noqa: E501 -- one row, one line
# fmt: off
SERVERS: tuple[Server, ...] = (
    Server("wsgi", SUBJECT, "heeler", f"{_HEELER} -k sync hello:app", worker_class="sync"),
    Server("wsgi", "gunicorn-sync", "gunicorn", f"{_GUNICORN} -k sync {_PLAIN} hello:app", "a connection per request, it has no keep-alive", 12.0),
    Server("wsgi", "granian-wsgi", "granian", f"{_GRANIAN} --interface wsgi --blocking-threads 1 hello:app", "one blocking thread", 1.3),
    Server("wsgi", "uwsgi", "pyuwsgi", f"{_UWSGI} --http 127.0.0.1:{{port}} --http-keepalive", "--http, a router process before the worker"),
    Server("wsgi", "bjoern", "bjoern", f'{{python}} -c "{_BJOERN}"', "a server in C on libev", 0.8),
    Server("wsgi", "fastpysgi", "fastpysgi", "{bin}/fastpysgi --host 127.0.0.1 -p {port} hello:app", "a server in C on libuv"),
    Server("wsgi", "waitress", "waitress", "{bin}/waitress-serve --listen 127.0.0.1:{port} hello:app", "four threads, its default"),
    Server("wsgi", "uwsgi-close", "pyuwsgi", f"{_UWSGI} --http 127.0.0.1:{{port}}", "--http without --http-keepalive", is_extra=True),
    Server("wsgi", "heeler-sync-request", "heeler", f"{_HEELER} -k sync --dispatch request hello:app", "requests handed out by a listener", worker_class="sync", is_extra=True),
    Server("wsgi", "uwsgi-socket", "pyuwsgi", f"{_UWSGI} --http-socket 127.0.0.1:{{port}}", "--http-socket, no router, no keep-alive", is_extra=True),

    Server("thread", "heeler-thread", "heeler", f"{_HEELER} -k thread --threads 4 hello:app", worker_class="thread"),
    Server("thread", "gunicorn-gthread", "gunicorn", f"{_GUNICORN} -k gthread --threads 4 {_PLAIN} hello:app", target=8.0),
    Server("thread", "granian-threads", "granian", f"{_GRANIAN} --interface wsgi --blocking-threads 4 hello:app", "four blocking threads"),
    Server("thread", "gunicorn-gthread-fast", "gunicorn", f"{_GUNICORN} -k gthread --threads 4 --http-parser fast hello:app", _FAST, is_extra=True),

    Server("thread", "heeler-thread-request", "heeler", f"{_HEELER} -k thread --threads 4 --dispatch request hello:app", "requests handed out by a listener", worker_class="thread", is_extra=True),

    Server("gevent", "heeler-gevent", "heeler", f"{_HEELER} -k gevent hello:app", worker_class="gevent"),
    Server("gevent", "gunicorn-gevent", "gunicorn", f"{_GUNICORN} -k gevent {_PLAIN} hello:app", target=5.0),
    Server("gevent", "gunicorn-gevent-fast", "gunicorn", f"{_GUNICORN} -k gevent --http-parser fast hello:app", _FAST, is_extra=True),

    Server("eventlet", "heeler-eventlet", "heeler", f"{_HEELER} -k eventlet hello:app", worker_class="eventlet"),
    Server("eventlet", "gunicorn-eventlet", "gunicorn", f"{_GUNICORN} -k eventlet hello:app", "its last version with eventlet", 3.0, environment="venv-gunicorn23"),

    Server("asgi", "heeler-asyncio", "heeler", f"{_HEELER} -k asyncio --loop uvloop hello_asgi:app", "uvloop", worker_class="asyncio"),
    Server("asgi", "heeler-plain-loop", "heeler", f"{_HEELER} -k asyncio --loop asyncio hello_asgi:app", "asyncio's own loop", worker_class="asyncio"),
    Server("asgi", "uvicorn", "uvicorn", f"{_UVICORN} hello_asgi:app", "uvloop, httptools", 1.5),
    Server("asgi", "granian-asgi", "granian", f"{_GRANIAN} --interface asgi --loop uvloop hello_asgi:app", "uvloop", 1.5),
    Server("asgi", "gunicorn-asgi", "gunicorn", f"{_GUNICORN} -k asgi --asgi-loop uvloop --http-parser fast hello_asgi:app", f"uvloop, {_FAST}"),
    Server("asgi", "hypercorn", "hypercorn", "{bin}/hypercorn -k uvloop -w 1 -b 127.0.0.1:{port} hello_asgi:app", "uvloop"),

    Server("websocket", "heeler-websocket", "heeler", f"{_HEELER} -k asyncio --loop uvloop hello_asgi:app", "uvloop", worker_class="asyncio"),
    Server("websocket", "uvicorn-sansio", "uvicorn", f"{_UVICORN} --ws websockets-sansio hello_asgi:app", "uvloop, --ws websockets-sansio", 1.2),
    Server("websocket", "uvicorn-websockets", "uvicorn", f"{_UVICORN} --ws websockets hello_asgi:app", "uvloop, --ws websockets", 1.2),
    Server("websocket", "granian-websocket", "granian", f"{_GRANIAN} --interface asgi --loop uvloop hello_asgi:app", "uvloop"),
    Server("websocket", "hypercorn-websocket", "hypercorn", "{bin}/hypercorn -k uvloop -w 1 -b 127.0.0.1:{port} hello_asgi:app", "uvloop", is_extra=True),
    Server("websocket", "gunicorn-websocket", "gunicorn", f"{_GUNICORN} -k asgi --asgi-loop uvloop hello_asgi:app", "uvloop", is_extra=True),
)
# fmt: on


def group_of(server: Server) -> Group:
    """Return the group that a row stands in."""
    return next(group for group in GROUPS if group.name == server.group)
