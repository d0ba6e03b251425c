"""The descriptor on which the server says where it listens."""

import os

import pytest

from heeler.arbiter.ready_fd import ReadyFd
from heeler.plugins.config import Config, Value
from heeler.plugins.errors import ConfigError


def config(fd: int | None) -> Config:
    """Settings of which only this one is read."""
    return Config({"ready_fd": Value(fd, "command line")})


def test_descriptor_is_closed_once() -> None:
    """Its number may be something else's by then: a child that lets go of it again must not close that."""
    reader, writer = os.pipe()
    ready = ReadyFd(config(writer))
    ready.announce([])
    assert os.read(reader, 1) == b""
    os.dup2(reader, writer)  # the number is taken again
    ready.close()
    os.fstat(writer)
    os.close(reader)
    os.close(writer)


def test_descriptor_that_is_not_open_is_refused() -> None:
    """It would be the number of something that the server opens for itself."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(ConfigError, match=r"ready_fd = \d+ \(command line\): no such descriptor"):
        ReadyFd(config(writer))


def test_standard_stream_is_not_left_closed() -> None:
    """What the application prints must not go into the file that is opened next."""
    kept, (reader, writer) = os.dup(1), os.pipe()
    try:
        os.dup2(writer, 1)
        os.close(writer)
        ReadyFd(config(1)).announce([])
        assert os.read(reader, 1) == b""
        assert os.readlink("/proc/self/fd/1") == os.devnull
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(reader)


def test_nobody_asked_for_it() -> None:
    """Nothing happens."""
    ready = ReadyFd(config(None))
    ready.announce([])
    ready.close()
