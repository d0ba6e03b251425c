"""The maker: starts servers for the checks, with the worker class that is under test."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self

from heeler.plugins.conformance.client import Client
from heeler.plugins.conformance.command import Finished, heeler
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import Failed, expect, promise
from heeler.plugins.registry import find_worker

APPS: Final = pathlib.Path(__file__).resolve().parent / "apps"
HTTP: Final = ("asgi", "wsgi")
"""The interfaces that are HTTP, the one that a class is tried with first where it has both."""

QUICK_UPLOAD_BYTES: Final = 32 << 20
FULL_UPLOAD_BYTES: Final = 1 << 30


@dataclasses.dataclass(frozen=True, slots=True)
class Probe:
    """A question and its answer, in the protocol of a worker class that speaks no HTTP.

    Args:
        send: what a client sends.
        expect: what the server sends back, to the byte.
    """

    send: bytes
    expect: bytes


class Maker:
    """Starts servers with one worker class.

    Args:
        worker_class: as `-k` takes it.
        args: settings that every server gets (`"--threads", "2"`).
        interface: `wsgi`, `asgi`, or `""` for a class without HTTP; by default what the class prefers.
        env: changes to the environment of every server, None removes a variable.
        probe: how to speak to a class without HTTP; without one its connections are only opened.
        quick: False has the checks take the time that sizes and counts of real life need.
        patience_s: how long a check waits for what must come.
    """

    def __init__(
        self,
        worker_class: str,
        *args: str,
        interface: str | None = None,
        env: Mapping[str, str | None] | None = None,
        probe: Probe | None = None,
        quick: bool = True,
        patience_s: float = 10.0,
    ) -> None:
        self.worker_class: Final = worker_class
        self.args: Final = args
        self.env: Final = dict(env or {})
        self.probe: Final = probe
        self.quick: Final = quick
        self.patience_s: Final = patience_s
        self._interface = interface
        self._shared: Server | None = None
        self._sharing: Final = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @functools.cached_property
    def interfaces(self) -> frozenset[str]:
        """The kinds of application that the class serves."""
        found: frozenset[str] = find_worker(self.worker_class).load().interfaces  # type: ignore[attr-defined]
        return frozenset(found)

    @property
    def interface(self) -> str:
        """The kind of application that the checks have served: `wsgi`, `asgi`, or `""` without HTTP."""
        if self._interface is None:
            self._interface = next((one for one in HTTP if one in self.interfaces), "")
        return self._interface

    @property
    def is_http(self) -> bool:
        """Whether the class speaks HTTP."""
        return bool(self.interface)

    @property
    def upload_bytes(self) -> int:
        """How large a large upload is."""
        return QUICK_UPLOAD_BYTES if self.quick else FULL_UPLOAD_BYTES

    # -- servers

    def app(self, name: str) -> str:
        """Return the application `name` of the kit, as the command line names it."""
        own = APPS / f"{self.interface or 'wsgi'}_{name}.py"
        return f"{own if own.exists() else APPS / f'{name}.py'}:app"

    def serve(
        self,
        *args: str,
        app: str | None = None,
        bind: str = "127.0.0.1:0",
        exit_status: int | None = 0,
        tracebacks: bool = False,
    ) -> Server:
        """Return a server that is to be entered.

        Args:
            args: settings of this one.
            app: the application as the command line names it; by default the site of the kit.
            bind: where it listens.
            exit_status: what its end must give; None = anything.
            tracebacks: True where the log is expected to hold a traceback.
        """
        return Server(
            app or self.app("site"),
            *("-k", self.worker_class, *self.args, *args),
            bind=(bind,),
            env=self.env,
            exit_status=exit_status,
            tracebacks=tracebacks,
            start_timeout_s=self.patience_s * 2,
            stop_timeout_s=self.patience_s,
        )

    def shared(self) -> Server:
        """Return a server that all checks share which leave no trace on it."""
        with self._sharing:
            if self._shared is None:
                server = self.serve(tracebacks=True, exit_status=None)
                server.__enter__()
                self._shared = server
            return self._shared

    def close(self) -> None:
        """Stop the server that checks share.

        Raises:
            AssertionError: it does not end as it should.
        """
        server, self._shared = self._shared, None
        if server is not None:
            server.__exit__(None, None, None)

    def run(self, *args: str) -> Finished:
        """Run a `heeler` command with the class under test, in an empty folder; it must end by itself.

        Raises:
            Failed: it does not.
        """
        with tempfile.TemporaryDirectory(prefix="heeler-test-") as folder:
            try:
                words = (*args, "-k", self.worker_class, *self.args)
                return heeler(*words, env=self.env, cwd=folder, timeout_s=self.patience_s * 2)
            except subprocess.TimeoutExpired as error:
                raise Failed(f"`heeler {args[0]}` has not ended after {error.timeout} s") from error

    @functools.cached_property
    def settings(self) -> frozenset[str]:
        """The names of the settings that a server with this class has."""
        return frozenset(json.loads(self.run("config", "--json").stdout))

    # -- clients

    @contextlib.contextmanager
    def client(self, server: Server) -> Iterator[Client]:
        """Connect, as patient as the maker."""
        with Client(server.address, self.patience_s) as client:
            yield client

    def ask(self, server: Server, what: str = "a request is answered") -> None:
        """Have one request served, over a connection of its own: HTTP, or the probe.

        Raises:
            Failed: it is not.
        """
        with promise(what), self.client(server) as client:
            self.ask_on(client)

    def ask_on(self, client: Client) -> None:
        """Have one request served over `client`."""
        if self.is_http:
            response = client.request("GET", "/")
            expect((response.status, response.body) == (200, b"hello"), f"answered with {response}")
        elif self.probe is not None:
            client.send(self.probe.send)
            found = client.read_bytes(len(self.probe.expect))
            expect(found == self.probe.expect, f"answered with {found!r}, not {self.probe.expect!r}")
