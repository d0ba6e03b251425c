"""The hooks: functions of the config module that are called at named moments.

Names, arguments and moments are Gunicorn's.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Literal


@dataclasses.dataclass(frozen=True, slots=True)
class Hook:
    """A moment at which the operator's code may run.

    Args:
        name: as in the config module.
        arity: how many arguments it may take, in rising order; a function gets as many as it takes.
        process: which process calls it.
        when: the moment, for the docs.
    """

    name: str
    arity: tuple[int, ...]
    process: Literal["arbiter", "worker"]
    when: str


HOOKS: Final = (
    Hook("on_starting", (1,), "arbiter", "(server) before the listening sockets are made"),
    Hook("when_ready", (1,), "arbiter", "(server) once the first worker is ready; Gunicorn calls it before any is"),
    Hook("on_reload", (1,), "arbiter", "(server) in a reload, before the new workers are forked"),
    Hook("nworkers_changed", (3,), "arbiter", "(server, new, old) the number of workers changes; old is None at first"),
    Hook("pre_fork", (2,), "arbiter", "(server, worker) before a worker is forked"),
    Hook("child_exit", (2,), "arbiter", "(server, worker) after a worker was reaped"),
    Hook("pre_exec", (1,), "arbiter", "(server) in a re-exec, in the process that is about to become the new arbiter"),
    Hook("on_exit", (1,), "arbiter", "(server) last of all"),
    Hook("post_fork", (2,), "worker", "(server, worker) after the fork, before privileges are dropped"),
    Hook("post_worker_init", (1,), "worker", "(worker) the application is loaded, nothing is served yet"),
    Hook("worker_int", (1,), "worker", "(worker) on INT or QUIT"),
    Hook("worker_abort", (1,), "worker", "(worker) on ABRT, that is, when `timeout` ran out"),
    Hook("pre_request", (2,), "worker", "(worker, request) before the application is called"),
    Hook("post_request", (2, 3, 4), "worker", "(worker, request[, environ[, response]]) after the response, always"),
    Hook(
        "on_request_timeout",
        (2, 3),
        "worker",
        "(worker, request[, stacks]) a request has taken longer than `request_timeout`; in a thread of its own,"
        " a greenlet in `gevent` and `eventlet`; Gunicorn has none",
    ),
    Hook("worker_exit", (2,), "worker", "(server, worker) last in a worker"),
)


# Any: a hook takes what its moment has to give, and its result is dropped.
def fit(hook: Hook, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, or a wrapper of it, that takes all the arguments the hook has to give.

    Raises:
        ValueError: it takes none of the numbers of arguments that the hook allows.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C have none
        return function
    for count in reversed(hook.arity):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return function if count == hook.arity[-1] else _cut(function, count)
    allowed = " or ".join(map(str, hook.arity))
    raise ValueError(f"takes other arguments than the {allowed} that it is called with: {hook.when}")


def _cut(function: Callable[..., Any], count: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def with_fewer(*arguments: object) -> object:
        return function(*arguments[:count])

    return with_fewer
