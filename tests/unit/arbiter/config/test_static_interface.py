"""An application's kind is told from its source only where it is certain, and then as the worker will tell it."""

import pathlib
import sys
import types

import a2wsgi
import bottle
import flask
import pytest

from heeler.arbiter.config.makers import interface_made_by
from heeler.arbiter.config.source_file import source_of
from heeler.arbiter.config.static_interface import foresee
from heeler.workers.interface import interface_of

FLASK = "from flask import Flask\napp = Flask(__name__)\n"
FAST = "from fastapi import FastAPI\napp = FastAPI()\n"

CERTAIN = [
    ("def app(environ, start_response): return []", "app", "wsgi"),
    ("async def app(scope, receive, send): pass", "app", "asgi"),
    ("def app(scope, receive, send): pass", "app", "asgi"),
    ("def app(environ, start_response, *, more=1): return []", "app", "wsgi"),
    ("def app(*args): return []", "app", "wsgi"),
    ("async def app(scope, receive, send, more=None): pass", "app", "asgi"),
    (FLASK, "app", "wsgi"),
    (FAST, "app", "asgi"),
    (FLASK, "", "wsgi"),
    (FAST + "application = app", "application", "asgi"),
    ("async def application(scope, receive, send): pass", "", "asgi"),
    ("import fastapi\napp: fastapi.FastAPI = fastapi.FastAPI(title='x')", "app", "asgi"),
    ("import fastapi as f\napp = f.FastAPI()", "app", "asgi"),
    ("import django.core.asgi\napp = django.core.asgi.get_asgi_application()", "app", "asgi"),
    ("import os\nfrom django.core.wsgi import get_wsgi_application as make\napplication = make()", "", "wsgi"),
    (FLASK + "from asgiref.wsgi import WsgiToAsgi\napp = WsgiToAsgi(app)", "app", "asgi"),
    (FLASK + "if __name__ == '__main__':\n    app.run()", "app", "wsgi"),
    (FLASK + "@app.get('/')\ndef index():\n    application = 1\n    return ''", "app", "wsgi"),
    (
        "from flask import Flask\ndef create_app(name='x'):\n    app = Flask(name)\n    return app",
        "create_app()",
        "wsgi",
    ),
    ("def make():\n    from quart import Quart\n    app = Quart('x')\n    return app\napp = make()", "app", "asgi"),
    ("def create_app():\n    return made\nfrom flask import Flask\nmade = Flask('x')", "", "wsgi"),
]

UNDECIDED = [
    ("", "app"),
    ("app = 1", "app"),
    ("app = lambda e, s: []", "app"),
    ("app = made()", "app"),
    ("from shop import app", "app"),
    ("from shop import *\n" + FLASK, "app"),
    ("async def app(scope): pass", "app"),
    ("async def app(environ, start_response): pass", "app"),
    ("@wrap\nasync def app(scope, receive, send): pass", "app"),
    ("class app:\n    def __call__(self, e, s): return []", "app"),
    (FLASK + "if ASYNC:\n    app = wrap(app)", "app"),
    (FLASK + "app = wrap(app)", "app"),
    (FLASK + "def swap():\n    global app\n    app = None\nswap()", "app"),
    (FLASK + "globals()['app'] = None", "app"),
    (FLASK + "import sys\nsys.modules[__name__] = 3", "app"),
    (FLASK + "del app", "app"),
    (FLASK + "for app in range(3): pass", "app"),
    (FLASK + "print(app := 3)", "app"),
    (FLASK + "try:\n    pass\nexcept ValueError as app:\n    pass", "app"),
    (FLASK + "match 3:\n    case app: pass", "app"),
    ("try:\n    from flask import Flask\nexcept ImportError:\n    from quart import Flask\napp = Flask('x')", "app"),
    ("from flask import Flask\nclass Flask(Flask): pass\napp = Flask('x')", "app"),
    ("from .flask import Flask\napp = Flask('x')", "app"),
    ("class Shop:\n    pass\napp = Shop()", "app"),
    ("app = app", "app"),
    ("a = b\nb = a\napp = a", "app"),
    ("def make(): return make()\napp = make()", "app"),
    (FLASK, "app.wsgi_app"),
    (FLASK, "other"),
    (FLASK, "app("),
    ("from flask import Flask\ndef make():\n    if X:\n        return None\n    return Flask('x')", "make()"),
    ("from flask import Flask\ndef make(Flask):\n    return Flask('x')", "make()"),
    ("from flask import Flask\n@cached\ndef make():\n    return Flask('x')", "make()"),
    ("from flask import Flask\nasync def make():\n    return Flask('x')", "make()"),
    ("from flask import Flask\ndef make():\n    return Flask('x')", "make"),
    ("def app(:", "app"),
    ("app = 1\n" + "#" * 30000, "app"),
    ("x = '\0'", "app"),
]


@pytest.mark.parametrize(("source", "expression", "interface"), CERTAIN)
def test_certain(tmp_path: pathlib.Path, source: str, expression: str, interface: str) -> None:
    """A definition, or what a known maker makes, by whatever name it was imported."""
    (tmp_path / "shop.py").write_text(source)
    assert foresee(f"shop:{expression}".rstrip(":"), [str(tmp_path)], "/") == interface


@pytest.mark.parametrize(("source", "expression"), UNDECIDED)
def test_undecided(tmp_path: pathlib.Path, source: str, expression: str) -> None:
    """Wherever something else is possible, nothing is said and nothing raised."""
    (tmp_path / "shop.py").write_text(source)
    assert foresee(f"shop:{expression}", [str(tmp_path)], "/") is None


@pytest.mark.parametrize("source", [source for source, name, _ in CERTAIN if name == "app" and "import" not in source])
def test_worker_will_say_the_same(tmp_path: pathlib.Path, source: str) -> None:
    """What is said of a function is what `interface_of` says of it once it is there."""
    (tmp_path / "shop.py").write_text(source)
    module = types.ModuleType("shop")
    exec(source, module.__dict__)
    assert foresee("shop:app", [str(tmp_path)], "/") == interface_of(module.app)


@pytest.mark.parametrize(
    ("name", "application"),
    [
        ("flask.Flask", flask.Flask("x")),
        ("bottle.Bottle", bottle.Bottle()),
        ("bottle.default_app", bottle.default_app()),
        ("a2wsgi.WSGIMiddleware", a2wsgi.WSGIMiddleware(lambda _environ, _start_response: [])),
        ("no.such.Maker", None),
    ],
)
def test_makers_make_what_they_are_said_to(name: str, application: object) -> None:
    """For the libraries that the tests have."""
    assert interface_made_by(name) == interface_of(application)


def test_source_is_found_as_an_import_would_find_it(tmp_path: pathlib.Path) -> None:
    """The first folder wins, a package before a module; what is no source file is not followed."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in ("first/shop/__init__.py", "first/shop/wsgi.py", "first/shop.py", "second/shop.py", "second/other.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (first / "spread").mkdir()
    (second / "fast.abi3.so").touch()
    (second / "fast.py").touch()
    (tmp_path / "site.zip").touch()
    folders = ["first", str(second)]

    def found(place: str, searched: list[str] = folders) -> str | None:
        path = source_of(place, searched, str(tmp_path))
        return path and str(pathlib.Path(path).relative_to(tmp_path))

    assert found("shop") == "first/shop/__init__.py"
    assert found("shop.wsgi") == "first/shop/wsgi.py"
    assert found("other") == "second/other.py"
    assert found("second/other.py") == "second/other.py"
    for place in ("shop.nothing", "other.nothing", "nothing", "spread", "spread.x", "fast", "not-a-name", "no/file.py"):
        assert found(place) is None, place
    assert found("sys") is None
    assert found("other", ["site.zip", "second"]) is None


def test_a_package_may_get_a_module_for_an_attribute(tmp_path: pathlib.Path) -> None:
    """`shop.app` is the module `shop/app.py` once anything imports that."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(FLASK)
    assert foresee("shop:app", [str(tmp_path)], "/") == "wsgi"
    (tmp_path / "shop" / "app.py").touch()
    assert foresee("shop:app", [str(tmp_path)], "/") is None


def test_nothing_of_it_is_run(tmp_path: pathlib.Path) -> None:
    """Neither the module nor its package is imported."""
    (tmp_path / "boom_shop").mkdir()
    (tmp_path / "boom_shop" / "__init__.py").write_text("raise RuntimeError")
    (tmp_path / "boom_shop" / "wsgi.py").write_text("1 / 0\n" + FLASK)
    assert foresee("boom_shop.wsgi:app", [str(tmp_path)], "/") == "wsgi"
    assert "boom_shop" not in sys.modules
