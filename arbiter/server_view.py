"""What hooks see of the server and of a worker that is not in their process."""

import dataclasses
import logging
from collections.abc import Callable

from typing_extensions import override

from heeler.plugins.config import Config
from heeler.workers.logs import Logs, event
from heeler.workers.sources import Listener


@dataclasses.dataclass(slots=True)
class ServerView:
    """The `server` of the hooks.

    Args:
        cfg: the settings in force.
        log: a logger: `server.log.info(...)`.
        pid: the arbiter's process id.
        num_workers: how many workers are wanted.
        LISTENERS: the listening sockets.
        WORKERS: the workers by process id.
    """

    cfg: Config
    log: logging.Logger
    pid: int
    num_workers: int
    LISTENERS: list[Listener]
    WORKERS: dict[int, "WorkerView"] = dataclasses.field(default_factory=dict)

    @property
    def address(self) -> list[str]:
        """The addresses served on."""
        return [str(listener.address) for listener in self.LISTENERS]


@dataclasses.dataclass(slots=True)
class WorkerView:
    """The `worker` of `pre_fork` and `child_exit`, which run in the arbiter.

    Args:
        age: counts children since the start.
        slot: its place; a replacement has the same.
        generation: counts reloads.
        cfg: the settings in force.
        log: a logger.
        pid: 0 before the fork.
    """

    age: int
    slot: int
    generation: int
    cfg: Config
    log: logging.Logger
    pid: int = 0

    @override
    def __str__(self) -> str:
        return f"<Worker {self.pid}>"


class Hooks:
    """Calls the operator's hooks in the arbiter; what they raise is logged and goes no further."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs

    def call(self, config: Config, name: str, *arguments: object) -> None:
        """Call the hook `name`, if `config` has one.

        Raises:
            SystemExit: by `on_starting`: the operator refuses to begin.
        """
        hook: Callable[..., object] | None = getattr(config, name, None)
        if hook is None:
            return
        try:
            hook(*arguments)
        except BaseException as error:
            if isinstance(error, SystemExit) and name == "on_starting":
                raise
            event(self.logs.error, logging.ERROR, "hook failed", exc_info=error, hook=name)
