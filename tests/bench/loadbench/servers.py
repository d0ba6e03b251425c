"""The servers that are measured, one line each: adding a server to the benchmark is adding a line here.

In a command, `{bin}` is the folder of the benchmark's environment, `{python}` its interpreter and `{port}` the port
to serve on. It runs in `apps/`, so `hello:app` is the application. One worker process everywhere, no access log.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Server:
    """One row of the benchmark.

    Args:
        name: what the table calls it.
        distribution: the Python distribution whose version is recorded.
        command: how it is started, as a shell would read it, but without a shell.
        note: what a reader of the table has to know.
        target: Heeler is to reach this many times its requests per second; None where there is no such aim.
        is_extra: measured only when it is asked for by name.
    """

    name: str
    distribution: str
    command: str
    note: str = ""
    target: float | None = None
    is_extra: bool = False


SUBJECT = "heeler"

_BJOERN = "import bjoern, hello; bjoern.run(hello.app, '127.0.0.1', {port})"

# ruff: noqa: E501 -- one row, one line
# fmt: off
SERVERS: tuple[Server, ...] = (
    Server(SUBJECT, "heeler", "{bin}/heeler -k sync -w 1 -b 127.0.0.1:{port} hello:app", "-k sync"),
    Server("gunicorn", "gunicorn", "{bin}/gunicorn -k sync -w 1 -b 127.0.0.1:{port} hello:app", "-k sync: a connection per request, it has no keep-alive", 12.0),
    Server("granian", "granian", "{bin}/granian --interface wsgi --workers 1 --blocking-threads 1 --host 127.0.0.1 --port {port} hello:app", "wsgi, one blocking thread", 1.3),
    Server("uwsgi", "pyuwsgi", "{bin}/pyuwsgi --http 127.0.0.1:{port} --http-keepalive --processes 1 --need-app --die-on-term --disable-logging --module hello:app", "--http, a router process before the worker"),
    Server("bjoern", "bjoern", f'{{python}} -c "{_BJOERN}"', "a server in C on libev", 0.8),
    Server("fastpysgi", "fastpysgi", "{bin}/fastpysgi --host 127.0.0.1 -p {port} hello:app", "a server in C on libuv"),
    Server("waitress", "waitress", "{bin}/waitress-serve --listen 127.0.0.1:{port} hello:app", "four threads, its default"),
    Server("uwsgi-close", "pyuwsgi", "{bin}/pyuwsgi --http 127.0.0.1:{port} --processes 1 --need-app --die-on-term --disable-logging --module hello:app", "--http without --http-keepalive", is_extra=True),
    Server("uwsgi-socket", "pyuwsgi", "{bin}/pyuwsgi --http-socket 127.0.0.1:{port} --processes 1 --need-app --die-on-term --disable-logging --module hello:app", "--http-socket, no router, no keep-alive", is_extra=True),
    Server("gthread", "gunicorn", "{bin}/gunicorn -k gthread --threads 4 -w 1 -b 127.0.0.1:{port} hello:app", "gunicorn -k gthread", is_extra=True),
)
# fmt: on
