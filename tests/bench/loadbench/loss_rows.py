"""The servers whose losses are counted, one line each.

Ours are started with `-k CLASS --dispatch DISPATCH` and the words here; the commands of the others have the
placeholders of `servers.py`. There are so many workers that there is room while one is away: the load keeps
about four requests running.
"""

from typing import Final

from loadbench.servers import Server

DISPATCHES: Final = ("kernel", "connection", "request")

WORDS: Final = {
    "sync": ("-w", "8", "boots_slowly:app"),
    "thread": ("-w", "4", "--threads", "4", "boots_slowly:app"),
    "gevent": ("-w", "4", "boots_slowly:app"),
    "eventlet": ("-w", "4", "boots_slowly:app"),
    "asyncio": ("-w", "4", "boots_slowly:asgi_app"),
}
"""What a class is started with."""

_GUNICORN = "{bin}/gunicorn -b 127.0.0.1:{port}"
_UVICORN = (
    "{bin}/uvicorn --loop uvloop --http httptools --no-access-log --log-level warning --host 127.0.0.1 --port {port}"
)
_GRANIAN = "{bin}/granian --interface wsgi --host 127.0.0.1 --port {port}"


OURS: Final = tuple(
    Server(
        "loss",
        f"heeler-{name}-{dispatch}",
        "heeler",
        " ".join(("-k", name, "--dispatch", dispatch, *words)),
        worker_class=name,
    )
    for name, words in WORDS.items()
    for dispatch in DISPATCHES
)
# fmt: off
PEERS: Final = (
    Server("loss", "gunicorn-sync", "gunicorn", f"{_GUNICORN} -w 8 -k sync boots_slowly:app"),
    Server("loss", "gunicorn-gthread", "gunicorn", f"{_GUNICORN} -w 4 -k gthread --threads 4 boots_slowly:app"),
    Server("loss", "uvicorn", "uvicorn", f"{_UVICORN} --workers 2 boots_slowly:asgi_app"),
    Server("loss", "granian", "granian", f"{_GRANIAN} --workers 2 --blocking-threads 4 boots_slowly:app"),
)
# fmt: on
