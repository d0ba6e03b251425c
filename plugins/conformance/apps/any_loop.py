"""Waiting on whatever loop the worker class brings."""

import sys

from heeler.plugins.conformance.apps import common


async def pause(seconds: float) -> None:
    """Let others run for a while."""
    # Not imported here: a class that runs on another loop may do without it.
    trio = sys.modules.get("trio")
    if trio is not None and _is_inside(trio):
        await trio.sleep(seconds)
        return
    import asyncio

    await asyncio.sleep(seconds)


def _is_inside(trio: object) -> bool:
    try:
        trio.lowlevel.current_task()  # type: ignore[attr-defined]
    except RuntimeError:
        return False
    return True


async def wait_for(gate: str) -> None:
    """Wait until the check opens the gate."""
    for _ in range(common.STEPS):
        if common.is_open(gate):
            return
        await pause(common.PAUSE_S)
