"""Plugins are found by name, distribution or place; what is wrong is said with whose it is."""

import functools
import pathlib
import sys

import pytest

from heeler.plugins import balancers, registry
from heeler.plugins.balancer import load_balancer
from heeler.plugins.errors import PluginInvalid, PluginNotFound


def distribution(folder: pathlib.Path, name: str, group: str = registry.WORKERS, **plugins: str) -> None:
    """Put an installed distribution with entry points into a folder."""
    info = folder / f"{name.replace('-', '_')}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{plugin} = {place}\n" for plugin, place in plugins.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder on the module path."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_own_worker_class_is_found_by_its_entry_point() -> None:
    """`sync` comes in as any other does."""
    plugin = registry.find_worker("sync")
    assert (plugin.distribution, plugin.target) == ("heeler", "heeler.workers.sync:SyncWorker")
    assert plugin.load().__name__ == "SyncWorker"


def test_bare_name_of_a_third_party(site: pathlib.Path) -> None:
    """Any installed distribution may offer a name; the metadata is read, nothing is imported."""
    distribution(site, "paw-works", pawprint="paw_works:Pawprint")
    plugin = registry.find_worker("pawprint")
    assert (plugin.distribution, plugin.version, plugin.target) == ("paw-works", "1.2", "paw_works:Pawprint")
    assert "pawprint" in [each.name for each in registry.workers()]
    assert "paw_works" not in sys.modules


def test_two_distributions_with_one_name(site: pathlib.Path) -> None:
    """Neither wins; the error names both and how to choose, which works."""
    distribution(site, "first-one", pawprint="first:Pawprint")
    distribution(site, "second-one", pawprint="second:Pawprint")
    with pytest.raises(PluginInvalid, match="first-one and second-one") as caught:
        registry.find_worker("pawprint")
    assert ":pawprint" in str(caught.value)
    assert registry.find_worker("second-one:pawprint").target == "second:Pawprint"


def test_built_in_name_cannot_be_shadowed(site: pathlib.Path) -> None:
    """A distribution that calls its class `sync` is reached by its own name only."""
    distribution(site, "impostor", sync="impostor:Sync")
    assert registry.find_worker("sync").distribution == "heeler"
    assert registry.find_worker("impostor:sync").distribution == "impostor"


@pytest.mark.parametrize("named", ["collections:OrderedDict", "collections.OrderedDict"])
def test_class_by_its_place(named: str) -> None:
    """Both ways to write it mean the same class."""
    assert registry.find_worker(named).load().__name__ == "OrderedDict"


def test_class_itself() -> None:
    """A class needs no finding."""
    assert registry.find_worker(dict).load() is dict


def test_unknown_name(site: pathlib.Path) -> None:
    """The nearest installed names are told."""
    distribution(site, "paw-works", pawprint="paw_works:Pawprint")
    with pytest.raises(PluginNotFound, match="did you mean pawprint"):
        registry.find_worker("pawprnt")
    with pytest.raises(PluginNotFound, match=r"installed: .*sync"):
        registry.find_worker("zzzzzz")
    with pytest.raises(PluginNotFound, match="no logger class of that name"):
        registry.find_logger("zzzzzz")
    with pytest.raises(PluginNotFound, match="no balancer of that name; did you mean least-busy"):
        registry.find_balancer("least-bsy")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import no_such_thing", "its import fails: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise RuntimeError", "its import fails: RuntimeError: no message"),
        ("Pawprint = 3", "is no class, but int"),
        ("class Pawprnt: pass", "has no class 'Pawprint'; did you mean Pawprnt?"),
    ],
)
def test_plugin_that_cannot_be_loaded(site: pathlib.Path, code: str, cause: str) -> None:
    """One line names the distribution and the cause."""
    distribution(site, "paw-works", pawprint="paw_broken:Pawprint")
    (site / "paw_broken.py").write_text(code)
    sys.modules.pop("paw_broken", None)
    with pytest.raises(PluginInvalid) as caught:
        registry.find_worker("pawprint").load()
    assert str(caught.value).startswith("'pawprint' (from paw-works 1.2): ")
    assert cause in str(caught.value)
    sys.modules.pop("paw_broken", None)


# -- balancers, which are functions


def test_own_balancers_are_found_by_their_entry_points() -> None:
    """They come in as any other does."""
    found = {plugin.name: plugin for plugin in registry.balancers() if plugin.distribution == "heeler"}
    assert sorted(found) == ["least-busy", "random-two", "round-robin", "sticky"]
    for name, plugin in found.items():
        assert registry.find_balancer(name) == registry.find_balancer(f"heeler:{name}") == plugin
        assert load_balancer(plugin) is getattr(balancers, name.replace("-", "_"))


def test_balancer_of_a_third_party(site: pathlib.Path) -> None:
    """By its bare name and with its distribution; a built-in name cannot be taken, nor one that two have."""
    names = {"nearest": "paw_balancers:nearest", "sticky": "paw_balancers:nearest"}
    distribution(site, "paw-balance", registry.BALANCERS, **names)
    assert registry.find_balancer("nearest").target == "paw_balancers:nearest"
    assert registry.find_balancer("paw-balance:nearest").distribution == "paw-balance"
    assert registry.find_balancer("sticky").distribution == "heeler"
    assert registry.find_balancer("paw-balance:sticky").distribution == "paw-balance"
    assert "nearest" not in [plugin.name for plugin in registry.workers()]
    assert "paw_balancers" not in sys.modules
    distribution(site, "other-one", registry.BALANCERS, nearest="other:nearest")
    with pytest.raises(PluginInvalid, match=r"other-one and paw-balance.: more than one distribution has a balancer"):
        registry.find_balancer("nearest")


@pytest.mark.parametrize("named", ["heeler.plugins.balancers:sticky", "heeler.plugins.balancers.sticky"])
def test_function_by_its_place(named: str) -> None:
    """Both ways to write it mean the same function."""
    assert load_balancer(registry.find_balancer(named)) is balancers.sticky


def test_function_itself() -> None:
    """A function needs no finding, nor does an object that can be called."""
    for given, name in ((balancers.sticky, "sticky"), (functools.partial(balancers.sticky), "partial")):
        plugin = registry.find_balancer(given)
        assert plugin.name == name and load_balancer(plugin) is given


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import no_such_thing", "its import fails: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("nearest = 3", "paw_broken:nearest is no function, but int"),
        (
            "class nearest:\n def __call__(self, slots, turn, key): ...",
            "paw_broken:nearest is no function, but a class",
        ),
        ("class nearst: ...\ndef neares(): ...", "has no function 'nearest'; did you mean neares?"),
        ("def nearest(slots): ...", "is no balancer: it cannot be called with three arguments (slots, turn, key)"),
        ("async def nearest(slots, turn, key): ...", "is a coroutine function; a balancer answers at once"),
    ],
)
def test_balancer_that_cannot_be_loaded(site: pathlib.Path, code: str, cause: str) -> None:
    """One line names the distribution and the cause."""
    distribution(site, "paw-balance", registry.BALANCERS, nearest="paw_broken:nearest")
    (site / "paw_broken.py").write_text(code)
    sys.modules.pop("paw_broken", None)
    with pytest.raises(PluginInvalid) as caught:
        load_balancer(registry.find_balancer("nearest"))
    assert str(caught.value).startswith("'nearest' (from paw-balance")
    assert cause in str(caught.value)
    sys.modules.pop("paw_broken", None)


def test_balancer_without_a_signature() -> None:
    """What is written in C may not tell what it takes, and is let pass."""
    found: object = load_balancer(registry.find_balancer(max))
    assert found is max


def test_missing_requirement_is_found_without_an_import() -> None:
    """Modules that are there pass; one that is not is named."""
    plugin = registry.find_worker("sync")
    registry.check_requirements(plugin, ("json", "wsgiref.validate"))
    with pytest.raises(PluginInvalid, match="needs no_such_thing, which is not installed"):
        registry.check_requirements(plugin, ("json", "no_such_thing"))


def test_missing_requirement_of_an_extra_names_the_command(site: pathlib.Path) -> None:
    """What an extra of the plugin's name brings is installed by that extra, be it ours or a third party's."""
    distribution(site, "paw-works", pawprint="paw_works:Pawprint")
    with (site / "paw_works-1.2.dist-info" / "METADATA").open("a") as file:
        file.write("Provides-Extra: pawprint\n")
    for name, owner in (("gevent", "heeler"), ("pawprint", "paw-works")):
        plugin = registry.Plugin(name, owner, "heeler.workers.green:GeventWorker")
        with pytest.raises(PluginInvalid, match=rf"pip install '{owner}\[{name}\]'"):
            registry.check_requirements(plugin, ("no_such_thing",))
