"""From what `worker_class` says to a class that is fit to serve.

Names no worker class of ours but in the table of what Gunicorn's users write.
"""

from typing import TYPE_CHECKING, Final

from heeler.plugins.errors import PluginInvalid, PluginNotFound
from heeler.plugins.registry import API_VERSION, Plugin, check_requirements, find_worker, workers

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
    "meinheld.gmeinheld.MeinheldWorker": "sync",
    "egg:meinheld#gunicorn_worker": "sync",
    "tornado": "asyncio",
    "gunicorn.workers.gtornado.TornadoWorker": "asyncio",
}
"""Worker classes written for Gunicorn, which do not fit here, and what does their work."""


def resolve(named: str | type) -> "tuple[Plugin, type[Worker]]":
    """Return the plugin that `named` means and its class, checked against the contract.

    Raises:
        PluginError: there is none, or it does not fit; the message says what would.
    """
    plugin = _find(named)
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
        ours = _FOREIGN[named]
        raise PluginInvalid(named, None, f"is written for Gunicorn; {_answer(ours)}")
    if named.startswith("egg:") and "#" in named:
        named = named.removeprefix("egg:").replace("#", ":")
    if named not in _GUNICORN:
        return find_worker(named)
    ours = _GUNICORN[named]
    try:
        return find_worker(ours)
    except PluginNotFound as error:
        raise PluginNotFound(named, None, f"is `{ours}` here, {_MISSING}{_known()}") from error


_MISSING: Final = "which is not in this version yet"


def _answer(ours: str) -> str:
    names = {plugin.name for plugin in workers()}
    return f"say -k {ours}" if ours in names else f"`{ours}` does its work here, {_MISSING}{_known()}"


def _known() -> str:
    return f" (installed: {', '.join(sorted({plugin.name for plugin in workers()}))})"
