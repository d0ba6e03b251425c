"""Settings of the listening sockets."""

from heeler.plugins.parse import boolean, integer, optional, texts
from heeler.plugins.setting import Setting


def _address(given: str) -> str:
    # Late: the addresses need the socket module, which `heeler --version` does not.
    from heeler.workers.address import Address

    return str(Address.parse(given.strip()))


def _bind(value: object) -> object:
    addresses = texts(_address)(value)
    if not addresses:
        raise ValueError("no address to listen on")
    return addresses


def _platform_port(value: object) -> object:
    """Return the addresses for the variable PORT of hosting platforms."""
    port = integer(0, 65535)(value)
    return (f"0.0.0.0:{port}",)


SOCKETS = (
    Setting(
        "bind",
        _bind,
        "127.0.0.1:8000",
        "Where to listen: `HOST:PORT`, `[V6]:PORT`, `unix:PATH`, `unix:@ABSTRACT`, `fd://N`"
        " or `fd://NAME`. May be repeated. Sockets passed by systemd (LISTEN_FDS) take its place,"
        " unless one of them is meant by its NAME (LISTEN_FDNAMES).",
        "Sockets",
        cli=("--bind", "-b"),
        env=("PORT",),
        env_parse={"PORT": _platform_port},
        metavar="ADDRESS",
        repeat=True,
        example="0.0.0.0:8080",
        gunicorn="The variable PORT, which means `0.0.0.0:$PORT`, wins over the config module;"
        " in Gunicorn it is only a default.",
    ),
    Setting(
        "backlog",
        integer(1),
        2048,
        "How many connections may wait to be accepted. The kernel caps it at net.core.somaxconn.",
        "Sockets",
        cli=("--backlog",),
        metavar="INT",
        reloadable=False,
    ),
    Setting(
        "reuse_port",
        boolean,
        False,
        "Set SO_REUSEPORT before binding, so that other servers of the same user may share the port."
        " `dispatch = reuseport` needs it for that only.",
        "Sockets",
        cli=("--reuse-port",),
        flag=True,
        reloadable=False,
    ),
    Setting(
        "ready_fd",
        optional(integer(0)),
        None,
        "A descriptor on which the addresses are written, one a line, once the first worker is ready; then it is"
        " closed. For tests and supervisors that bind port 0.",
        "Sockets",
        cli=("--ready-fd",),
        metavar="FD",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
)
"""The listening sockets."""
