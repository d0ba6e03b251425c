"""Puts RequestTimeout into a thread that runs an application, and into nothing else that the thread does."""

import ctypes
import sys
import threading
import time
import types
from typing import Final

from heeler.plugins.errors import RequestTimeout
from heeler.workers.overrun import is_in_application

_raise_in: Final = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
_NOTHING: Final = ctypes.py_object()


class Interruption:
    """What may be raised in one thread, once for each `allow`.

    Between `allow` and `forbid` there is one token; who takes it decides: the thread itself, then nobody raises
    anything any more, or whoever interrupts, then the thread waits in `forbid` until the exception was raised.
    The interpreter delivers it between two steps of Python code; a thread that waits in C code gets it afterwards.

    Process: the worker; made by the thread itself.
    """

    __slots__ = ("_is_raised", "_thread", "_tokens")

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._tokens: list[None] = []
        self._is_raised = False

    @property
    def frame(self) -> types.FrameType | None:
        """Where the thread is."""
        return sys._current_frames().get(self._thread)  # noqa: SLF001 - there is no other name for it

    def allow(self) -> None:
        """From now on the thread runs an application."""
        self._is_raised = False
        self._tokens.append(None)

    def interrupt(self) -> bool:
        """Raise RequestTimeout in the thread; False where it is not in the application's code, now or any more."""
        if not is_in_application(self.frame):
            return False
        try:
            self._tokens.pop()
        except IndexError:
            return False
        _raise_in(self._thread, RequestTimeout)
        self._is_raised = True
        return True

    def forbid(self) -> None:
        """The application is done. Afterwards nothing is raised in the thread.

        Raises:
            RequestTimeout: it comes only now.
        """
        try:
            self._tokens.pop()
        except IndexError:
            while not self._is_raised:
                time.sleep(0.001)
            _raise_in(self._thread, _NOTHING)
