"""The units with which systemd runs a server: texts made from the settings in force.

Must not know where the settings come from, nor who asks for a unit.
"""

import dataclasses
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.address import Address

NOTIFY_RELOAD: Final = 253
"""The first systemd that has Type=notify-reload."""
_PLAIN: Final = re.compile(r"[\w@+=:,./-]+", re.ASCII)
_RUN: Final = "/run/"
_WATCHDOG_S: Final = 30
_STOP_MARGIN_S: Final = 10
_START_MARGIN_S: Final = 30
_FOR_GOOD: Final = (ExitStatus.USAGE, ExitStatus.APP_LOAD, ExitStatus.CONFIG)
"""What another start would not mend. A boot that failed may have wanted a database that is not there yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """What a service unit is made of.

    Args:
        config: the settings in force.
        application: as it was named.
        command: what starts the server, with all its arguments.
        variables: those of the environment from which settings come.
        directory: where it is started.
        account: user and group; None where it starts as root.
        systemd: the version that is to read it.
    """

    config: Config
    application: str
    command: Sequence[str]
    variables: Mapping[str, str]
    directory: str
    account: tuple[str, str] | None
    systemd: int

    def text(self) -> str:
        """Return the unit.

        Raises:
            ConfigError: a setting is not for a service.
        """
        for name, reason in _NOT_FOR_SERVICES.items():
            value = getattr(self.config, name)
            if value not in (None, False):
                raise ConfigError(name, self.config.source(name), reason, value)
        unit = [f"Description={_plain(_title(self.config, self.application))}", "After=network.target"]
        unit += ["# The socket unit of the same name comes first, where there is one.", "Wants=%N.socket"]
        unit += ["After=%N.socket"]
        return _sections(Unit=unit, Service=self._service(), Install=["WantedBy=multi-user.target"])

    def _service(self) -> list[str]:
        config = self.config
        lines = ["Type=notify-reload"] if self.systemd >= NOTIFY_RELOAD else ["Type=notify"]
        lines += self._account()
        lines += [f"WorkingDirectory={_plain(self.directory)}"]
        lines += [f"Environment={_quoted(f'{name}={value}')}" for name, value in sorted(self.variables.items())]
        lines += [f"ExecStart={' '.join(_quoted(word, dollar='$$') for word in self.command)}"]
        if self.systemd < NOTIFY_RELOAD:
            lines += ["ExecReload=/bin/kill -HUP $MAINPID"]
        boot_s, drain_s = config.boot_timeout, config.drain_delay + config.graceful_timeout
        lines += ["KillMode=mixed"]
        lines += [f"TimeoutStartSec={math.ceil(boot_s) + _START_MARGIN_S if boot_s else 'infinity'}"]
        lines += [f"TimeoutStopSec={math.ceil(drain_s) + _STOP_MARGIN_S}"]
        lines += [f"WatchdogSec={_WATCHDOG_S}"]
        lines += ["Restart=on-failure", f"SuccessExitStatus={int(ExitStatus.FORCED)}"]
        lines += [f"RestartPreventExitStatus={' '.join(str(int(status)) for status in _FOR_GOOD)}"]
        return lines + self._kept()

    def _account(self) -> list[str]:
        if self.config.user is not None:
            return []  # the arbiter starts as root, and its workers change to that user
        if self.account is None:
            return ["# It runs as root: say User= and Group= here, or --user and --group."]
        return [f"User={self.account[0]}", f"Group={self.account[1]}"]

    def _kept(self) -> list[str]:
        """Return what is to be there at the start, and to stay between two of them."""
        config = self.config
        paths = [Address.parse(text).path for text in config.bind] + [config.pidfile or ""]
        folders = [os.path.dirname(path).removeprefix(_RUN) for path in paths if path.count("/") > _RUN.count("/")]
        folders = [folder for folder in dict.fromkeys(folders) if folder and not folder.startswith("/")]
        lines = [f"RuntimeDirectory={' '.join(map(_quoted, folders))}"] if folders else []
        if config.fd_store:
            each = config.workers if config.dispatch == "reuseport" else 1
            lines += [f"FileDescriptorStoreMax={2 * len(config.bind) * each}"]  # a host name may have two addresses
            lines += ["RuntimeDirectoryPreserve=restart"] if folders else []
        return lines


def socket_unit(config: Config, application: str) -> str:
    """Return the unit of the sockets that systemd is to make in the place of `bind`.

    Raises:
        ConfigError: systemd cannot make one of them.
    """
    addresses = [_streamable(config, Address.parse(text)) for text in config.bind]
    lines = [f"ListenStream={_plain(where)}" for where in addresses]
    lines += [f"Backlog={config.backlog}"]
    if any(where.startswith("[") for where in addresses):
        lines += ["BindIPv6Only=ipv6-only"]
    if any(where[0] not in "/@" for where in addresses):
        lines += ["NoDelay=yes"] + (["ReusePort=yes"] if config.reuse_port else [])
    if any(where.startswith("/") for where in addresses):
        lines += [f"SocketMode={0o666 & ~config.umask:04o}", "RemoveOnStop=yes"]
        lines += [f"SocketUser={config.user}"] if config.user is not None else []
        lines += [f"SocketGroup={config.group}"] if config.group is not None else []
    unit = [f"Description=Sockets of {_plain(_title(config, application))}"]
    return _sections(Unit=unit, Socket=lines, Install=["WantedBy=sockets.target"])


_NOT_FOR_SERVICES: Final = {
    "daemon": "a service of systemd stays in the foreground",
    "ready_fd": "systemd passes no such descriptor; it is told over NOTIFY_SOCKET",
}


def _streamable(config: Config, address: Address) -> str:
    """Return an address as systemd writes it (ListenStream)."""
    fault = ""
    if address.kind == "fd":
        fault = "it is a socket that systemd passes; say what systemd is to make"
    elif address.kind == "unix" and not address.path.startswith(("/", "@")):
        fault = "systemd needs a whole path"
    elif address.kind == "tcp" and not address.port:
        fault = "systemd needs a port"
    elif address.kind == "tcp" and not re.fullmatch(r"[\d.]+|.*:.*", address.host):
        fault = "systemd needs an IP address, and looks up no name"
    if fault:
        raise ConfigError("bind", config.source("bind"), fault, str(address))
    return address.path if address.kind == "unix" else str(address)


def _title(config: Config, application: str) -> str:
    return config.proc_name or application or "Heeler"


def _sections(**sections: Sequence[str]) -> str:
    return "\n".join("\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items())


def _plain(text: str) -> str:
    """Return a text that takes the rest of its line."""
    return text.replace("%", "%%")


def _quoted(text: str, dollar: str = "$") -> str:
    """Return a text as one word of several.

    Args:
        text: any text.
        dollar: what stands for a dollar sign; a command's words want two.
    """
    escaped = _plain(text).replace("$", dollar)
    if _PLAIN.fullmatch(text):
        return escaped
    for character, by in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        escaped = escaped.replace(character, by)
    return f'"{escaped}"'
