"""`heeler systemd-unit`: units that systemd takes, and that start what they were made from."""

import os
import pathlib
import shlex
import shutil
import subprocess

import pytest

from support.server import APPS, environment, heeler

pytestmark = pytest.mark.slow

_ARGS = ("-w", "4", "-b", "unix:/run/shop/x.sock", "-b", "127.0.0.1:8000", "--fd-store")


def lines(text: str, name: str) -> list[str]:
    """Return what a unit assigns to `name`."""
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{name}=")]


def verified(folder: pathlib.Path) -> list[str]:
    """Return what systemd has to say against the units in a folder."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = [str(path) for path in folder.iterdir()]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if "app." in line]


def test_the_units_are_such_as_systemd_takes(tmp_path: pathlib.Path) -> None:
    """`systemd-analyze verify` finds nothing in either; and it does find a fault that is put in."""
    args = ("hello:app", *_ARGS, "-e", 'A=x $y %z "q" \\ ;')
    service, socket = heeler("systemd-unit", *args), heeler("systemd-unit", "--socket", *args)
    assert (service.status, socket.status) == (0, 0), service.stderr + socket.stderr
    (tmp_path / "app.service").write_text(service.stdout)
    (tmp_path / "app.socket").write_text(socket.stdout)
    assert verified(tmp_path) == []
    (tmp_path / "app.service").write_text(service.stdout.replace("KillMode=mixed", "KillMode=gentle"))
    assert len(verified(tmp_path)) == 1


def test_the_unit_starts_what_it_was_made_from(tmp_path: pathlib.Path) -> None:
    """The same settings are in force there, whatever way they came; nothing else of the environment is."""
    given = 'A=x $y ${z} %n "q" \\ ;'
    (tmp_path / "app.py").write_text((APPS / "hello.py").read_text())
    (tmp_path / "heeler.conf.py").write_text("backlog = 77\n")
    made = heeler(
        "systemd-unit", "app:app", "--env", given, env={"HEELER_TIMEOUT": "55", "WEB_CONCURRENCY": "3"}, cwd=tmp_path
    )
    assert made.status == 0, made.stderr
    (command,) = lines(made.stdout, "ExecStart")
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(command)]
    variables = dict(word.split("=", 1) for word in lines(made.stdout, "Environment"))
    assert sorted(variables) == ["HEELER_TIMEOUT", "WEB_CONCURRENCY"]
    assert lines(made.stdout, "WorkingDirectory") == [str(tmp_path)]
    done = subprocess.run(
        [*words, "--print-config"],
        env=environment(dict(variables)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "timeout = 55 (environment HEELER_TIMEOUT)" in done.stdout
    assert "workers = 3 (environment WEB_CONCURRENCY)" in done.stdout
    assert "backlog = 77" in done.stdout
    assert f"raw_env = {[given]!r} (command line)" in done.stdout
    assert done.returncode == 0, done.stderr


def test_the_unit_is_made_for_a_version_of_systemd() -> None:
    """From 253 on a reload is awaited; before, HUP is sent."""
    new, old = (heeler("systemd-unit", "hello:app", "--systemd", version).stdout for version in ("253", "252"))
    assert (lines(new, "Type"), lines(new, "ExecReload")) == (["notify-reload"], [])
    assert (lines(old, "Type"), lines(old, "ExecReload")) == (["notify"], ["/bin/kill -HUP $MAINPID"])


def test_the_unit_is_made_for_the_systemd_that_is_there(tmp_path: pathlib.Path) -> None:
    """What `systemctl` says counts; without one it is a new one."""
    tool = tmp_path / "systemctl"
    tool.write_text("#!/bin/sh\necho 'systemd 249 (249.11)'\n")
    tool.chmod(0o755)
    old = heeler("systemd-unit", "hello:app", env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    assert lines(old.stdout, "Type") == ["notify"]
    tool.unlink()
    assert lines(heeler("systemd-unit", "hello:app", env={"PATH": str(tmp_path)}).stdout, "Type") == ["notify-reload"]


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (("--daemon",), 78, "daemon = True (command line): a service of systemd stays in the foreground"),
        (("--ready-fd", "5"), 78, "ready_fd = 5 (command line): systemd passes no such descriptor"),
        (("--socket", "-b", "127.0.0.1:0"), 78, "systemd needs a port"),
        (("--socket", "-b", "localhost:80"), 78, "systemd needs an IP address, and looks up no name"),
        (("--socket", "-b", "unix:x.sock"), 78, "systemd needs a whole path"),
        (("--socket", "-b", "fd://web"), 78, "say what systemd is to make"),
        (("--workers", "many"), 78, "not an integer >= 1"),
        (("--systemd", "new"), 2, "invalid int value"),
    ],
)
def test_what_cannot_be_a_unit_is_refused(args: tuple[str, ...], status: int, says: str) -> None:
    """One line says why, and no half a unit is printed."""
    done = heeler("systemd-unit", "hello:app", *args)
    assert (done.status, done.stdout) == (status, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
