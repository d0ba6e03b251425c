"""A program as the source of settings: `heeler.run(app, workers=2)`.

Its settings are the only ones: no command line, no config module and no HEELER_* variables are read.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from heeler.arbiter.config import environment
from heeler.arbiter.config.flags import Given
from heeler.arbiter.config.layers import Layers
from heeler.arbiter.config.module import Assignment
from heeler.plugins.errors import ConfigError
from heeler.workers.application import Application, of_object

_REFUSED: Final = {
    "app": "the application is the first argument",
    "wsgi_app": "the application is the first argument",
    "config": "a program reads no config file; give the settings themselves",
    "daemon": "the program would go on twice; start it in the background instead",
    "check_config": "this is for the command line; a program is checked when it runs",
    "print_config": "this is for the command line",
}
"""Settings that only a command can obey."""

_NOTHING: Final = Given({}, (), ())


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """What a program says.

    Args:
        caller: whom errors name as the source.
        application: its name, or the application itself; None where the worker class needs none.
        settings: by name.
        of_platform: whether the variables that hosting platforms set are read too (`PORT`, `WEB_CONCURRENCY` ...).
    """

    caller: str
    application: object
    settings: Mapping[str, object]
    of_platform: bool

    @property
    def target(self) -> str:
        """The application's name, or what people would call the object; empty where there is none."""
        if self.application is None or isinstance(self.application, str):
            return self.application or ""
        return of_object(self.application, any_kind=True).target

    def given(self, *, any_kind: bool) -> Application | None:
        """Return the application itself; None where it is to be loaded by its name, or there is none.

        Args:
            any_kind: whether every callable will do.

        Raises:
            AppLoadError: it is no application.
        """
        if self.application is None or isinstance(self.application, str):
            return None
        return of_object(self.application, any_kind=any_kind)

    def read(self, environ: Mapping[str, str]) -> Layers:
        """Return the settings as a layer over the variables that count.

        Raises:
            ConfigError: one of them makes no sense in a program.
        """
        for name, reason in _REFUSED.items():
            if name in self.settings:
                raise ConfigError(name, self.caller, reason)
        given = {name: Assignment(value, self.caller, is_read=False) for name, value in self.settings.items()}
        read = {name: text for name, text in environ.items() if not name.startswith(environment.PREFIX)}
        return Layers({}, read if self.of_platform else {}, _NOTHING, _NOTHING, given)
