"""Where a server listens, as people write it.

Decides what a text means; opens no socket and looks up no name.
"""

import dataclasses
import ipaddress
import re
from typing import Final, Literal, Self

from typing_extensions import override

DEFAULT_PORT: Final = 8000
_FORMS: Final = "HOST:PORT, [IPV6]:PORT, unix:PATH, unix:@NAME, fd://N or fd://NAME"
_FD_NAME: Final = re.compile(r"(?!\d+\Z)[!-+\--9;-~]{1,255}\Z", re.ASCII)
"""What systemd takes for a name (LISTEN_FDNAMES), but for the comma, which divides addresses."""
_UNIX_PATH_BYTES: Final = 107
"""sun_path holds 108 bytes, one of them the final NUL (unix(7))."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """A place to listen at.

    Args:
        kind: `tcp`, `unix` or `fd`.
        host: for `tcp`, a name or an address, IPv6 without brackets.
        port: for `tcp`; 0 lets the system choose.
        path: for `unix`; a leading `@` stands for an abstract name.
        fd: for `fd`, a descriptor that this process was born with; -1 where it has a name.
        name: for `fd`, what the init system calls it.
    """

    kind: Literal["tcp", "unix", "fd"]
    host: str = ""
    port: int = 0
    path: str = ""
    fd: int = -1
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that `text` names.

        Raises:
            ValueError: the text says what would be right.
        """
        text = text.strip()
        if text.startswith("unix:"):
            return cls._parse_unix(text)
        if text.startswith("fd://"):
            return cls._parse_fd(text)
        return cls._parse_tcp(text)

    @classmethod
    def of_tcp(cls, host: str, port: int) -> Self:
        """Return the TCP address of `host` (IPv6 without brackets) and `port`."""
        return cls("tcp", host=host, port=port)

    @classmethod
    def of_unix(cls, name: str | bytes) -> Self:
        """Return the address of a Unix socket by what getsockname(2) says of it."""
        if isinstance(name, bytes):
            name = name.decode("utf-8", "surrogateescape")
        return cls("unix", path="@" + name[1:] if name.startswith("\0") else name)

    @classmethod
    def _parse_unix(cls, text: str) -> Self:
        path = text.removeprefix("unix:")
        if path.startswith("//"):
            path = path[2:]
        if path in ("", "@"):
            raise ValueError(f"{text!r} names no path: say unix:PATH or unix:@NAME")
        if "\0" in path:
            raise ValueError(f"{text!r} has a NUL in its path")
        if len(path.encode("utf-8", "surrogateescape")) > _UNIX_PATH_BYTES:
            raise ValueError(f"{text!r} is too long: the path of a Unix socket has at most {_UNIX_PATH_BYTES} bytes")
        return cls("unix", path=path)

    @classmethod
    def _parse_fd(cls, text: str) -> Self:
        digits = text.removeprefix("fd://")
        if _is_number(digits):
            return cls("fd", fd=int(digits))
        if not _FD_NAME.match(digits):
            raise ValueError(f"{text!r} names no descriptor: say fd://N, N a number, or fd://NAME, as systemd calls it")
        return cls("fd", name=digits)

    @classmethod
    def _parse_tcp(cls, text: str) -> Self:
        rest = text.removeprefix("tcp://")
        if not rest:
            raise ValueError(f"an empty address: say {_FORMS}")
        if _is_number(rest):
            raise ValueError(f"{text!r} is a port without a host: say 127.0.0.1:{rest}, or :{rest} for every interface")
        host, port = _split(text, rest)
        if any(character.isspace() or character in "/@?#" for character in host):
            raise ValueError(f"{text!r} is no address: say {_FORMS}")
        return cls("tcp", host=host or "0.0.0.0", port=port)

    @property
    def is_abstract(self) -> bool:
        """True for a Unix socket that has no file."""
        return self.kind == "unix" and self.path.startswith("@")

    @property
    def url(self) -> str:
        """The address as a client would be told of it."""
        return f"http://{self}" if self.kind == "tcp" else str(self)

    @override
    @override
    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        if self.kind == "fd":
            return f"fd://{self.name or self.fd}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _split(text: str, rest: str) -> tuple[str, int]:
    if rest.startswith("["):
        host, bracket, tail = rest[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError(f"{text!r} has an unclosed bracket: say [IPV6]:PORT")
        _check_ipv6(text, host)
        return host, _port(text, tail[1:]) if tail else DEFAULT_PORT
    if rest.count(":") > 1:
        raise ValueError(f"{text!r} is read in two ways: say [IPV6]:PORT")
    host, colon, port = rest.partition(":")
    return host, _port(text, port) if colon else DEFAULT_PORT


def _check_ipv6(text: str, host: str) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError(f"{text!r} has no IPv6 address in its brackets") from None


def _port(text: str, digits: str) -> int:
    if not _is_number(digits) or int(digits) > 65535:
        raise ValueError(f"{text!r} has no port from 0 to 65535 after its colon")
    return int(digits)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
