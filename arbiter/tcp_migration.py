"""Whether the kernel moves a queue to another socket of its group when one is closed."""

import pathlib
from typing import Final

NAME: Final = "net.ipv4.tcp_migrate_req"
_PATH: Final = pathlib.Path("/proc/sys/net/ipv4/tcp_migrate_req")


def is_off(path: pathlib.Path = _PATH) -> bool:
    """Return True where it could, and does not; where it cannot be told, False."""
    try:
        return path.read_text().strip() == "0"
    except OSError:
        return False
