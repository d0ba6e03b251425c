"""What the documents tell people to type does what they say."""

import pathlib
import re
import signal

import pytest

from support.client import get
from support.server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorials" / "first-application.md"

pytestmark = pytest.mark.slow


def blocks(page: pathlib.Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def test_first_tutorial_goes_as_it_says() -> None:
    """The application is served, a change goes live, a broken one harms nobody, and the end is clean."""
    app = blocks(TUTORIAL, "python")[0]
    with Server("app:app", "--workers", "2", "--pid", "heeler.pid", files={"app.py": app}, tracebacks=True) as server:
        assert int((server.directory / "heeler.pid").read_text()) == server.pid
        assert get(server.address).text.startswith("Hello from worker ")

        server.write("app.py", app.replace("Hello", "Good day"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done")
        server.wait_for_log("worker exited", 2)
        assert get(server.address).text.startswith("Good day from worker ")

        server.write("app.py", app.replace("[body]", "[body"))
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload failed")
        assert "SyntaxError" in server.log()
        assert get(server.address).text.startswith("Good day from worker ")

        server.write("app.py", app)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done", 2)
        server.wait_for_log("worker exited", 5)
        assert get(server.address).text.startswith("Hello from worker ")
        assert server.stop() == 0
        assert not (server.directory / "heeler.pid").exists()


def test_sample_application_is_served_as_make_serve_does() -> None:
    """The sample application is named by the path of its file."""
    with Server("docs/examples/flask_app.py:app", "--workers", "2", cwd=ROOT) as server:
        assert get(server.address).text.startswith("Hello from worker ")
        assert get(server.address, "/greet/you").text == '{"hello":"you"}\n'
