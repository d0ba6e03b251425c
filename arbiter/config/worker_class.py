"""From what `worker_class` says to a class that is fit to serve.

Names no worker class of ours but in the table of what Gunicorn's users write.
"""

from typing import TYPE_CHECKING, Final

from heeler.plugins.errors import PluginInvalid
from heeler.plugins.registry import API_VERSION, Plugin, check_requirements, find_worker

if TYPE_CHECKING:
    from heeler.workers.base import Worker

_GUNICORN: Final = {
    "gunicorn.workers.sync.SyncWorker": "sync",
    "gthread": "thread",
    "gunicorn.workers.gthread.ThreadWorker": "thread",
    "gevent_pywsgi": "gevent",
    "gevent_wsgi": "gevent",
    "gunicorn.workers.ggevent.GeventWorker": "gevent",
    "gunicorn.workers.ggevent.GeventPyWSGIWorker": "gevent",
    "gunicorn.workers.geventlet.EventletWorker": "eventlet",
    "asgi": "asyncio",
    "gunicorn.workers.gasgi.ASGIWorker": "asyncio",
}
"""Gunicorn's names for worker classes, and ours."""

_FOREIGN: Final = {
    "uvicorn.workers.UvicornWorker": "asyncio",
    "uvicorn.workers.UvicornH11Worker": "asyncio",
    "uvicorn_worker.UvicornWorker": "asyncio",
    "uvicorn_worker.UvicornH11Worker": "asyncio",
    "aiohttp.GunicornWebWorker": "asyncio",
    "aiohttp.worker.GunicornWebWorker": "asyncio",
    "aiohttp.GunicornUVLoopWebWorker": "asyncio",
    "geventwebsocket.gunicorn.workers.GeventWebSocketWorker": "gevent",
    "uvicorn.workers.UvicornWebSocketWorker": "asyncio",
    "hypercorn.workers.HypercornAsyncioWorker": "asyncio",
    "meinheld.gmeinheld.MeinheldWorker": "sync",
    "egg:meinheld#gunicorn_worker": "sync",
    "tornado": "asyncio",
    "gunicorn.workers.gtornado.TornadoWorker": "asyncio",
}
"""Worker classes written for Gunicorn, which do not fit here, and what does their work."""

_WITH_THREADS: Final = {"sync": "thread"}
"""What Gunicorn takes instead where `threads` is more than one."""


def resolve(named: str | type, threads: int = 1) -> "tuple[Plugin, type[Worker]]":
    """Return the plugin that `named` means and its class, checked against the contract.

    Args:
        named: the worker class as it was named.
        threads: how many a worker shall have.

    Raises:
        PluginError: there is none, or it does not fit; the message says what would.
    """
    plugin = _find(named)
    if threads > 1 and plugin.name in _WITH_THREADS and plugin == find_worker(plugin.name):
        plugin = find_worker(_WITH_THREADS[plugin.name])
    return plugin, check(plugin)


def check(plugin: Plugin) -> "type[Worker]":
    """Load a plugin and hold its class against the contract."""
    from heeler.workers.base import Worker

    loaded = plugin.load()
    if not issubclass(loaded, Worker):
        gunicorn = hasattr(loaded, "init_process") and hasattr(loaded, "init_signals")
        what = "is a worker class for Gunicorn" if gunicorn else "is no worker class"
        raise PluginInvalid(plugin.name, plugin.distribution, f"{what}; it must derive from heeler.workers.base.Worker")
    if loaded.api_version != API_VERSION:
        raise PluginInvalid(
            plugin.name,
            plugin.distribution,
            f"is written for version {loaded.api_version} of the worker API; this Heeler speaks version {API_VERSION}",
        )
    missing = ", ".join(sorted(getattr(loaded, "__abstractmethods__", ())))
    if missing:
        raise PluginInvalid(plugin.name, plugin.distribution, f"lacks {missing}, which a worker class must provide")
    check_requirements(plugin, tuple(loaded.requires))
    return loaded


def _find(named: str | type) -> Plugin:
    if isinstance(named, type):
        return find_worker(named)
    if named in _FOREIGN:
        raise PluginInvalid(named, None, f"is written for Gunicorn; say -k {_FOREIGN[named]}")
    named = named.removeprefix("egg:gunicorn#")
    if named.startswith("egg:") and "#" in named:
        named = named.removeprefix("egg:").replace("#", ":")
    return find_worker(_GUNICORN.get(named, named))
