"""An application is found by its name, and told for WSGI or ASGI; what is wrong is said."""

import pathlib
import sys
from collections.abc import Iterator

import pytest

from heeler.plugins.errors import AppLoadError
from heeler.workers.application import Application, load
from heeler.workers.tracebacks import traceback_of

MODULE = '''
"""An application in every form."""
import functools

def app(environ, start_response): return [b"app"]
async def asgi(scope, receive, send): pass
def create_app(name="made", *, debug=False):
    def made(environ, start_response): return [name.encode()]
    return made
def needs(name): return create_app(name)
def fails(): raise RuntimeError("in the factory")
def wrong(): return len(1, 2)
class Class:
    def __init__(self, environ, start_response): pass
    def __iter__(self): return iter([b""])
class Awaited:
    def __init__(self, scope, receive, send): pass
    def __await__(self): yield
class Framework:
    def __init__(self, name, folder=None): pass
    def __call__(self, environ, start_response): pass
class Site:
    def __call__(self, environ, start_response): return [b"site"]
class AsgiSite:
    async def __call__(self, scope, receive, send): pass
class Decorated:
    def __call__(self, scope, receive, send): return None
site, asgi_site, decorated = Site(), AsgiSite(), Decorated()
class holder:
    inner = site
partial = functools.partial(asgi, send=None)
number = 42
nothing = None
async def coroutine(): pass
def one(scope): pass
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pathlib.Path]:
    """A folder first on the module path, and what is imported from it forgotten."""
    (tmp_path / "shop.py").write_text(MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: pathlib.Path, path: str, text: str) -> pathlib.Path:
    """Write a file, and the folders above it."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("target", "resolved", "interface"),
    [
        ("shop", "shop:app", "wsgi"),
        ("shop:app", "shop:app", "wsgi"),
        ("shop:asgi", "shop:asgi", "asgi"),
        ("shop:create_app()", "shop:create_app()", "wsgi"),
        ("shop:create_app('x', debug=True)", "shop:create_app('x', debug=True)", "wsgi"),
        ("shop:Class", "shop:Class", "wsgi"),
        ("shop:Awaited", "shop:Awaited", "asgi"),
        ("shop:site", "shop:site", "wsgi"),
        ("shop:asgi_site", "shop:asgi_site", "asgi"),
        ("shop:decorated", "shop:decorated", "asgi"),
        ("shop:holder.inner", "shop:holder.inner", "wsgi"),
    ],
)
def test_found(target: str, resolved: str, interface: str) -> None:
    """Module, attribute, attribute of an attribute, factory with literals."""
    found = load(target)
    assert (found.target, found.interface) == (resolved, interface)


@pytest.mark.parametrize(("name", "interface"), [("one", None), ("coroutine", None), ("app", "wsgi"), ("asgi", "asgi")])
def test_any_kind_is_taken_where_no_interface_matters(name: str, interface: str | None) -> None:
    """A worker class without HTTP may call its application as it likes; it must be callable, though."""
    assert load(f"shop:{name}", any_kind=True).interface == interface
    with pytest.raises(AppLoadError, match="is an int, which cannot be called"):
        load("shop:number", any_kind=True)


@pytest.mark.parametrize(
    ("code", "resolved"),
    [
        ("def application(environ, start_response): return []", "alone:application"),
        ("def create_app():\n    return lambda environ, start_response: []", "alone:create_app()"),
        ("def app(e, s): return []\ndef application(e, s): return []", "alone:app"),
    ],
)
def test_module_alone(folder: pathlib.Path, code: str, resolved: str) -> None:
    """`app`, `application`, `create_app()` are tried, and the choice can be told."""
    write(folder, "alone.py", code)
    assert load("alone").target == resolved


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("shop:ap", "module 'shop' has no attribute 'ap'; did you mean app"),
        ("shop:zzz", "module 'shop' has no attribute 'zzz' (it has app, asgi, create_app"),
        ("shop:site.zzz", "Site has no attribute 'zzz'"),
        ("shpo:app", "no module named 'shpo' in "),
        ("shpo:app", "did you mean shop?"),
        ("shop.more:app", "no module named 'shop.more'"),
        ("shop:number", "'shop:number' is an int, which cannot be called"),
        ("shop:nothing", "'shop:nothing' is None, which cannot be called"),
        ("shop:coroutine", "if it makes the application, say `shop:coroutine()`"),
        ("shop:fails", "if it makes the application, say `shop:fails()`"),
        ("shop:one", "takes neither (environ, start_response) as WSGI says"),
        ("shop:Framework", "'shop:Framework' is a class; an application is an object of it"),
        ("shop:needs()", "needs cannot be called so: needs() missing 1 required positional argument"),
        ("shop:number()", "'number' is an int, which cannot be called"),
        ("shop:create_app(open('x'))", "only literals may stand between the brackets"),
        ("shop:app + app", "neither an attribute nor a call"),
        ("shop:1", "neither an attribute nor a call"),
        ("shop:", "not the name of an application"),
        (":app", "not the name of an application"),
        ("shop-1:app", "'shop-1' is not the name of a module"),
        ("shop..x:app", "is not the name of a module"),
        ("shp.py:app", "no such file: "),
        ("sub/shop.py", "no such file: "),
    ],
)
def test_not_found(target: str, message: str) -> None:
    """One line says what is wrong and what would be right."""
    with pytest.raises(AppLoadError) as caught:
        load(target)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_module_without_an_application(folder: pathlib.Path) -> None:
    """The names that were tried and those that are there are told."""
    write(folder, "bare.py", "def serve(environ, start_response): return []")
    with pytest.raises(AppLoadError, match=r"none of `app`, `application`, `create_app\(\)` \(it has serve\)"):
        load("bare")


def test_file_by_its_path(folder: pathlib.Path) -> None:
    """The file's folder is put on the module path, so that its neighbours can be imported."""
    write(folder, "elsewhere/neighbour.py", "NAME = 'neighbour'")
    write(folder, "elsewhere/site_of_ours.py", "from neighbour import NAME\n" + MODULE)
    found = load(str(folder / "elsewhere/site_of_ours.py"))
    assert found.target.endswith("elsewhere/site_of_ours.py:app")
    assert load(str(folder / "elsewhere/site_of_ours.py") + ":asgi").interface == "asgi"
    assert found.callable.__module__ == "site_of_ours"


def test_file_in_a_package_is_imported_as_its_module(folder: pathlib.Path) -> None:
    """Relative imports work in it."""
    write(folder, "depot/pkg/__init__.py", "")
    write(folder, "depot/pkg/wsgi.py", "from . import name\ndef app(environ, start_response): return [name]")
    write(folder, "depot/pkg/__init__.py", "name = b'x'")
    found = load(str(folder / "depot/pkg/wsgi.py:app"))
    assert found.callable.__module__ == "pkg.wsgi"


@pytest.mark.parametrize("name", ["json", "my-site"])
def test_file_whose_name_is_taken_or_is_none(folder: pathlib.Path, name: str) -> None:
    """A file called as another module, or as no module can be, is served all the same."""
    path = write(folder, f"odd/{name}.py", "def app(environ, start_response): return [b'odd']")
    assert load(f"{path}:app").callable(None, None) == [b"odd"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import not_there_at_all", ModuleNotFoundError),
        ("def app(:", SyntaxError),
        ("1 / 0", ZeroDivisionError),
        ("import sys; sys.exit(3)", SystemExit),
        ("import shop.missing", ModuleNotFoundError),
    ],
)
def test_exception_of_the_import_passes_through(folder: pathlib.Path, code: str, error: type[BaseException]) -> None:
    """It is the application's own, and so is its traceback."""
    write(folder, "broken.py", code)
    with pytest.raises(error) as caught:
        load("broken:app")
    text = traceback_of(caught.value)
    assert "broken.py" in text
    assert "workers/application.py" not in text and "importlib" not in text


def test_exception_of_a_factory_passes_through() -> None:
    """A TypeError inside it is its own, not one of ours to explain."""
    with pytest.raises(RuntimeError, match="in the factory") as caught:
        load("shop:fails()")
    assert "workers/application.py" not in traceback_of(caught.value)
    with pytest.raises(TypeError):
        load("shop:wrong()")


def test_traceback_of_a_missing_module_says_where_it_is_missing(folder: pathlib.Path) -> None:
    """The environment is named: it often is the wrong one."""
    write(folder, "broken.py", "import not_there_at_all.sub")
    with pytest.raises(ModuleNotFoundError) as caught:
        load("broken:app")
    assert (
        traceback_of(caught.value).splitlines()[-1].startswith(f"'not_there_at_all' is not installed in {sys.prefix}")
    )


def test_traceback_keeps_causes_and_groups(folder: pathlib.Path) -> None:
    """What led to an exception is shown, without our frames."""
    write(
        folder,
        "broken.py",
        "def inner():\n    raise KeyError('first')\ntry:\n    inner()\nexcept KeyError as error:\n"
        "    raise ExceptionGroup('both', [ValueError('second')]) from error",
    )
    with pytest.raises(ExceptionGroup) as caught:
        load("broken")
    text = traceback_of(caught.value)
    assert "first" in text and "second" in text and "direct cause" in text
    assert "workers/application.py" not in text


def test_application_is_a_value() -> None:
    """It can be compared, and not be changed."""
    found = load("shop:app")
    assert found == Application(found.callable, "shop:app", "wsgi")
    with pytest.raises(AttributeError):
        found.target = "x"  # type: ignore[misc]  # that is the point
