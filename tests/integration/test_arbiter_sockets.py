"""The kinds of places a server can listen at."""

import os
import socket
import stat
import sys

import pytest

from support.client import get
from support.server import Server, heeler


def test_several_addresses_are_served_at_once() -> None:
    """TCP, a path and an abstract name side by side."""
    with Server("hello:app", bind=("127.0.0.1:0", f"unix:@heeler-test-{os.getpid()}")) as server:
        assert get(server.address).status == 200
        assert get(f"@heeler-test-{os.getpid()}").status == 200


def test_ipv6_and_ipv4_share_a_port() -> None:
    """[::] takes IPv6 alone, so both can be bound side by side."""
    if not socket.has_ipv6:
        raise AssertionError("this test needs IPv6")
    with Server("hello:app", bind=("[::1]:0", "127.0.0.1:0")) as server:
        first, second = server.addresses
        assert first.startswith("[::1]:")
        assert second.startswith("127.0.0.1:")
        assert get(server.address).status == 200


def test_a_unix_socket_has_the_mode_of_umask_and_goes_with_the_server() -> None:
    """The socket's file is made with the mode that `umask` leaves, and removed at the end."""
    with Server("hello:app", "--umask", "007", bind=("unix:x.sock",), files={"hello.py": _HELLO}) as server:
        path = server.directory / "x.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o770
        assert get(str(path)).status == 200
        assert server.stop() == 0
        assert not path.exists()


_HELLO = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"hello"]\n'


def test_a_socket_file_that_was_left_behind_is_replaced() -> None:
    """Nobody answers behind the file: it is taken over."""
    with Server("hello:app", bind=("127.0.0.1:0",), files={"hello.py": _HELLO}) as server:
        path = server.directory / "x.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        with Server("hello:app", bind=(f"unix:{path}",)):
            assert get(str(path)).status == 200


@pytest.mark.parametrize("what", ["server", "file"])
def test_a_path_in_use_is_refused(what: str) -> None:
    """A path with a living server, or a file that is no socket, is not touched; status 69, one line."""
    with Server("hello:app", bind=("unix:x.sock",), files={"hello.py": _HELLO}) as server:
        path = server.directory / "x.sock" if what == "server" else server.write("x.txt", "precious")
        done = heeler("hello:app", "-b", f"unix:{path}")
        assert done.status == 69
        assert len(done.stderr.splitlines()) == 1
        assert ("another server answers" if what == "server" else "is no socket") in done.stderr
        assert path.exists()
        assert get(str(server.directory / "x.sock")).status == 200


def test_a_port_in_use_is_refused_and_its_holder_named() -> None:
    """Status 69, and one line that says who has it."""
    with Server("hello:app") as server:
        done = heeler("hello:app", "-b", f"127.0.0.1:{server.address[1]}")
        assert done.status == 69
        assert len(done.stderr.splitlines()) == 1
        assert "in use by heeler: " in done.stderr
        assert "(pid " in done.stderr


def test_an_inherited_descriptor_is_served() -> None:
    """fd://N is a socket that whoever started the server has made."""
    sock = socket.create_server(("127.0.0.1", 0))
    with sock, Server("hello:app", bind=(f"fd://{sock.fileno()}",), pass_fds=(sock.fileno(),)) as server:
        assert server.address == sock.getsockname()
        assert get(server.address).status == 200


@pytest.mark.parametrize("text", ["fd://99", "fd://0"])
def test_a_descriptor_that_is_no_socket_is_refused(text: str) -> None:
    """Status 69, and one line."""
    done = heeler("hello:app", "-b", text)
    assert done.status == 69
    assert len(done.stderr.splitlines()) == 1


def test_a_ready_descriptor_that_is_not_open_is_refused() -> None:
    """Status 78, one line, nothing bound."""
    done = heeler("hello:app", "-b", "127.0.0.1:0", "--ready-fd", "9")
    assert done.status == 78
    assert done.stderr == "heeler: error: ready_fd = 9 (command line): no such descriptor is open in this process\n"


def test_sockets_that_systemd_passes_take_the_place_of_bind() -> None:
    """LISTEN_FDS from descriptor 3 on, for the process LISTEN_PID; no worker sees the variables."""
    app = (
        "import os\n"
        "def app(environ, start_response):\n"
        '    start_response("200 OK", [])\n'
        '    return [repr([name for name in os.environ if name.startswith("LISTEN")]).encode()]\n'
    )
    launcher = (
        "import os, runpy, sys\n"
        "os.dup2(int(sys.argv[1]), 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web')\n"
        "sys.argv[:] = ['heeler', *sys.argv[4:]]\n"
        "runpy.run_module('heeler', run_name='__main__')\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        python = (sys.executable, "-c", launcher, str(sock.fileno()))
        with Server("app:app", bind=(), python=python, pass_fds=(sock.fileno(),), files={"app.py": app}) as server:
            assert server.address == sock.getsockname()
            assert get(server.address).body == b"[]"


def test_a_backlog_waits_for_the_first_worker() -> None:
    """A connection made before the application is loaded is served when it is."""
    with socket.create_server(("127.0.0.1", 0)) as sock, socket.create_connection(sock.getsockname()) as early:
        early.settimeout(10)
        early.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        with Server("hello:app", bind=(f"fd://{sock.fileno()}",), pass_fds=(sock.fileno(),)):
            assert early.recv(100).startswith(b"HTTP/1.1 200")
            early.close()
