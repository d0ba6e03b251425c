"""Heeler starts where next to nothing is allowed: containers with a read-only root and any user."""

import sys

import pytest

from support.client import Client, get
from support.processes import open_descriptors
from support.server import WORKER_CLASSES, Server

# A mount namespace of the server's own; the uid has no name. The one capability lets it read an
# interpreter that lies in somebody's home.
_CONFINE = """
set -e
mount --make-rprivate /
mount -o remount,ro,bind /
for folder in /tmp /var/tmp /dev/shm; do
    [ ! -d $folder ] || { mount --bind $folder $folder; mount -o remount,ro,bind $folder; }
done
exec setpriv --reuid 54321 --regid 54321 --clear-groups --no-new-privs \
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search -- "$0" "$@"
"""
CONFINED = ("unshare", "--mount", "sh", "-c", _CONFINE, sys.executable)
NOWHERE = {"HOME": None, "TMPDIR": None, "USER": None, "LOGNAME": None, "PYTHONDONTWRITEBYTECODE": "1"}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_it_serves_with_no_writable_folder_no_home_and_a_user_without_a_name(worker_class: str) -> None:
    """A read-only root, /tmp and /dev/shm, a random uid: it starts, serves, and stops in good order."""
    with Server("hello:app", "-k", worker_class, "-w", "2", env=NOWHERE, python=CONFINED) as server:
        assert get(server.address).text == "hello"
        with open(f"/proc/{server.worker_pids()[0]}/status", encoding="ascii") as status:
            assert "Uid:\t54321\t54321" in status.read()
        assert server.stop() == 0


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_worker_holds_no_more_descriptors_after_many_connections(worker_class: str) -> None:
    """Connections that come and go, idle or cut, leave no descriptor behind."""
    with Server("hello:app", "-k", worker_class) as server:
        (worker,) = server.worker_pids()
        assert get(server.address).status == 200
        before = open_descriptors(worker)
        for _ in range(50):
            with Client(server.address) as idle, Client(server.address) as cut:
                assert idle.request("GET", "/").status == 200
                cut.send(b"GET / HTTP/1.1\r\nHost")
            assert get(server.address).status == 200
        # The last answer comes after the worker has seen that the others are gone, or it sees them next.
        with Client(server.address) as last:
            assert last.request("GET", "/").status == 200
            assert last.request("GET", "/").status == 200
            held = {fd: what for fd, what in open_descriptors(worker).items() if fd not in before}
        assert len(held) <= 1, held
