"""The sources of settings laid over each other, before anything is parsed."""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from heeler.arbiter.config import environment, flags, module
from heeler.arbiter.config.module import Assignment
from heeler.plugins.errors import UsageError
from heeler.plugins.setting import Setting

COMMAND_LINE = "command line"


@dataclasses.dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was given.

    Args:
        name: the setting's name, or one of Gunicorn's.
        value: a text, a switch's value, or any object from the config module.
        source: as people would say it.
    """

    name: str
    value: object
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class Layers:
    """All sources, read once: the config module has been run.

    Args:
        module: what the config module sets.
        environ: the variables.
        command_line: its flags and words.
        cmd_args: those of HEELER_CMD_ARGS.
        program: what a program says, in place of module, HEELER_CMD_ARGS and command line.
    """

    module: Mapping[str, Assignment]
    environ: Mapping[str, str]
    command_line: flags.Given
    cmd_args: flags.Given
    program: Mapping[str, Assignment] = dataclasses.field(default_factory=dict)

    def given(self, settings: Sequence[Setting]) -> Iterator[Raw]:
        """Yield all that is given, the lowest layer first."""
        ours = {alias: setting.name for setting in settings for alias in setting.aliases}
        for name, assignment in self.module.items():
            yield Raw(ours.get(name, name), assignment.value, assignment.source)
        for name, value, source in environment.given(settings, self.environ):
            yield Raw(name, value, source)
        for name, value in self.cmd_args.values.items():
            yield Raw(name, value, f"environment {environment.CMD_ARGS}")
        for name, value in self.command_line.values.items():
            yield Raw(name, value, COMMAND_LINE)
        for name, assignment in self.program.items():
            yield Raw(ours.get(name, name), assignment.value, assignment.source)

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments that are no flags; those of the command line win."""
        return self.command_line.words or self.cmd_args.words

    @property
    def words_source(self) -> str:
        """Where `words` come from."""
        return COMMAND_LINE if self.command_line.words else f"environment {environment.CMD_ARGS}"


def read(argv: Sequence[str], environ: Mapping[str, str], directory: Path, settings: Sequence[Setting]) -> Layers:
    """Read all sources; flags that `settings` does not know stay unread for now.

    Raises:
        HeelerError: the config module is wrong, or a flag lacks its value.
    """
    command_line, cmd_args = read_flags(argv, environ, settings)
    named = command_line.values.get("config", cmd_args.values.get("config", environ.get("HEELER_CONFIG") or None))
    return Layers(module.read(str(named) if named is not None else None, directory), environ, command_line, cmd_args)


def read_flags(
    argv: Sequence[str], environ: Mapping[str, str], settings: Sequence[Setting]
) -> tuple[flags.Given, flags.Given]:
    """Return what the command line gives, and HEELER_CMD_ARGS."""
    parser = flags.parser(settings)
    try:
        words = shlex.split(environ.get(environment.CMD_ARGS, ""))
    except ValueError as error:
        raise UsageError(f"environment {environment.CMD_ARGS}: {error}") from error
    return flags.read(parser, argv), flags.read(parser, words)
