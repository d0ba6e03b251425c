"""An interpreter that every user may read, though it lies in somebody's home.

For servers whose workers give up root: what they import lazily they read as another user.
"""

import pathlib
import sys
from typing import Final

# In a mount namespace of the server's own, the closed folder shows what is needed of it and nothing else.
_OPEN: Final = """
set -e
closed=$1 kept=$2; shift 2
mount --make-rprivate /
mount --bind "$kept" /mnt
mount -t tmpfs -o mode=755 none "$closed"
mkdir -p "$kept"
mount --bind /mnt "$kept"
umount /mnt
exec "$@"
"""


def python() -> tuple[str, ...]:
    """Return the command of an interpreter, this one's, that other users can read."""
    base = pathlib.Path(sys.base_prefix).resolve()
    closed = next((str(folder) for folder in reversed(base.parents) if not folder.stat().st_mode & 0o001), None)
    if closed is None:
        return (sys.executable,)
    return ("unshare", "--mount", "sh", "-c", _OPEN, "sh", closed, str(base), sys.executable)
