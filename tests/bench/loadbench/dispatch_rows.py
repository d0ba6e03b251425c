"""The servers whose dispatch is measured, one line each.

The placeholders are those of `servers.py`. Workers are several here, all on one processor: the applications sleep.
"""

from typing import Final

from loadbench.servers import Server

_HEELER = "{bin}/heeler -b 127.0.0.1:{port}"
_GUNICORN = "{bin}/gunicorn -b 127.0.0.1:{port}"
_GRANIAN = "{bin}/granian --interface wsgi --host 127.0.0.1 --port {port}"
_UWSGI = "{bin}/pyuwsgi --master --need-app --die-on-term --disable-logging --module sleeps:app"
_UVICORN = "{bin}/uvicorn --loop uvloop --http httptools --no-access-log --log-level warning --host 127.0.0.1"
_ROUTER = "--http, a router process before the workers; it closes without saying so, which wrk takes for an error"
_NO_ROUTER = "--http-socket, no router, no keep-alive"
_NO_KEEP_ALIVE = "it has no keep-alive"

# ruff: noqa: E501 -- one row, one line
# fmt: off
BUSY: Final = (
    Server("busy", "heeler-sync-request", "heeler", f"{_HEELER} -w 4 -k sync --dispatch request sleeps:app", worker_class="sync"),
    Server("busy", "heeler-thread-request", "heeler", f"{_HEELER} -w 4 -k thread --threads 4 --dispatch request sleeps:app", worker_class="thread"),
    Server("busy", "heeler-sync-kernel", "heeler", f"{_HEELER} -w 4 -k sync --dispatch kernel sleeps:app", worker_class="sync"),
    Server("busy", "heeler-thread-kernel", "heeler", f"{_HEELER} -w 4 -k thread --threads 4 --dispatch kernel sleeps:app", worker_class="thread"),
    Server("busy", "gunicorn-sync", "gunicorn", f"{_GUNICORN} -w 4 -k sync sleeps:app", _NO_KEEP_ALIVE),
    Server("busy", "gunicorn-gthread", "gunicorn", f"{_GUNICORN} -w 4 -k gthread --threads 4 sleeps:app"),
    Server("busy", "granian-wsgi", "granian", f"{_GRANIAN} --workers 4 --blocking-threads 1 sleeps:app", "one blocking thread"),
    Server("busy", "granian-threads", "granian", f"{_GRANIAN} --workers 4 --blocking-threads 4 sleeps:app", "four blocking threads"),
    Server("busy", "uwsgi", "pyuwsgi", f"{_UWSGI} --processes 4 --http 127.0.0.1:{{port}} --http-keepalive", _ROUTER),
    Server("busy", "uvicorn", "uvicorn", f"{_UVICORN} --port {{port}} --workers 4 sleeps_asgi:app", "ASGI: it sleeps in the loop, and holds nobody up"),
)

WAITING: Final = (
    Server("waiting", "heeler-sync-request", "heeler", f"{_HEELER} -w 8 -k sync --dispatch request sleeps:app", worker_class="sync"),
    Server("waiting", "heeler-thread-request", "heeler", f"{_HEELER} -w 4 -k thread --threads 2 --dispatch request sleeps:app", worker_class="thread"),
    Server("waiting", "heeler-sync-kernel", "heeler", f"{_HEELER} -w 8 -k sync --dispatch kernel sleeps:app", worker_class="sync"),
    Server("waiting", "heeler-thread-kernel", "heeler", f"{_HEELER} -w 4 -k thread --threads 2 --dispatch kernel sleeps:app", worker_class="thread"),
    Server("waiting", "gunicorn-sync", "gunicorn", f"{_GUNICORN} -w 8 -k sync sleeps:app", _NO_KEEP_ALIVE),
    Server("waiting", "gunicorn-gthread", "gunicorn", f"{_GUNICORN} -w 8 -k gthread --threads 1 sleeps:app"),
    Server("waiting", "granian-wsgi", "granian", f"{_GRANIAN} --workers 8 --blocking-threads 1 sleeps:app", "one blocking thread"),
    Server("waiting", "uwsgi-socket", "pyuwsgi", f"{_UWSGI} --processes 8 --http-socket 127.0.0.1:{{port}}", _NO_ROUTER),
    Server("waiting", "uwsgi", "pyuwsgi", f"{_UWSGI} --processes 8 --http 127.0.0.1:{{port}} --http-keepalive", _ROUTER),
)

LISTENING: Final = (
    Server("listener", "heeler-kernel", "heeler", f"{_HEELER} -w 4 -k sync --dispatch kernel hello:app", worker_class="sync"),
    Server("listener", "heeler-connection", "heeler", f"{_HEELER} -w 4 -k sync --dispatch connection hello:app", worker_class="sync"),
    Server("listener", "heeler-request", "heeler", f"{_HEELER} -w 4 -k sync --dispatch request hello:app", worker_class="sync"),
)
# fmt: on
