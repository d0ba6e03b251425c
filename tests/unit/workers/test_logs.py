"""The error log: the form of a line, escaping, failures to write, reopening, log configurations."""

import json
import logging
import logging.config
import os
import pathlib
import re
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from heeler.plugins.config import Config, Value
from heeler.plugins.errors import ConfigError, PluginInvalid, PluginNotFound
from heeler.workers import log_format
from heeler.workers.access_log import AccessLog, AccessLogger
from heeler.workers.log_file import LogFile, owner_of
from heeler.workers.logs import NAMES, Logs, event

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d{4} \[(\d+)\] ([A-Z]+) +(.*)")


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """Whatever a test does to the loggers is undone."""
    names = (None, *NAMES, "gunicorn.error", "gunicorn.access")
    kept = [
        (logger, logger.handlers[:], logger.level, logger.propagate, logger.disabled)
        for logger in map(logging.getLogger, names)
    ]
    yield
    for logger, handlers, level, propagate, disabled in kept:
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
        logger.disabled = disabled


def config(**values: object) -> Config:
    """Return settings, each from `test`."""
    return Config({name: Value(value, "test") for name, value in values.items()})


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """An error log."""
    return tmp_path / "error.log"


@pytest.fixture
def logs(path: pathlib.Path) -> Iterator[Logs]:
    """Logs that write there."""
    made = Logs.setup(config(errorlog=str(path)))
    yield made
    made.close()


def messages(path: pathlib.Path) -> list[str]:
    """Return the messages of a log, each of which must have the form of a line."""
    found = [LINE.fullmatch(line) for line in path.read_text().splitlines() if not line.startswith("    ")]
    return [one[3] for one in found if one] if all(found) else pytest.fail(path.read_text())


def test_event(logs: Logs, path: pathlib.Path) -> None:
    """An event is a phrase and its fields, after time, process and level."""
    event(logs.worker, logging.INFO, "worker ready", slot=2, took=0.12345, ok=True, none=None, name="a b", level=1)
    found = LINE.fullmatch(path.read_text().rstrip("\n"))
    assert found
    assert found[1] == str(os.getpid())
    assert found[2] == "INFO"
    assert found[3] == 'worker ready slot=2 took=0.123 ok=true none=- name="a b" level=1'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain/word:1", "plain/word:1"),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        ("back\\slash", r'"back\\slash"'),
        ("line\nbreak\r\x1b[31m\x7f", r'"line\x0abreak\x0d\x1b[31m\x7f"'),
        ("\u202eevil", r'"\u202eevil"'),
        ("\udcff", r'"\udcff"'),
        ("\U000e0041", r'"\U000e0041"'),
        ("caf\xe9", '"caf\xe9"'),
        (b'caf\xc3\xa9\x00"', r'"caf\xc3\xa9\x00\x22"'),
        (b"ok", "ok"),
        (pathlib.Path("/a b"), '"/a b"'),
        (stat.ST_MODE, "0"),
    ],
)
def test_quote(value: object, shown: str) -> None:
    """A value is one word, or stands in quotes, and holds nothing that is not printable."""
    assert log_format.quote(value) == shown


@given(st.text() | st.binary())
def test_quote_is_one_line(value: str | bytes) -> None:
    """Whatever the value, it ends neither the line nor the field."""
    shown = log_format.quote(value)
    assert shown.isprintable()
    assert re.fullmatch(r'[^ "=\\]+|"(?:[^"\\]|\\.)*"', shown)


def test_level_off(logs: Logs, path: pathlib.Path) -> None:
    """An event below the level is not even formatted."""

    class Dear:
        @override
        def __str__(self) -> str:
            raise AssertionError("formatted")

    event(logs.worker, logging.DEBUG, "x", value=Dear())
    assert path.read_text() == ""


def test_traceback(logs: Logs, path: pathlib.Path) -> None:
    """A traceback is indented, so that no text in it can be taken for another entry."""
    forged = "2026-01-01 00:00:00.000 +0000 [1] INFO  forged\x1b[2J"
    try:
        raise ValueError(f"x\n{forged}")
    except ValueError as error:
        event(logs.error, logging.ERROR, "request failed", exc_info=error)
    assert messages(path) == ["request failed"]
    text = path.read_text()
    assert "\n    Traceback (most recent call last):\n" in text
    assert f"\n    {forged[:-4]}\\x1b[2J\n" in text


def test_block(logs: Logs, path: pathlib.Path) -> None:
    """A block of text follows its entry, indented."""
    event(logs.arbiter, logging.ERROR, "worker failed to boot", block="one\n  two\n")
    assert path.read_text().endswith("worker failed to boot\n    one\n      two\n")


def test_stdlib_call(logs: Logs, path: pathlib.Path) -> None:
    """The loggers can be used as any logger; further lines are indented, control characters escaped."""
    logs.worker.warning("hello %s", "wo\x1brld\nnext")
    assert messages(path) == [r"hello wo\x1brld"]
    assert path.read_text().endswith("\n    next\n")


def test_disabled_loggers_still_log(logs: Logs, path: pathlib.Path) -> None:
    """An application's dictConfig, which disables the loggers it does not name, does not silence the server."""
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})
    event(logs.worker, logging.INFO, "still here")
    assert messages(path) == ["still here"]


def test_full_disk(capfd: pytest.CaptureFixture[str]) -> None:
    """On a full disk nothing is raised and nothing printed; the loss is counted."""
    logs = Logs.setup(config(errorlog="/dev/full"))
    event(logs.error, logging.ERROR, "x")
    logs.error.error("%d", "no number")
    handler: Any = logging.getLogger("heeler").handlers[0]  # Any: FileHandler, whose `file` is looked at
    assert handler.file.dropped == 2
    logs.close()
    assert capfd.readouterr() == ("", "")


def test_closed_descriptor_and_recovery(path: pathlib.Path) -> None:
    """A log that can be written again says how much was lost."""
    logs = Logs.setup(config(errorlog=str(path)))
    handler: Any = logging.getLogger("heeler").handlers[0]  # Any: as above
    kept, handler.file.fd = handler.file.fd, -1
    event(logs.error, logging.ERROR, "one")
    event(logs.error, logging.ERROR, "two")
    handler.file.fd = kept
    event(logs.error, logging.ERROR, "three")
    event(logs.error, logging.ERROR, "four")
    logs.close()
    assert messages(path) == ["three", "log lines lost count=2", "four"]


def test_broken_handler(logs: Logs) -> None:
    """A third party's handler or filter that raises does not reach the server."""

    class Broken(logging.Handler):
        @override
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError

    logging.getLogger("heeler").addHandler(Broken())
    event(logs.error, logging.ERROR, "x")


def test_reopen(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A log that was moved away is made anew, behind the same descriptor."""
    access = tmp_path / "access.log"
    logs = Logs.setup(config(errorlog=str(path), accesslog=str(access)))
    assert isinstance(logs.access, AccessLog)
    before = logs.access.file.fd
    event(logs.worker, logging.INFO, "one")
    path.rename(path.with_suffix(".1"))
    access.rename(access.with_suffix(".1"))
    event(logs.worker, logging.INFO, "two")
    logs.reopen()
    event(logs.worker, logging.INFO, "three")
    assert messages(path.with_suffix(".1")) == ["one", "two"]
    assert messages(path) == ["logs reopened", "three"]
    assert access.exists()
    assert logs.access.file.fd == before
    assert not os.get_inheritable(before)
    logs.close()


def test_reopen_fails(tmp_path: pathlib.Path) -> None:
    """A log that cannot be made anew stays what it was, and says so."""
    folder = tmp_path / "logs"
    folder.mkdir()
    logs = Logs.setup(config(errorlog=str(folder / "error.log")))
    folder.rename(tmp_path / "moved")
    logs.reopen()
    event(logs.worker, logging.INFO, "on")
    logs.close()
    reason = f'log not reopened path={folder}/error.log reason="No such file or directory"'
    assert messages(tmp_path / "moved" / "error.log") == [reason, "logs reopened", "on"]


def test_standard_streams_are_not_opened() -> None:
    """`-` and the names of the standard streams mean the descriptors; they are never closed."""
    for name, fd in (("-", 7), ("/dev/stdout", 1), ("/dev/stderr", 2)):
        file = LogFile.open(name, 7)
        assert file.fd == fd
        file.reopen()
        file.close()
    os.fstat(1)


def test_relative_path(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the folder of the start, also when it is reopened."""
    monkeypatch.chdir(tmp_path)
    file = LogFile.open("x.log", 2)
    monkeypatch.chdir("/")
    (tmp_path / "x.log").unlink()
    file.reopen()
    file.close()
    assert (tmp_path / "x.log").exists()


def test_owner() -> None:
    """Log files belong to the worker's user, whose group is taken unless one is named."""
    assert owner_of(None, None) is None
    assert owner_of("root", None) == (0, 0)
    assert owner_of(None, "root") == (-1, 0)
    assert owner_of("54321", 12) == (54321, 12)
    assert owner_of(54321, None) == (54321, -1)
    assert owner_of("nobody-of-that-name", "no-such-group") == (-1, -1)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"errorlog": "/nowhere/x.log"}, r"errorlog = '/nowhere/x.log' \(test\): cannot be opened: No such file"),
        ({"accesslog": "/"}, r"accesslog = '/' \(test\): cannot be opened: Is a directory"),
        ({"accesslog": "-", "access_log_format": "%(S)s"}, r"access_log_format = .* did you mean %\(s\)s\?"),
        ({"loglevel": "loud"}, r"loglevel = 'loud' \(test\): not one of debug, info"),
        ({"logconfig": "/nowhere.ini"}, r"logconfig = '/nowhere.ini' \(test\): no such file"),
        ({"logconfig": "/nowhere.json"}, r"logconfig .*No such file"),
        ({"logconfig_json": "/nowhere"}, r"logconfig_json .*No such file"),
        ({"logconfig_dict": {"handlers": {"x": {"class": "no.Such"}}}}, r"logconfig_dict \(test\): Unable to con.*'x'"),
        ({"logconfig_dict": {"version": 2}}, r"Unsupported version: 2"),
    ],
)
def test_wrong_settings(settings: dict[str, object], reason: str) -> None:
    """What is wrong is refused in one line; the loggers stay what they were."""
    before = [(logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in NAMES]
    with pytest.raises(ConfigError, match=reason) as caught:
        Logs.setup(config(**settings))
    assert "\n" not in str(caught.value)
    assert before == [(logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in NAMES]


def file_handler(path: pathlib.Path) -> dict[str, object]:
    """Return the dictConfig of a handler that writes there."""
    return {"class": "logging.FileHandler", "filename": str(path), "formatter": "f"}


def dict_config(path: pathlib.Path, **loggers: object) -> dict[str, object]:
    """Return a dictConfig with one handler `h`."""
    return {
        "version": 1,
        "formatters": {"f": {"format": "%(name)s|%(message)s"}},
        "handlers": {"h": file_handler(path)},
        **loggers,
    }


def test_log_config_root(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A log configuration with root handlers gets every event, and Heeler's own handler none."""
    found = tmp_path / "root.log"
    settings = dict_config(found, root={"handlers": ["h"], "level": "INFO"})
    logs = Logs.setup(config(errorlog=str(path), logconfig_dict=settings))
    event(logs.worker, logging.INFO, "worker ready", slot=1)
    assert logs.access is None
    logs.close()
    assert found.read_text() == "heeler.worker|worker ready slot=1\n"
    assert path.read_text() == ""


def test_log_config_json_file(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A JSON file may name one of our loggers; the others keep Heeler's own handler."""
    found, file = tmp_path / "error.own", tmp_path / "log.json"
    logging.root.handlers.clear()  # pytest has some there
    file.write_text(json.dumps(dict_config(found, loggers={"heeler.error": {"handlers": ["h"]}})))
    logs = Logs.setup(config(errorlog=str(path), logconfig=str(file)))
    event(logs.error, logging.ERROR, "request failed")
    event(logs.worker, logging.INFO, "worker ready")
    logs.close()
    assert found.read_text() == "heeler.error|request failed\n"
    assert messages(path) == ["worker ready"]


INI = """\
[loggers]
keys=root,access,error
[handlers]
keys=h
[formatters]
keys=f
[logger_root]
handlers=
[logger_error]
qualname=gunicorn.error
handlers=h
propagate=0
[logger_access]
qualname=gunicorn.access
handlers=h
propagate=0
level=INFO
[handler_h]
class=FileHandler
args=({path!r},)
formatter=f
[formatter_f]
format=%(name)s|%(message)s
"""


def test_log_config_of_gunicorn(path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """A log configuration written for Gunicorn's loggers works as it is, reopening included."""
    found, file = tmp_path / "both.log", tmp_path / "log.ini"
    file.write_text(INI.replace("{path!r}", repr(str(found))))
    logs = Logs.setup(config(errorlog=str(path), logconfig=str(file)))
    event(logs.worker, logging.INFO, "one")
    assert isinstance(logs.access, AccessLogger)
    found.rename(tmp_path / "moved.log")
    logs.reopen()
    event(logs.worker, logging.INFO, "two")
    logs.close()
    assert (tmp_path / "moved.log").read_text() == "heeler.worker|one\n"
    assert found.read_text() == "heeler.arbiter|logs reopened\nheeler.worker|two\n"
    assert path.read_text() == ""


class Counting(Logs):
    """A logger class of a third party."""

    @override
    def make_access(self) -> None:
        """There is no access log."""


def test_logger_class() -> None:
    """`logger_class` names the class that makes the logs, and anything else is refused."""
    made = Logs.setup(config(logger_class=Counting))
    assert isinstance(made, Counting)
    made.close()
    with pytest.raises(PluginInvalid, match=r"does not derive from heeler.workers\.logs:Logs"):
        Logs.setup(config(logger_class="json:JSONDecoder"))
    with pytest.raises(PluginNotFound, match="no logger class of that name"):
        Logs.setup(config(logger_class="no-such-logger"))
