"""What stands in the units for systemd."""

from collections.abc import Mapping

import pytest

from heeler.arbiter.config.table import SETTINGS
from heeler.arbiter.unit_files import Service, socket_unit
from heeler.plugins.config import Config, Value


def config(**given: object) -> Config:
    """Return the default settings but for these."""
    values = {one.name: given.get(one.name, one.default) for one in SETTINGS}
    return Config({one.name: Value(one.parse(values[one.name]), "command line") for one in SETTINGS})


def service(
    *command: str, variables: Mapping[str, str] | None = None, account: tuple[str, str] | None = None, **given: object
) -> list[str]:
    """Return the lines of a service unit."""
    made = Service(config(**given), "app:app", command or ("heeler",), variables or {}, "/srv/50%", account, 255)
    return made.text().splitlines()


def test_percent_signs_are_doubled() -> None:
    """They would stand for something of the unit's."""
    assert "WorkingDirectory=/srv/50%%" in service()


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("app:app", "app:app"),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ("a b", '"a b"'),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        (";", '";"'),
        ("", '""'),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_words_of_the_command_stay_what_they_are(word: str, written: str) -> None:
    """Nothing in them is a specifier, a variable, or the end of a word."""
    assert f"ExecStart=/bin/heeler {written}" in service("/bin/heeler", word)


def test_variables_are_not_expanded_but_quoted() -> None:
    """In Environment= a dollar sign is one."""
    assert 'Environment="HEELER_PROC_NAME=$5 50%%"' in service(variables={"HEELER_PROC_NAME": "$5 50%"})


def test_a_service_has_the_account_of_whoever_made_it() -> None:
    """But not where the settings have another one: to change to that, the arbiter starts as root."""
    assert "User=shop" in service(account=("shop", "www"))
    assert "Group=www" in service(account=("shop", "www"))
    assert not [line for line in service(account=("shop", "www"), user=1) if "User" in line]
    assert [line for line in service() if line.startswith("# It runs as root")]


def test_systemd_waits_longer_than_the_server_does() -> None:
    """For a boot and for a drain; for ever where there is no limit."""
    lines = service(boot_timeout=100.5, graceful_timeout=60)
    assert "TimeoutStartSec=131" in lines
    assert "TimeoutStopSec=70" in lines
    assert "TimeoutStartSec=infinity" in service(boot_timeout=0)


def test_folders_below_run_are_made() -> None:
    """Each once; those of others are not."""
    lines = service(bind=["unix:/run/shop/x.sock", "unix:/srv/x.sock", "unix:/run/y.sock"], pidfile="/run/shop/pid")
    assert "RuntimeDirectory=shop" in lines
    assert not [line for line in lines if line.startswith("RuntimeDirectoryPreserve")]


@pytest.mark.parametrize(("dispatch", "most"), [("kernel", 4), ("reuseport", 12)])
def test_the_store_has_room_for_all_sockets(dispatch: str, most: int) -> None:
    """Each slot has its own with `reuseport`; their files outlive a restart."""
    bind = ["localhost:80", "unix:/run/shop/x.sock"]
    lines = service(bind=bind, fd_store=True, dispatch=dispatch, workers=3)
    assert f"FileDescriptorStoreMax={most}" in lines
    assert "RuntimeDirectoryPreserve=restart" in lines


def test_sockets_are_made_as_the_server_would() -> None:
    """Addresses, backlog, options, mode and owner."""
    made = socket_unit(
        config(bind=["0.0.0.0:80", "[::]:80", "unix:/run/x.sock", "unix:@x"], umask="007", user=1, group=2), "app:app"
    )
    assert made.splitlines() == [
        *("[Unit]", "Description=Sockets of app:app", "", "[Socket]"),
        *("ListenStream=0.0.0.0:80", "ListenStream=[::]:80", "ListenStream=/run/x.sock", "ListenStream=@x"),
        *("Backlog=2048", "BindIPv6Only=ipv6-only", "NoDelay=yes"),
        *("SocketMode=0660", "RemoveOnStop=yes", "SocketUser=1", "SocketGroup=2"),
        *("", "[Install]", "WantedBy=sockets.target"),
    ]
