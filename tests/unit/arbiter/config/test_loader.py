"""Where each value comes from, and what is refused."""

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Mapping

import pytest

from heeler.arbiter.config import worker_class
from heeler.arbiter.config.loader import Loaded, Sources, load
from heeler.plugins.errors import ConfigError, HeelerError, PluginInvalid, PluginNotFound, UsageError
from heeler.workers import memory


@pytest.fixture(autouse=True)
def _same_modules() -> Iterator[None]:
    """Reading settings puts folders on the module path; the next test shall not see them."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("heeler"):
            del sys.modules[name]


def settings(folder: pathlib.Path, *argv: str, env: Mapping[str, str] | None = None, conf: str | None = None) -> Loaded:
    """Return the settings that a command line, an environment and a config module make."""
    if conf is not None:
        (folder / "heeler.conf.py").write_text(conf)
    return load(["app:app", *argv], env or {}, folder)


def refused(folder: pathlib.Path, *argv: str, env: Mapping[str, str] | None = None, conf: str | None = None) -> str:
    """Return the error that they make."""
    with pytest.raises(HeelerError) as caught:
        settings(folder, *argv, env=env, conf=conf)
    return str(caught.value)


@pytest.mark.parametrize(
    ("argv", "env", "conf", "value", "source"),
    [
        ([], {}, None, 1, "default"),
        ([], {}, "\nworkers = 2", 2, "heeler.conf.py:2"),
        ([], {"WEB_CONCURRENCY": "3"}, "workers = 2", 3, "environment WEB_CONCURRENCY"),
        ([], {"WEB_CONCURRENCY": "3", "HEELER_WORKERS": "4"}, "workers = 2", 4, "environment HEELER_WORKERS"),
        ([], {"HEELER_WORKERS": "4", "HEELER_CMD_ARGS": "-w 5"}, "", 5, "environment HEELER_CMD_ARGS"),
        (["-w", "6"], {"HEELER_CMD_ARGS": "-w 5"}, "workers = 2", 6, "command line"),
        ([], {"WEB_CONCURRENCY": "", "HEELER_WORKERS": ""}, "workers = 2", 2, "heeler.conf.py:1"),
    ],
)
def test_uppermost_source_wins_and_is_named(
    tmp_path: pathlib.Path, argv: list[str], env: dict[str, str], conf: str | None, value: int, source: str
) -> None:
    """Default, config module, environment, HEELER_CMD_ARGS, command line: each wins over those before."""
    config = settings(tmp_path, *argv, env=env, conf=conf).config
    assert (config.workers, config.source("workers")) == (value, source)


def test_list_replaces_the_one_below(tmp_path: pathlib.Path) -> None:
    """Lists are not added to each other."""
    config = settings(tmp_path, "-b", "[::1]:1", "-b", "unix:/x", conf="bind = ['127.0.0.1:9']").config
    assert config.bind == ("[::1]:1", "unix:/x")


def test_port_of_a_platform_means_all_interfaces(tmp_path: pathlib.Path) -> None:
    """PORT=5000 listens on 0.0.0.0:5000, and a wrong one is refused by its own name."""
    config = settings(tmp_path, env={"PORT": "5000"}).config
    assert config.bind == ("0.0.0.0:5000",)
    assert config.source("bind") == "environment PORT"
    assert refused(tmp_path, env={"PORT": "abc"}) == "PORT = 'abc' (environment): not an integer from 0 to 65535"


@pytest.mark.parametrize(
    ("argv", "env", "conf", "message"),
    [
        (["-w", "0"], {}, "", "workers = '0' (command line): not an integer >= 1"),
        ([], {}, "\nworkers = 'many'", "workers = 'many' (heeler.conf.py:2): not an integer >= 1"),
        ([], {"WEB_CONCURRENCY": "x"}, "", "workers = 'x' (environment WEB_CONCURRENCY): not an integer >= 1"),
        (["--timeout", "-1"], {}, "", "timeout = '-1' (command line): not a number of seconds >= 0"),
        (["--log-level", "loud"], {}, "", "loglevel = 'loud' (command line): not one of debug"),
        (["-u", "nobody-at-all"], {}, "", "the system has no user of that name"),
        (["-m", "9"], {}, "", "not an octal number"),
        (["-e", "NAME"], {}, "", "'NAME' is not NAME=value"),
        (["-b", "127.0.0.1:x"], {}, "", "bind = '127.0.0.1:x' (command line): "),
        (["--chdir", "nowhere"], {}, "", "chdir = 'nowhere' (command line): no such directory"),
        (["--forwarded-allow-ips", "1.2.3"], {}, "", "an IP address, a network"),
        (["--threads", "0"], {}, "", "threads = '0' (command line): not an integer >= 1"),
        ([], {}, "workers = True", "workers = True (heeler.conf.py:1): not an integer >= 1"),
    ],
)
def test_wrong_value_is_refused_with_its_source(
    tmp_path: pathlib.Path, argv: list[str], env: dict[str, str], conf: str, message: str
) -> None:
    """The message says what was wrong, where it came from and what would be right."""
    assert message in refused(tmp_path, *argv, env=env, conf=conf)


@pytest.mark.parametrize(
    ("argv", "env", "conf", "message"),
    [
        (["--workerz", "3"], {}, "", "unknown option --workerz; did you mean --workers"),
        ([], {"HEELER_WORKRES": "3"}, "", "(environment HEELER_WORKRES): no such setting; did you mean HEELER_WORKERS"),
        ([], {"HEELER_CMD_ARGS": "--bnd x"}, "", "unknown option --bnd; did you mean --bind"),
        ([], {}, "workerz = 4", "workerz (heeler.conf.py:1): no such setting; did you mean workers"),
        # Gunicorn's `dirty_workers` is nearer, and not ours.
        ([], {}, "dirty_workes = 4", "dirty_workes (heeler.conf.py:1): no such setting; did you mean workers?"),
        ([], {"HEELER_DIRTY_WORKES": "4"}, "", "no such setting; did you mean HEELER_WORKERS"),
        (["more"], {}, "", "unexpected argument 'more' after 'app:app'"),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(
    tmp_path: pathlib.Path, argv: list[str], env: dict[str, str], conf: str, message: str
) -> None:
    """A name that means nothing is a mistake, in every source."""
    assert message in refused(tmp_path, *argv, env=env, conf=conf)


def test_helpers_of_a_config_module_are_left_alone(tmp_path: pathlib.Path) -> None:
    """Names that the module reads itself, imports, definitions, `_names` and NAMES are no settings."""
    conf = """
import os, multiprocessing
from os import environ, path as where
per_core = 2
cores: int = 3
use_max = None
LIMIT = 5
_hidden = 1
class Helper: pass
def helper(): return use_max
for number in range(2): pass
with open(__file__) as handle: text = handle.read()
workers = min(per_core * cores, LIMIT, len(text))
"""
    assert settings(tmp_path, conf=conf).config.workers == 5


def test_kubernetes_service_called_heeler_does_no_harm(tmp_path: pathlib.Path) -> None:
    """The variables that a Service leaves in every pod are not taken for ours."""
    env = {
        "HEELER_SERVICE_HOST": "10.0.0.1",
        "HEELER_SERVICE_PORT_HTTP": "80",
        "HEELER_PORT": "tcp://10.0.0.1:80",
        "HEELER_PORT_80_TCP_ADDR": "10.0.0.1",
        "HEELER_WEB_PORT": "tcp://10.0.0.1:80",
    }
    assert settings(tmp_path, env=env).config.bind == ("127.0.0.1:8000",)


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ("certfile = None", True),
        ("certfile = '/x.pem'", False),
        ("worker_tmp_dir = '/dev/shm'", True),
        ("proxy_protocol = False", True),
        ("proxy_protocol = 'v2'", False),
        ("http_protocols = 'h1'", True),
        ("http_protocols = 'h1,h2'", False),
        ("dirty_workers = 0", True),
        ("strip_header_spaces = True", False),
        ("statsd_host = 'localhost:8125'", False),
        ("logger_class = 'gunicorn.glogging.Logger'", True),
    ],
)
def test_setting_that_only_gunicorn_has(tmp_path: pathlib.Path, given: str, passes: bool) -> None:
    """What asks for nothing passes; what would change something is refused."""
    attempt = contextlib.nullcontext() if passes else pytest.raises(ConfigError)
    with attempt:
        settings(tmp_path, conf=given)


def test_setting_without_effect_is_noted(tmp_path: pathlib.Path) -> None:
    """The operator is told once what does nothing here."""
    notes = settings(tmp_path, conf="worker_tmp_dir = '/dev/shm'").notes
    assert notes == ("worker_tmp_dir (heeler.conf.py:1): no effect: heartbeats are words in shared memory, not files",)


def test_workers_that_could_never_be_replaced_are_refused(tmp_path: pathlib.Path) -> None:
    """Either a replacement may be beside its predecessor, or this may go first."""
    error = refused(tmp_path, "--max-surge", "0")
    assert error == (
        "max_surge = 0 (command line): no worker could ever be replaced; say 1, or max_unavailable = 1 too"
    )
    assert settings(tmp_path, "--max-surge", "0", "--max-unavailable", "1").config.max_surge == 0


def test_memory_that_cannot_be_measured_is_noted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit does nothing on a system without /proc."""
    assert settings(tmp_path, "--max-worker-memory", "50%").notes == ()
    monkeypatch.setattr(memory, "used_bytes", lambda _: None)
    assert settings(tmp_path).notes == ()
    assert settings(tmp_path, "--max-worker-memory", "50%").notes == (
        "max_worker_memory (command line): this system does not tell the rss of a process",
    )


def test_gunicorn_name_of_a_setting_that_is_there(tmp_path: pathlib.Path) -> None:
    """In its config module and on its command line; where the worker class has no such setting, it has no effect."""
    conf = "asgi_lifespan = 'on'\nroot_path = '/shop'\nasgi_loop = 'asyncio'"
    config = settings(tmp_path, "--asgi-loop", "auto", conf=conf).config
    assert (config.lifespan, config.source("lifespan")) == ("on", "heeler.conf.py:1")
    assert (config.script_name, config.loop) == ("/shop", "auto")
    notes = settings(tmp_path, "-k", "sync").notes
    assert [note.partition(" ")[0] for note in notes] == ["asgi_lifespan", "asgi_loop"]


@pytest.mark.parametrize(
    ("argv", "passes"),
    [
        (["--no-control-socket", "--http-parser", "fast", "--worker-tmp-dir", "/dev/shm"], True),
        (["--preload"], True),
        (["--reload", "--reload-engine", "inotify", "--reload-extra-file", "x.html"], True),
        (["--certfile", "x.pem", "--keyfile", "x.key"], False),
        (["--limit-request-field_size", "100", "--log-file", "-", "--pid", "x.pid", "--no-sendfile"], True),
    ],
)
def test_flags_of_gunicorn(tmp_path: pathlib.Path, argv: list[str], passes: bool) -> None:
    """A Gunicorn command line works, or says why not."""
    attempt = contextlib.nullcontext() if passes else pytest.raises(ConfigError)
    with attempt:
        settings(tmp_path, *argv)


def test_hook_is_called_with_as_many_arguments_as_it_takes(tmp_path: pathlib.Path) -> None:
    """`post_request` may take two, three or four."""
    config = settings(tmp_path, conf="def post_request(*, a=1): pass\ndef post_request(w, r): return [w, r]").config
    assert config.post_request("worker", "request", {}, "response") == ["worker", "request"]
    assert config.source("post_request") == "heeler.conf.py:2"


def test_hook_that_cannot_be_called_is_refused(tmp_path: pathlib.Path) -> None:
    """A wrong number of arguments is found before anything starts."""
    message = refused(tmp_path, conf="def post_fork(server): pass")
    assert message.startswith("post_fork = <function post_fork")
    assert "takes other arguments than the 2" in message


def test_hook_by_name(tmp_path: pathlib.Path) -> None:
    """A hook may be named by its place; a wrong place is refused."""
    (tmp_path / "our_hooks.py").write_text("def forked(server, worker): return 7")
    assert settings(tmp_path, conf="post_fork = 'our_hooks.forked'").config.post_fork(None, None) == 7
    assert "module 'our_hooks' has no 'forkd'" in refused(tmp_path, conf="post_fork = 'our_hooks.forkd'")


def test_config_file_by_each_form(tmp_path: pathlib.Path) -> None:
    """`-c FILE`, `-c file:FILE`, `-c python:MODULE`, `-c none`."""
    (tmp_path / "heeler.conf.py").write_text("workers = 2")
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3")
    (tmp_path / "conf_module.py").write_text("workers = 4")
    found = [
        settings(tmp_path, "-c", named).config.workers
        for named in ("gunicorn.conf.py", "file:gunicorn.conf.py", "python:conf_module", "none", "")
    ]
    assert found == [3, 3, 4, 1, 1]
    assert settings(tmp_path, env={"HEELER_CONFIG": "gunicorn.conf.py"}).config.workers == 3


def test_reload_reads_everything_again(tmp_path: pathlib.Path) -> None:
    """A changed module is seen, also one named by `python:`."""
    path = tmp_path / "conf_again.py"
    path.write_text("workers = 2")
    first = settings(tmp_path, "-c", "python:conf_again")
    path.write_text("workers = 3")
    assert (first.config.workers, first.reload().config.workers) == (2, 3)


def test_syntax_error_in_the_config_module(tmp_path: pathlib.Path) -> None:
    """One line with file, line and error."""
    message = refused(tmp_path, conf="workers = 2\nbind = [\n")
    assert message == "(heeler.conf.py:2): SyntaxError: '[' was never closed"


def test_exception_in_the_config_module(tmp_path: pathlib.Path) -> None:
    """The traceback shows the module's frames, and none of ours."""
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, conf="def broken():\n    return nothing\nworkers = broken()")
    assert str(caught.value) == "(heeler.conf.py:2): NameError: name 'nothing' is not defined"
    [traceback] = caught.value.__notes__
    assert "in broken" in traceback
    assert "loader.py" not in traceback and "module.py" not in traceback


@pytest.mark.parametrize(
    ("argv", "conf", "application"),
    [
        (["shop:app"], "app = 'other:app'", "shop:app"),
        ([], "app = 'other:app'\nwsgi_app = 'third:app'", "other:app"),
        ([], "wsgi_app = 'third:app'", "third:app"),
    ],
)
def test_application_is_named(tmp_path: pathlib.Path, argv: list[str], conf: str, application: str) -> None:
    """On the command line, or by `app`, or by Gunicorn's `wsgi_app`."""
    (tmp_path / "heeler.conf.py").write_text(conf)
    assert load(argv, {}, tmp_path).application == application


def test_no_application_is_named(tmp_path: pathlib.Path) -> None:
    """Then it is the command line that is wrong."""
    with pytest.raises(UsageError, match="no application named"):
        load([], {}, tmp_path)
    assert not Sources((), {}, tmp_path, needs_application=False).load().application


def test_class_without_interfaces_needs_no_application(tmp_path: pathlib.Path) -> None:
    """It may have one all the same."""
    code = "from heeler.workers.base import Worker\nclass Lines(Worker):\n    interfaces = frozenset()\n"
    (tmp_path / "no_http.py").write_text(f"{code}    run = handle = None\n")
    chosen = ["-k", "no_http:Lines"]
    assert not load(chosen, {}, tmp_path).application
    assert load([*chosen, "shop:answer"], {}, tmp_path).application == "shop:answer"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("uvicorn.workers.UvicornWorker", "is written for Gunicorn; say -k asyncio"),
        ("tornado", "is written for Gunicorn; say -k asyncio"),
        ("egg:meinheld#gunicorn_worker", "is written for Gunicorn; say -k sync"),
        ("synk", "did you mean sync?"),
        ("no_module:Class", "its import fails: ModuleNotFoundError: No module named 'no_module'"),
    ],
)
def test_worker_class_that_is_not_there(tmp_path: pathlib.Path, named: str, message: str) -> None:
    """Gunicorn's names and those of its plugins are answered by what does their work here."""
    assert message in refused(tmp_path, "-k", named)


@pytest.mark.parametrize(
    ("named", "threads", "ours"),
    [
        ("gunicorn.workers.sync.SyncWorker", 1, "sync"),
        ("gthread", 1, "thread"),
        ("gunicorn.workers.gthread.ThreadWorker", 1, "thread"),
        ("gevent_pywsgi", 1, "gevent"),
        ("egg:gunicorn#gevent", 1, "gevent"),
        ("gunicorn.workers.geventlet.EventletWorker", 1, "eventlet"),
        ("asgi", 1, "asyncio"),
        ("auto", 4, "auto"),
        ("sync", 4, "thread"),
        ("gunicorn.workers.sync.SyncWorker", 4, "thread"),
        ("heeler:sync", 4, "thread"),
        ("gevent", 4, "gevent"),
    ],
)
def test_gunicorn_name_of_a_worker_class(named: str, threads: int, ours: str) -> None:
    """It means ours that does the same; and more than one thread makes `thread` of `sync`."""
    assert worker_class.resolve(named, threads)[0].name == ours


def test_auto_has_the_settings_of_every_class_that_it_may_become() -> None:
    """None is lost, nor has another meaning."""
    own = {setting.name: setting for setting in worker_class.resolve("auto")[1].settings}
    for named in ("sync", "thread", "asyncio"):
        assert all(own[setting.name] is setting for setting in worker_class.resolve(named)[1].settings), named


_WORKER = """
from heeler.plugins.parse import integer
from heeler.plugins.setting import Setting
from heeler.workers.base import Worker

class Base(Worker):
    def run(self): pass
    def handle(self, connection): pass
    def drain(self, deadline): pass

class Paws(Base):
    settings = (Setting("paws", integer(1), 4, "How many paws.", "Paws", cli=("--paws",), metavar="INT"),)

class Clash(Base):
    settings = (Setting("bind", integer(1), 4, "x", "x"),)

class Twice(Base):
    settings = (
        Setting("first", integer(1), 4, "x", "x", cli=("--one",)),
        Setting("second", integer(1), 4, "x", "x", cli=("--one",)),
    )

class Spews(Base):
    settings = (Setting("spew", integer(1), 4, "x", "x", cli=("--spew",)),)

class Future(Base):
    api_version = 99

class Needy(Base):
    requires = ("no_such_module_at_all",)

class Hollow(Worker):
    pass

class NoWorker:
    pass
"""


def test_settings_of_a_worker_class(tmp_path: pathlib.Path) -> None:
    """They are read from every source once the class is chosen, and are unknown otherwise."""
    (tmp_path / "herd.py").write_text(_WORKER)
    chosen = ["-k", "herd:Paws"]
    assert settings(tmp_path, *chosen).config.paws == 4
    assert settings(tmp_path, *chosen, "--paws", "3").config.paws == 3
    assert settings(tmp_path, *chosen, env={"HEELER_PAWS": "2"}).config.paws == 2
    assert settings(tmp_path, *chosen, conf="paws = 5").config.source("paws") == "heeler.conf.py:1"
    assert "paws = '0' (command line)" in refused(tmp_path, *chosen, "--paws", "0")
    assert "unknown option --paws" in refused(tmp_path, "--paws", "3", conf="")


def test_worker_class_may_have_what_only_gunicorn_has(tmp_path: pathlib.Path) -> None:
    """Then the setting is its own, and nothing is refused."""
    (tmp_path / "herd.py").write_text(_WORKER)
    assert settings(tmp_path, "-k", "herd:Spews", "--spew", "3").config.spew == 3


def test_worker_class_from_the_config_module(tmp_path: pathlib.Path) -> None:
    """A class may be given as it is."""
    (tmp_path / "herd.py").write_text(_WORKER)
    loaded = settings(tmp_path, conf="from herd import Paws\nworker_class = Paws\npaws = 3")
    assert (loaded.worker_class.__name__, loaded.config.paws) == ("Paws", 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Clash", "its setting 'bind': 'bind' is taken"),
        ("Twice", "its setting 'second': '--one' is taken"),
        ("Future", "is written for version 99 of the worker API; this Heeler speaks version 1"),
        ("Needy", "needs no_such_module_at_all, which is not installed"),
        ("Hollow", "which a worker class must provide"),
        ("NoWorker", "is no worker class; it must derive from heeler.workers.base.Worker"),
        ("Pawz", "herd has no class 'Pawz'; did you mean Paws?"),
    ],
)
def test_worker_class_that_does_not_fit(tmp_path: pathlib.Path, name: str, message: str) -> None:
    """It is refused before anything is bound, with the reason."""
    (tmp_path / "herd.py").write_text(_WORKER)
    with pytest.raises(PluginInvalid) as caught:
        settings(tmp_path, "-k", f"herd:{name}")
    assert message in str(caught.value)


def test_unknown_worker_class_is_not_found(tmp_path: pathlib.Path) -> None:
    """The error type tells a name that is unknown from a plugin that is wrong."""
    with pytest.raises(PluginNotFound):
        settings(tmp_path, "-k", "gevnt")


def test_chdir_comes_first_on_the_module_path(tmp_path: pathlib.Path) -> None:
    """Modules are looked for in `chdir`, then in `pythonpath`."""
    (tmp_path / "site").mkdir()
    (tmp_path / "lib").mkdir()
    config = settings(tmp_path, "--chdir", "site", "--pythonpath", "lib").config
    assert config.chdir == str(tmp_path / "site")
    assert sys.path[:2] == [str(tmp_path / "site"), str(tmp_path / "lib")]


def test_preload_says_where_it_has_no_effect(tmp_path: pathlib.Path) -> None:
    """With `reload` each worker loads the application: a line says so, and names where it was asked for."""
    (note,) = settings(tmp_path, "--preload", "--reload").notes
    assert note == "preload_app (command line): with `reload` each worker loads the application"
    assert settings(tmp_path, "--preload").notes == ()


@pytest.mark.parametrize(
    ("given", "parsed"), [("50,1000,0", (50, 1000, 0)), ("20", (20,)), ("", ()), ("0", None), ("5,0,5", None)]
)
def test_refork_after_is_a_list_of_numbers(tmp_path: pathlib.Path, given: str, parsed: tuple[int, ...] | None) -> None:
    """Of which the last may be 0: there are no further molds then."""
    argv = ("--preload", "-k", "sync", "--refork-after", given)
    if parsed is None:
        assert "not numbers of requests" in refused(tmp_path, *argv)
    else:
        assert settings(tmp_path, *argv).config.refork_after == parsed


def test_refork_takes_a_mold(tmp_path: pathlib.Path) -> None:
    """Without `preload_app` it has no effect, and a line says so."""
    (note,) = settings(tmp_path, "-k", "sync", "--refork-after", "20").notes
    assert note == "refork_after (command line): it takes preload_app"
