"""Giving up root: who a worker runs as.

Also answers, for the arbiter, which numbers a user's or a group's name stands for.
"""

import grp
import os
import pwd

from heeler.plugins.errors import ConfigError


def uid_of(user: str | int) -> int:
    """Return the user id of a name, a number, or a number as text.

    Raises:
        ConfigError: there is no such user.
    """
    if isinstance(user, int) or user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise ConfigError("user", None, "there is no user of that name", user) from None


def gid_of(group: str | int) -> int:
    """Return the group id of a name, a number, or a number as text.

    Raises:
        ConfigError: there is no such group.
    """
    if isinstance(group, int) or group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ConfigError("group", None, "there is no group of that name", group) from None


def drop(user: str | int | None, group: str | int | None, initgroups: bool) -> None:
    """Become `user` and `group` for good; None keeps what is.

    The supplementary groups go as well: they are the user's own with `initgroups`,
    else none but `group`. Without that a worker would keep root's groups.

    Raises:
        ConfigError: there is no such user or group, or it is not allowed.
    """
    uid = None if user is None or uid_of(user) == os.geteuid() else uid_of(user)
    gid = None if group is None or gid_of(group) == os.getegid() else gid_of(group)
    try:
        if os.geteuid() == 0 and (uid is not None or gid is not None):
            _drop_groups(uid, os.getegid() if gid is None else gid, initgroups)
        if gid is not None:
            os.setresgid(gid, gid, gid)
        if uid is not None:
            os.setresuid(uid, uid, uid)
    except PermissionError as error:
        who = f"user {user!r}, group {group!r}"
        reason = f"becoming {who} needs root; this process is uid {os.geteuid()}"
        raise ConfigError("user" if uid is not None else "group", None, reason) from error


def _drop_groups(uid: int | None, gid: int, initgroups: bool) -> None:
    if initgroups and uid is not None:
        try:
            os.initgroups(pwd.getpwuid(uid).pw_name, gid)
            return
        except KeyError:
            pass  # a number that stands for nobody has no groups of its own
    os.setgroups([gid])
