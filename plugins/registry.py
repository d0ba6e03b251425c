"""Finding plugins: by name among the installed distributions, or by the place of a class or function.

Reads metadata only; the methods of `Plugin` that load alone import one. What Heeler itself brings is
found first, so nobody can shadow a built-in name.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from heeler.plugins.errors import PluginInvalid, PluginNotFound

if TYPE_CHECKING:
    from heeler.plugins.metadata import EntryPoint

WORKERS: Final = "heeler.workers"
"""The entry-point group of worker classes."""

LOGGERS: Final = "heeler.loggers"
"""The entry-point group of logger classes."""

BALANCERS: Final = "heeler.balancers"
"""The entry-point group of balancers, which are functions."""

SCALERS: Final = "heeler.scalers"
"""The entry-point group of scalers, which are functions."""

API_VERSION: Final = 1
"""The version of the contract with worker classes that this Heeler speaks."""

_OWN: Final = "heeler"
_KIND: Final = {WORKERS: "worker class", LOGGERS: "logger class", BALANCERS: "balancer", SCALERS: "scaler"}

_Found = TypeVar("_Found")
_Target = Callable[..., Any]  # Any: a class or function of a third party; who loads it knows what it takes


@dataclasses.dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was found, not imported yet.

    Args:
        name: as it was asked for, or as it is registered.
        distribution: the distribution that brings it; None where it is named by its place, or given itself.
        target: where it is: `package.module:Class`, or the class or function itself.
    """

    name: str
    distribution: str | None
    target: str | _Target

    @property
    def version(self) -> str | None:
        """The version of the distribution; reading it takes longer than finding the plugin."""
        if self.distribution is None:
            return None
        from heeler.plugins.metadata import distribution

        return distribution(self.distribution).version

    def load(self) -> type:
        """Import and return the class.

        Raises:
            PluginInvalid: the import fails, or there is no class of that name.
        """
        return self._load("class", _is_class)

    def load_function(self) -> _Target:
        """Import and return the function, or another object that can be called and is no class.

        Raises:
            PluginInvalid: the import fails, or there is no function of that name.
        """
        return self._load("function", _is_function)

    def _load(self, kind: str, fits: Callable[[object], TypeGuard[_Found]]) -> _Found:
        found = self._import(kind, fits) if isinstance(self.target, str) else self.target
        if not fits(found):
            what = "a class" if isinstance(found, type) else type(found).__name__
            raise PluginInvalid(self.name, self._origin(), f"{self.target} is no {kind}, but {what}")
        return found

    def _import(self, kind: str, fits: Callable[[object], bool]) -> object:
        import importlib

        module, _, attribute = str(self.target).partition(":")
        try:
            found: object = importlib.import_module(module)
        except Exception as error:  # a plugin's import may raise anything, and the operator must be told whose
            raise PluginInvalid(self.name, self._origin(), f"its import fails: {_cause(error)}") from error
        for part in attribute.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                from heeler.plugins.suggest import suggest

                names = [name for name, value in vars(found).items() if fits(value)]
                reason = f"{module} has no {kind} {attribute!r}{suggest(part, names)}"
                raise PluginInvalid(self.name, self._origin(), reason) from None
        return found

    def _origin(self) -> str | None:
        return f"{self.distribution} {self.version}" if self.distribution else None


def workers() -> list[Plugin]:
    """Return every worker class that is installed, by name, importing none."""
    return _installed(WORKERS)


def loggers() -> list[Plugin]:
    """Return every logger class that is installed, by name, importing none."""
    return _installed(LOGGERS)


def balancers() -> list[Plugin]:
    """Return every balancer that is installed, by name, importing none."""
    return _installed(BALANCERS)


def scalers() -> list[Plugin]:
    """Return every scaler that is installed, by name, importing none."""
    return _installed(SCALERS)


def find_worker(name: str | type) -> Plugin:
    """Return the worker class that `name` means.

    Args:
        name: `NAME`, `DISTRIBUTION:NAME`, `package.module:Class`, `package.module.Class`, or a class.

    Raises:
        PluginNotFound: no installed distribution has it.
        PluginInvalid: two have it.
    """
    return _find(WORKERS, name)


def find_logger(name: str | type) -> Plugin:
    """Return the logger class that `name` means, as `find_worker` does for worker classes."""
    return _find(LOGGERS, name)


def find_balancer(name: str | _Target) -> Plugin:
    """Return the balancer that `name` means.

    Args:
        name: `NAME`, `DISTRIBUTION:NAME`, `package.module:function`, `package.module.function`, or a function.

    Raises:
        PluginNotFound: no installed distribution has it.
        PluginInvalid: two have it.
    """
    return _find(BALANCERS, name)


def find_scaler(name: str | _Target) -> Plugin:
    """Return the scaler that `name` means, as `find_balancer` does for balancers.

    Raises:
        PluginNotFound: no installed distribution has it.
        PluginInvalid: two have it.
    """
    return _find(SCALERS, name)


def check_requirements(plugin: Plugin, requires: tuple[str, ...]) -> None:
    """Check that the modules a plugin needs are there, importing none of them.

    Raises:
        PluginInvalid: with the command that installs it, where the distribution has an extra of the plugin's name.
    """
    from importlib.util import find_spec

    missing = [name for name in requires if find_spec(name.partition(".")[0]) is None]
    if missing:
        reason = f"needs {', '.join(missing)}, which is not installed"
        if plugin.distribution and plugin.name in _extras(plugin.distribution):
            reason += f": pip install '{plugin.distribution}[{plugin.name}]'"
        raise PluginInvalid(plugin.name, plugin.distribution, reason)


def _is_class(found: object) -> TypeGuard[type]:
    return isinstance(found, type)


def _is_function(found: object) -> TypeGuard[_Target]:
    return callable(found) and not isinstance(found, type)


def _find(group: str, name: str | _Target) -> Plugin:
    if not isinstance(name, str):
        return Plugin(getattr(name, "__name__", type(name).__name__), None, name)
    if ":" in name:
        left, _, right = name.partition(":")
        return _by_distribution(group, left, right) or Plugin(name, None, name)
    if "." in name:
        module, _, attribute = name.rpartition(".")
        return Plugin(name, None, f"{module}:{attribute}")
    return _by_name(group, name)


def _by_name(group: str, name: str) -> Plugin:
    own = _by_distribution(group, _OWN, name)
    if own:
        return own
    from heeler.plugins.metadata import entry_points

    found = [_plugin(point) for point in entry_points(group=group, name=name)]
    if not found:
        raise _not_found(group, name)
    if len(found) > 1:
        both = " and ".join(sorted(str(plugin.distribution) for plugin in found))
        reason = f"more than one distribution has a {_KIND[group]} of that name; say {found[0].distribution}:{name}"
        raise PluginInvalid(name, both, reason)
    return found[0]


def _by_distribution(group: str, distribution_name: str, name: str) -> Plugin | None:
    from heeler.plugins.metadata import PackageNotFoundError, distribution

    try:
        points = distribution(distribution_name).entry_points
    except (PackageNotFoundError, ValueError):
        return None
    return next(
        (
            Plugin(name, distribution_name, f"{point.module}:{point.attr}")
            for point in points
            if point.group == group and point.name == name
        ),
        None,
    )


def _installed(group: str) -> list[Plugin]:
    from heeler.plugins.metadata import entry_points

    return sorted(map(_plugin, entry_points(group=group)), key=lambda plugin: (plugin.name, str(plugin.distribution)))


def _plugin(point: "EntryPoint") -> Plugin:
    # The extras that an entry point may ask for (`module:Class [extra]`) are no part of the place.
    target = f"{point.module}:{point.attr}"
    return Plugin(point.name, point.dist.name if point.dist else None, target)


def _not_found(group: str, name: str) -> PluginNotFound:
    from heeler.plugins.suggest import suggest

    names = sorted({plugin.name for plugin in _installed(group)})
    near = suggest(name, names)
    known = f" (installed: {', '.join(names)})" if names else " (none is installed)"
    return PluginNotFound(name, None, f"no {_KIND[group]} of that name{near or known}")


def _extras(name: str) -> list[str]:
    from heeler.plugins.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name).metadata.get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
