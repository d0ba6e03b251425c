"""Worker classes are chosen by name, and wrong pairs of application and class are refused with the right command."""

import pathlib

import pytest

from support.server import heeler

pytestmark = pytest.mark.slow

WSGI = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'served']\n"
ASGI = "async def app(scope, receive, send): pass\n"
HIDDEN = "import types\nmade = types.SimpleNamespace()\nexec({source!r}, made.__dict__)\napp = made.app\n"
"""An application whose kind cannot be told from its source."""

NOBODY = "192.0.2.1:1"
"""An address that cannot be bound here: whoever tries ends with status 69."""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project with an application of each kind, plain and hidden."""
    for name, source in (("shop", WSGI), ("ashop", ASGI)):
        (tmp_path / f"{name}.py").write_text(source)
        (tmp_path / f"hidden_{name}.py").write_text(HIDDEN.format(source=source))
    return tmp_path


def test_asgi_on_sync_is_refused_before_anything_is_bound(folder: pathlib.Path) -> None:
    """One line that names the right command, and the status of an application that cannot be served."""
    done = heeler("ashop:app", "-k", "sync", "--bind", NOBODY, cwd=folder)
    assert done.status == 4
    assert done.stderr == (
        "heeler: error: application 'ashop:app': is an ASGI application, and worker class 'sync' serves WSGI;"
        " say `heeler -k asyncio ashop:app`\n"
    )


def test_what_cannot_be_told_from_the_source_is_refused_by_the_worker(folder: pathlib.Path) -> None:
    """With the same line and status, and so does the check."""
    for argv in (["--bind", "127.0.0.1:0"], ["--check-config"]):
        done = heeler("hidden_ashop:app", "-k", "sync", *argv, cwd=folder)
        assert done.status == 4
        assert done.stderr.endswith("serves WSGI; say `heeler -k asyncio hidden_ashop:app`\n")
