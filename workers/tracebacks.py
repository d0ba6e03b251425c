"""Tracebacks as an application's author wants them: without the frames of Heeler and of the import system."""

import functools
import importlib
import os
import sys
import traceback
import types

import heeler


@functools.cache
def _ours() -> tuple[str, ...]:
    package = os.path.dirname(os.path.abspath(heeler.__file__)) + os.sep
    return (package, "<frozen importlib", os.path.abspath(importlib.__file__))


def traceback_of(error: BaseException) -> str:
    """Return the traceback of `error` and of its causes, without frames of Heeler and importlib.

    Where a module is missing, a last line says in which environment.
    """
    told = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    _strip(told, seen)
    text = "".join(told.format()).rstrip("\n")
    if isinstance(error, ModuleNotFoundError) and error.name and "." not in error.name:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        text += f"\n{error.name!r} is not installed in {sys.prefix} (Python {version})"
    return text


def is_from_application(error: BaseException) -> bool:
    """Tell whether code other than ours and importlib's raised `error`."""
    frame: types.TracebackType | None = error.__traceback__
    while frame:
        if not _is_ours(frame.tb_frame.f_code.co_filename):
            return True
        frame = frame.tb_next
    return False


def _is_ours(file_name: str) -> bool:
    return file_name.startswith(_ours())


def _strip(told: traceback.TracebackException, seen: set[int]) -> None:
    if id(told) in seen:
        return
    seen.add(id(told))
    kept = [frame for frame in told.stack if not _is_ours(frame.filename)]
    told.stack = traceback.StackSummary.from_list(kept)
    for linked in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if linked is not None:
            _strip(linked, seen)
