"""Which settings, logs and sockets each generation of children is born with.

Decides what a reload changes in the arbiter itself, when, and how it is taken back.
"""

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from heeler.arbiter import events
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.server_view import Hooks, ServerView
from heeler.arbiter.sockets import Bound, Sockets
from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError, HeelerError
from heeler.workers.logs import Logs, event
from heeler.workers.reload_history import Reload
from heeler.workers.scoreboard import Scoreboard
from heeler.workers.sources import Listener

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SHOWN: Final = {
    "under_way": Reload.UNDER_WAY,
    "done": Reload.DONE,
    "failed": Reload.FAILED,
    "superseded": Reload.SUPERSEDED,
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """What the children of one generation are born with."""

    loaded: Loaded
    logs: Logs
    bound: Sequence[Bound]

    def listeners_of(self, slot: int) -> list[Listener]:
        """Return the sockets for the workers of a slot, in the order of `bind`.

        Raises:
            OSError: one had to be bound for a new slot, and that was refused.
        """
        return [bound.of(slot) for bound in self.bound]


class Generations:
    """The settings in force, and those of a reload under way.

    Args:
        loaded: the settings of the first generation.
        logs: its logs.
        sockets: bound already.
        server: what hooks see; kept up to date.
    """

    def __init__(self, loaded: Loaded, logs: Logs, sockets: Sockets, server: ServerView) -> None:
        self._serving = Settings(loaded, logs, sockets.bound)
        self._coming: Settings | None = None
        self._coming_number = 0
        self._newest = 0
        self._sockets: Final = sockets
        self._server: Final = server

    @property
    def loaded(self) -> Loaded:
        """The settings in force."""
        return self._serving.loaded

    @property
    def logs(self) -> Logs:
        """The logs that the arbiter itself writes: the newest."""
        return (self._coming or self._serving).logs

    @property
    def listeners(self) -> Sequence[Listener]:
        """The listening sockets in force."""
        return self._serving.listeners_of(1)

    def of(self, generation: int) -> Settings:
        """Return what children of a generation are born with."""
        if self._coming is not None and generation == self._coming_number:
            return self._coming
        return self._serving

    def own_listeners(self) -> list[Listener]:
        """Return all sockets in force that are a slot's own."""
        return [listener for bound in self._serving.bound for listener in bound.own]

    def call_hook(self, name: str, *arguments: object) -> None:
        """Call a hook of the settings in force."""
        Hooks(self.logs).call(self.loaded.config, name, *arguments)

    def log(self, line: events.Log) -> None:
        """Write a line of the arbiter's own."""
        fields: dict[str, Any] = dict(line.fields)  # Any: each value has a type of its own
        event(self.logs.arbiter, _LEVELS[line.level], line.phrase, block=line.block, **fields)

    def prepare(self, check: Callable[[Config], None]) -> Loaded:
        """Read the settings again, open what they name, and take their environment.

        Args:
            check: refuses, by raising HeelerError, what this server has no room for.

        Returns:
            The settings that a new generation is to prove.

        Raises:
            HeelerError: something is wrong; nothing has changed then.
        """
        try:
            loaded = self.loaded.reload()
        except SystemExit as error:
            raise ConfigError(None, None, f"reading the settings raised {error!r}") from error
        given, loaded = loaded, self._with_what_stays(loaded)
        check(loaded.config)
        logs = self._open(loaded)
        self._warn_of_what_stays(given)
        self._drop_coming()
        loaded.enter(self.loaded)
        self._coming = Settings(loaded, logs, self._sockets.bound)
        self._server.cfg, self._server.LISTENERS = loaded.config, self._sockets.listeners
        if loaded.choice is not None:
            event(logs.arbiter, logging.INFO, "workers chosen", **loaded.choice.fields())
        Hooks(logs).call(loaded.config, "on_reload", self._server)
        return loaded

    def _staying(self, loaded: Loaded) -> Iterator[str]:
        """Yield the names of changed settings that only a new start can apply."""
        old = self.loaded.config
        for setting in loaded.settings:
            name = setting.name
            if not setting.reloadable and name in old and getattr(loaded.config, name) != getattr(old, name):
                yield name

    def _with_what_stays(self, loaded: Loaded) -> Loaded:
        """Return the same with their values in force: a worker of another dispatch, say, would serve nobody."""
        old, config = self.loaded.config, loaded.config
        for name in self._staying(loaded):
            config = config.replace(name, getattr(old, name), old.source(name))
        return dataclasses.replace(loaded, config=config)

    def _warn_of_what_stays(self, loaded: Loaded) -> None:
        """Say which they are."""
        for name in self._staying(loaded):
            given, in_force = getattr(loaded.config, name), getattr(self.loaded.config, name)
            event(
                self.logs.arbiter, logging.WARNING, "setting not reloaded", setting=name, given=given, in_force=in_force
            )
        if loaded.given is not None:  # the new workers inherit what the old ones have
            event(self.logs.arbiter, logging.WARNING, "application not reloaded", application=loaded.application)

    def _open(self, loaded: Loaded) -> Logs:
        # Before anything else: a directory that is gone must be found out while nothing has changed.
        if not os.path.isdir(loaded.config.chdir):
            raise ConfigError("chdir", loaded.config.source("chdir"), "no such directory", loaded.config.chdir)
        opened: list[Logs] = []
        # Not one after the other: a reload that is under way would be left with the sockets of this one.
        self._sockets.open(loaded.config, lambda: opened.append(Logs.setup(loaded.config)))
        return opened[0]

    def step(self, step: events.ReloadStep, board: Scoreboard) -> None:
        """Follow a reload to its next point."""
        if step.at == "under_way":
            self._coming_number = step.generation
        elif step.at == "committed":
            self._commit(step.generation, board)
        elif step.at == "failed" and step.generation == self._coming_number:
            self._take_back()
        self._newest = max(self._newest, step.generation)
        if step.at in _SHOWN:
            board.reloads.went(step.generation, _SHOWN[step.at], step.reason)
            if step.generation == self._newest:
                board.set("reload", _SHOWN[step.at])

    def _commit(self, generation: int, board: Scoreboard) -> None:
        assert self._coming is not None, "a generation came that nobody prepared"
        before, self._serving, self._coming = self._serving, self._coming, None
        before.logs.close()
        self._sockets.settle(keep_new=True)
        board.set("generation", generation)

    def _take_back(self) -> None:
        """The old settings are in force again, here too."""
        failed = self._coming
        if failed is None:
            return
        self._sockets.settle(keep_new=False)
        self._serving.loaded.enter(failed.loaded)
        self._coming = None
        try:
            logs = Logs.setup(self.loaded.config)
        except HeelerError as error:
            # Better the new logs than none; whoever reloads next will see this line in them.
            event(failed.logs.error, logging.WARNING, "logs not restored", reason=error)
            logs = failed.logs
        else:
            failed.logs.close()
        self._serving.logs.close()
        self._serving = Settings(self.loaded, logs, self._serving.bound)
        self._server.cfg, self._server.LISTENERS = self.loaded.config, self._sockets.listeners

    def _drop_coming(self) -> None:
        """Another reload takes the place of the one under way."""
        if self._coming is not None:
            self._coming.logs.close()
            self._serving.loaded.enter(self._coming.loaded)
            self._coming = None
