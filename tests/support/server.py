"""Runs a real `heeler` in processes of its own, for as long as a `with` block lasts.

    with Server("hello:app", "-w", "2") as server:
        response = get(server.address, "/")

What does it is the server of the conformance kit, whose applications are at home in `APPS`.
"""

import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from heeler.plugins.conformance import command
from heeler.plugins.conformance import server as kit
from heeler.plugins.conformance.command import Finished, environment
from heeler.plugins.conformance.server import StartError

__all__ = ["APPS", "ASGI_CLASSES", "SERVED", "WORKER_CLASSES", "WSGI_SLOTS", "Finished", "Server", "StartError"]
__all__ += ["environment", "heeler"]

APPS: Final = pathlib.Path(__file__).resolve().parents[1] / "apps"
"""The folder of the applications that tests serve; where a server starts unless told otherwise."""

WORKER_CLASSES: Final = ("sync", "thread", "gevent", "eventlet", "asyncio")
"""The built-in worker classes, which all serve WSGI; tests that hold for all of them are parametrised over it."""

WSGI_SLOTS: Final = {"sync": 1, "thread": 1, "asyncio": 4}
"""How many requests of a WSGI application run at once, of classes where that is few, unless told otherwise."""

ASGI_CLASSES: Final[tuple[str, ...]] = ("asyncio",)
"""Those that serve ASGI too."""

SERVED: Final = (*((name, "wsgi") for name in WORKER_CLASSES), *((name, "asgi") for name in ASGI_CLASSES))
"""Each worker class with each interface it serves."""


def heeler(
    *args: str,
    env: Mapping[str, str | None] | None = None,
    cwd: str | os.PathLike[str] = APPS,
    timeout_s: float = kit.START_S,
) -> Finished:
    """Run a `heeler` command that ends by itself."""
    return command.heeler(*args, env=env, cwd=cwd, timeout_s=timeout_s)


class Server(kit.Server):
    """A server, from ready to gone; it starts in `APPS`, or in its own folder when `files` are given.

    Args are those of the kit's.
    """

    def __init__(
        self,
        app: str | None,
        *args: str,
        bind: Sequence[str] = ("127.0.0.1:0",),
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        files: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
        pass_fds: Sequence[int] = (),
        tracebacks: bool = False,
        exit_status: int | None = 0,
        start_timeout_s: float = kit.START_S,
    ) -> None:
        super().__init__(
            app,
            *args,
            bind=bind,
            env=env,
            cwd=APPS if cwd is None and not files else cwd,
            files=files,
            python=python,
            pass_fds=pass_fds,
            tracebacks=tracebacks,
            exit_status=exit_status,
            start_timeout_s=start_timeout_s,
        )
