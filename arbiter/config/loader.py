"""Makes the settings in force from their sources.

default < config module < environment < HEELER_CMD_ARGS < command line. The uppermost
that sets a name wins; lists replace, never extend.
"""

import dataclasses
import importlib.util
import os
import sys
import types
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from heeler.arbiter.config import environment, flags, layers, surroundings, worker_class
from heeler.arbiter.config.absent import ABSENT
from heeler.arbiter.config.layers import Layers, Raw
from heeler.arbiter.config.module import Assignment
from heeler.arbiter.config.program import Program
from heeler.arbiter.config.static_interface import foresee
from heeler.arbiter.config.table import SETTINGS
from heeler.arbiter.config.worker_count import Choice, settle
from heeler.arbiter.mold import subreaper
from heeler.plugins.balancer import load_balancer
from heeler.plugins.config import Config, Value
from heeler.plugins.errors import ConfigError, PluginError, PluginInvalid, UsageError
from heeler.plugins.registry import Plugin, find_balancer, find_scaler
from heeler.plugins.scaler import load_scaler
from heeler.plugins.setting import Setting
from heeler.plugins.suggest import suggest
from heeler.workers import memory
from heeler.workers.application import Application
from heeler.workers.interface import check_pair

if TYPE_CHECKING:
    from heeler.workers.base import Worker

_CORE: Final = {setting.name: setting for setting in SETTINGS}
_ABSENT: Final = {absent.name: absent for absent in ABSENT}


@dataclasses.dataclass(frozen=True, slots=True)
class Loaded:
    """All that was read: what to serve, how, and how to read it again.

    Args:
        config: the settings in force.
        application: the application as it was named; empty where none was and none was needed.
        plugin: the worker class as it was found.
        worker_class: the class itself.
        settings: the core's settings and the worker class's.
        notes: what was given and has no effect, one line each.
        words: what the command line says besides flags.
        sources: where all this was read from.
        given: the application itself, where a program gave it and not its name.
        choice: what `workers = auto` has come to; None where a number was given.
    """

    config: Config
    application: str
    plugin: Plugin
    worker_class: "type[Worker]"
    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    words: tuple[str, ...]
    sources: "Sources"
    given: Application | None = None
    choice: Choice | None = None

    def reload(self) -> "Loaded":
        """Read all sources again.

        Raises:
            HeelerError: a source is wrong now.
        """
        return self.sources.load(again=True)

    def enter(self, before: "Loaded | None" = None) -> None:
        """Go to the working directory and set the variables of `raw_env`, in this process.

        Args:
            before: what was in force until now, on a reload: variables that it set are
                taken back first.

        Raises:
            ConfigError: the directory cannot be entered.
        """
        surroundings.enter(self.config, before.config if before else None, self.sources.environ)


@dataclasses.dataclass(frozen=True, slots=True)
class Sources:
    """Where settings are read from.

    Args:
        argv: the command line without the program's and the command's name.
        environ: the variables as they were when the command was started.
        directory: the directory it was started in.
        needs_application: False where the argument is no application, and none is needed.
        program: the program that says all this, where there is no command line.
    """

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    directory: Path
    needs_application: bool = True
    program: Program | None = None

    def load(self, *, again: bool = False) -> Loaded:
        """Read them all.

        Args:
            again: whether a server serves already. In development a wrong application is no reason then to keep
                the old one: its worker shows what is wrong.

        Raises:
            HeelerError: anything is wrong.
        """
        surroundings.put_first([str(self.directory)])
        read = self._read()
        # First the places where what other settings name may be found: hooks, the worker class.
        places = self._with_directory(_parse_all(read, [_CORE["chdir"], _CORE["pythonpath"]]))
        surroundings.put_first(surroundings.module_path(places, self.directory))
        config = self._with_directory(_parse_all(read, SETTINGS))
        plugin, found = worker_class.resolve(config.worker_class, config.threads)
        own = _own_settings(plugin, found)
        if own:
            if self.program is None:
                command_line, cmd_args = layers.read_flags(self.argv, self.environ, SETTINGS + own)
                read = dataclasses.replace(read, command_line=command_line, cmd_args=cmd_args)
            config = _merged(config, _parse_all(read, own))
        notes = _check_absent(read.given(SETTINGS + own), {setting.name for setting in own})
        _check_names(read, SETTINGS + own)
        config = self._with_application(config, read, found)
        _check_balancer(config)
        _check_replacement(config)
        given = self.program.given(any_kind=not found.interfaces) if self.program else None
        interface = _interface(config, found, given)
        if not (again and config.reload):
            check_pair(config.app, interface, plugin.name, found.interfaces, in_program=self.program is not None)
        _check_reload(config, given)
        _check_refork(config, plugin, found)
        config, choice = settle(config, lambda cpus: found.becomes(interface or "", config.threads).workers_for(cpus))
        notes += _unmeasured(config) + _check_scaler(config) + _not_preloaded(config, given)
        words = () if self.needs_application else read.words
        return Loaded(config, config.app or "", plugin, found, SETTINGS + own, notes, words, self, given, choice)

    def _read(self) -> Layers:
        if self.program is not None:
            return self.program.read(self.environ)
        return layers.read(self.argv, self.environ, self.directory, SETTINGS)

    def _with_directory(self, config: Config) -> Config:
        source = config.source("chdir")
        return config.replace("chdir", surroundings.working_directory(config.chdir, self.directory, source), source)

    def _with_application(self, config: Config, read: Layers, found: "type[Worker]") -> Config:
        if not self.needs_application:
            return config
        if self.program is not None:
            if not self.program.target and found.interfaces:
                raise UsageError(f"no application is given to {self.program.caller}; say 'module:app', or the object")
            return config.replace("app", self.program.target, self.program.caller)
        if read.words:
            return config.replace("app", read.words[0], read.words_source)
        if not config.app and config.wsgi_app:
            return config.replace("app", config.wsgi_app, config.source("wsgi_app"))
        if not config.app and found.interfaces:
            raise UsageError("no application named; say for example `heeler module:app`, or set `app`")
        return config


def load(argv: Sequence[str], environ: Mapping[str, str], directory: Path) -> Loaded:
    """Read all settings, for serving an application.

    Args:
        argv: the command line without the program's and the command's name.
        environ: the variables.
        directory: the directory the command was started in.

    Raises:
        HeelerError: anything is wrong; the message is one line for people.
    """
    return Sources(tuple(argv), dict(environ), directory).load()


def _own_settings(plugin: Plugin, found: "type[Worker]") -> tuple[Setting, ...]:
    """Return the settings a worker class brings, which may not be called as others are."""
    taken = {*_CORE, *(flag for setting in SETTINGS for flag in setting.cli)}
    for setting in found.settings:
        for name in (setting.name, *setting.cli):
            if name in taken:
                reason = f"its setting {setting.name!r}: {name!r} is taken, by Heeler or by another setting of its own"
                raise PluginInvalid(plugin.name, plugin.distribution, reason)
            taken.add(name)
    return tuple(found.settings)


def _interface(config: Config, found: "type[Worker]", given: Application | None) -> str | None:
    """Return the application's kind where it is certain and matters; else None."""
    if not config.app or not found.interfaces:
        return None
    return given.interface if given else foresee(config.app, sys.path, config.chdir)


def _check_balancer(config: Config) -> None:
    """Refuse a balancer that a listener could not use.

    Raises:
        ConfigError: there is none of that name, or it is none.
    """
    try:
        load_balancer(find_balancer(config.balancer))
    except PluginError as error:
        given = config.balancer if isinstance(config.balancer, str) else error.entry_point
        raise ConfigError("balancer", config.source("balancer"), error.reason, given) from error


def _check_scaler(config: Config) -> tuple[str, ...]:
    """Refuse a scaler that the arbiter could not use; return a line where one is named that has nothing to choose.

    Raises:
        ConfigError: there is none of that name, or it is none.
    """
    try:
        load_scaler(find_scaler(config.scaler))
    except PluginError as error:
        given = config.scaler if isinstance(config.scaler, str) else error.entry_point
        raise ConfigError("scaler", config.source("scaler"), error.reason, given) from error
    source = config.source("scaler")
    if source == "default" or (config.workers_min or 0) < (config.workers_max or 0):
        return ()
    return (f"scaler ({source}): without workers_min and workers_max there is nothing to choose",)


def _check_replacement(config: Config) -> None:
    """Refuse what leaves no way to replace a worker.

    Raises:
        ConfigError: it may be neither beside its replacement nor gone before.
    """
    if config.max_surge == 0 and not config.max_unavailable:
        reason = "no worker could ever be replaced; say 1, or max_unavailable = 1 too"
        raise ConfigError("max_surge", config.source("max_surge"), reason, config.max_surge)


def _unmeasured(config: Config) -> tuple[str, ...]:
    """Return a line where the memory of workers is to be limited and cannot be measured."""
    if not config.max_worker_memory or memory.used_bytes(config.worker_memory_kind) is not None:
        return ()
    source = config.source("max_worker_memory")
    return (f"max_worker_memory ({source}): this system does not tell the {config.worker_memory_kind} of a process",)


def _not_preloaded(config: Config, given: Application | None) -> tuple[str, ...]:
    """Return a line where the application is to be loaded before the fork, and is not."""
    if not config.preload_app:
        source = config.source("refork_after")
        return (f"refork_after ({source}): it takes preload_app",) if config.refork_after else ()
    if config.reload:
        reason = "with `reload` each worker loads the application"
    elif given is not None:
        reason = "the application was given as an object, and is loaded"
    elif not subreaper.is_possible():
        reason = "this system lets no process adopt others; each worker loads the application"
    else:
        return ()
    return (f"preload_app ({config.source('preload_app')}): {reason}",)


def _check_refork(config: Config, plugin: Plugin, found: "type[Worker]") -> None:
    """Refuse to make molds of workers that cannot become one.

    Raises:
        ConfigError: the class has threads, a hub or an event loop.
    """
    if config.refork_after and not found.can_refork:
        reason = f"a worker of the class {plugin.name!r} cannot become a mold; one of `sync` can"
        raise ConfigError("refork_after", config.source("refork_after"), reason, config.refork_after)


def _check_reload(config: Config, given: Application | None) -> None:
    """Refuse a reload on changes that could not work.

    Raises:
        ConfigError: with what would.
    """
    if not config.reload:
        return
    if given is not None:
        reason = "an application that is given as an object cannot be loaded again; give its name, `module:app`"
        raise ConfigError("reload", config.source("reload"), reason, config.reload)
    if config.reload_engine == "watchfiles" and importlib.util.find_spec("watchfiles") is None:
        reason = "watchfiles is not installed: pip install 'heeler[reload]', or say `poll`"
        raise ConfigError("reload_engine", config.source("reload_engine"), reason, config.reload_engine)
    for given_dir in config.reload_dirs:
        if not os.path.isdir(os.path.join(config.chdir, os.path.expanduser(given_dir))):
            raise ConfigError("reload_dirs", config.source("reload_dirs"), "no such directory", given_dir)


def _merged(config: Config, more: Config) -> Config:
    for name in more:
        config = config.replace(name, getattr(more, name), more.source(name))
    return config


def _parse_all(read: Layers, settings: Sequence[Setting]) -> Config:
    top = {raw.name: raw for raw in read.given(settings)}
    return Config({setting.name: _parse(setting, top.get(setting.name)) for setting in settings})


def _parse(setting: Setting, raw: Raw | None) -> Value:
    if raw is None:
        return Value(setting.parse(setting.default), "default")
    try:
        return Value(setting.parse(raw.value), raw.source)
    except ValueError as error:
        raise ConfigError(setting.name, raw.source, str(error), _shown(raw.value)) from error


def _shown(value: object) -> object:
    """Return a list of one text, as a repeated flag makes it, as that text."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _check_names(read: Layers, settings: Sequence[Setting]) -> None:
    """Refuse flags, variables and names in the config module or the program that mean nothing."""
    for given in (read.cmd_args, read.command_line):
        flags.check(given, settings)
    names = [setting.name for setting in settings]
    environment.check_names(names, read.environ)
    names += [alias for setting in settings for alias in setting.aliases]
    unknown = [(name, given) for name, given in read.module.items() if not _is_own(name, given)]
    for name, assignment in (*unknown, *read.program.items()):
        if name not in names and name not in _ABSENT:
            raise ConfigError(name, assignment.source, f"no such setting{suggest(name, names)}")
    if "config" in read.module:
        raise ConfigError("config", read.module["config"].source, "a config module cannot name another")


def _is_own(name: str, assignment: Assignment) -> bool:
    """Whether it cannot be a mistyped setting."""
    if name.startswith("_") or name.isupper() or assignment.is_read:
        return True
    return isinstance(assignment.value, type | types.ModuleType | types.FunctionType)


def _check_absent(given: Iterable[Raw], own: Container[str]) -> tuple[str, ...]:
    """Refuse Gunicorn's settings that would change something; return a line for each without effect.

    Args:
        given: all that is given.
        own: the settings that the worker class has of its own.
    """
    notes = []
    for raw in given:
        absent = _ABSENT.get(raw.name)
        if absent is None or raw.name in own:
            continue
        if not absent.passes(raw.value):
            raise ConfigError(raw.name, raw.source, absent.reason, raw.value)
        if absent.ignored:
            notes.append(f"{raw.name} ({raw.source}): {absent.reason}")
    return tuple(notes)
