"""Bytes that are too many for memory, on disk without a name."""

import os
import tempfile
from typing import IO


def open_spool(directory: str | None) -> IO[bytes]:
    """Return an empty file that is gone when it is closed.

    Args:
        directory: where to make it; None is the system's folder for temporary files.

    On a machine where nothing may be written to disk, memory (memfd_create) serves.

    Raises:
        OSError: neither can be had.
    Blocking: may wait for the disk.
    """
    try:
        return tempfile.TemporaryFile(dir=directory)
    except OSError:
        if directory is not None or not hasattr(os, "memfd_create"):
            raise
        return os.fdopen(os.memfd_create("heeler-spool", os.MFD_CLOEXEC), "w+b")
