"""Which files count as the project's."""

import pathlib
import sys
import sysconfig
import types

import pytest

from heeler.arbiter.config.loader import Sources
from heeler.arbiter.config.program import Program
from heeler.arbiter.watcher.project import Project, forget_modules, is_code, is_skipped
from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError


def _config(folder: pathlib.Path, *argv: str, app: str = "app:app") -> Config:
    return Sources((app, "--reload", *argv), {}, folder).load().config


@pytest.fixture(autouse=True)
def _module_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading settings puts directories on it."""
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.parametrize("name", [".git", ".venv", ".tox", "node_modules", "__pycache__", "site-packages"])
def test_what_nobody_works_on_is_skipped(name: str) -> None:
    """Directories of tools, of installed packages and of bytecode are not looked into."""
    assert is_skipped(f"/srv/shop/{name}")


@pytest.mark.parametrize("path", ["/srv/shop", "/srv/shop/venv_tools", "/srv/proc", "/srv/shop/git"])
def test_what_looks_like_it_is_not_skipped(path: str) -> None:
    """A name that only resembles one of those is an ordinary directory's."""
    assert not is_skipped(path)


@pytest.mark.parametrize(
    ("name", "counts"),
    [("app.py", True), (".#app.py", False), ("app.pyc", False), ("app.py~", False), (".app.py.swp", False)],
)
def test_python_files_count_and_what_editors_keep_beside_them_does_not(name: str, counts: bool) -> None:
    """Locks, copies and swap files of editors restart nothing."""
    assert is_code(name) is counts


def test_the_working_directory_comes_first(tmp_path: pathlib.Path) -> None:
    """Without `reload_dirs` it is watched, and with it what `pythonpath` and PYTHONPATH name."""
    for name in ("site", "lib"):
        (tmp_path / name).mkdir()
    config = _config(tmp_path, "--chdir", "site", "--pythonpath", "lib")
    project = Project.of(config, str(tmp_path), [str(tmp_path / "lib"), str(tmp_path / "gone")])
    assert project.roots == (str(tmp_path / "site"), str(tmp_path / "lib"))
    assert project.extra == ()


def test_what_was_installed_is_not_watched(tmp_path: pathlib.Path) -> None:
    """Neither Python's own library nor packages nor the environment's programs."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "scripts")]
    assert Project.of(_config(tmp_path), str(tmp_path), installed).roots == (str(tmp_path),)


def test_an_application_named_by_its_file_is_watched_where_it_lies(tmp_path: pathlib.Path) -> None:
    """From the directory on that its package is imported from."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "shop").mkdir(parents=True)
    (elsewhere / "shop" / "__init__.py").touch()
    (elsewhere / "shop" / "wsgi.py").touch()
    (tmp_path / "here").mkdir()
    config = _config(tmp_path / "here", app="../elsewhere/shop/wsgi.py:app")
    assert Project.of(config, str(tmp_path / "here"), []).roots == (str(tmp_path / "here"), str(elsewhere))


def test_reload_dirs_replace_what_is_watched_by_itself(tmp_path: pathlib.Path) -> None:
    """They are relative to the working directory; the config file and the extra files are watched besides."""
    (tmp_path / "src").mkdir()
    (tmp_path / "conf.py").write_text("workers = 1\n")
    config = _config(tmp_path, "--reload-dir", "src", "--reload-extra-file", "views/*.html", "-c", "conf.py")
    project = Project.of(config, str(tmp_path), [str(tmp_path)])
    assert project.roots == (str(tmp_path / "src"),)
    assert project.extra == (str(tmp_path / "views/*.html"), str(tmp_path / "conf.py"))


def test_a_directory_that_is_not_there_is_refused(tmp_path: pathlib.Path) -> None:
    """Before anything is bound."""
    with pytest.raises(ConfigError, match=r"reload_dirs = 'nowhere' .*no such directory"):
        _config(tmp_path, "--reload-dir", "nowhere")


def test_watchfiles_is_refused_where_it_is_not_installed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that would install it; `auto` and Gunicorn's `inotify` poll then."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'heeler\[reload\]'"):
        _config(tmp_path, "--reload-engine", "watchfiles")
    assert _config(tmp_path, "--reload-engine", "inotify").reload_engine == "auto"


def test_an_object_cannot_be_loaded_again(tmp_path: pathlib.Path) -> None:
    """A program has to give the application's name."""
    program = Program("heeler.run()", lambda environ, start_response: [], {"reload": True}, of_platform=False)
    with pytest.raises(ConfigError, match=r"reload = True \(heeler\.run\(\)\): .* give its name, `module:app`"):
        Sources((), {}, tmp_path, program=program).load()


def test_modules_of_the_project_are_forgotten(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a config module has imported is imported anew by a worker; what is installed, or kept, stays."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").touch()
    for name, place in {"own": "own.py", "tool": ".venv/tool.py", "lib": "env/lib.py", "kept": "kept.py"}.items():
        module = types.ModuleType(f"_heeler_{name}")
        module.__file__ = str(tmp_path / place)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    forget_modules(Project((str(tmp_path),)), {"_heeler_kept"})
    left = {name for name in sys.modules if name.startswith("_heeler_")}
    assert left == {"_heeler_tool", "_heeler_lib", "_heeler_kept"}
