"""Bytes that are too many for memory, on disk without a name."""

import io
import os
import tempfile


def open_spool(directory: str | None) -> io.FileIO:
    """Return an empty file that is gone when it is closed.

    It has no buffer: on a full disk `write_all` fails, and closing never does.

    Args:
        directory: where to make it; None is the system's folder for temporary files.

    On a machine where nothing may be written to disk, memory (memfd_create) serves.

    Raises:
        OSError: neither can be had.
    Blocking: may wait for the disk.
    """
    try:
        return tempfile.TemporaryFile(dir=directory, buffering=0)
    except OSError:
        if directory is not None or not hasattr(os, "memfd_create"):
            raise
        return open(os.memfd_create("heeler-spool", os.MFD_CLOEXEC), "w+b", buffering=0)


def write_all(file: io.FileIO, data: bytes | memoryview) -> None:
    """Write all of `data` where the file stands.

    Raises:
        OSError: the disk is full; a part of `data` may stand in the file.
    Blocking: may wait for the disk.
    """
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
