"""Settings of the server as a service of systemd."""

from heeler.plugins.parse import boolean, choice
from heeler.plugins.setting import Setting

SYSTEMD = (
    Setting(
        "notify_ready",
        choice("first", "all"),
        "first",
        "When systemd (NOTIFY_SOCKET) is told that the server is ready: once the `first` worker is, or once `all` are.",
        "systemd",
        cli=("--notify-ready",),
        metavar="WHEN",
        reloadable=False,
        gunicorn="Gunicorn says so before it has forked a worker.",
    ),
    Setting(
        "fd_store",
        boolean,
        False,
        "Have systemd keep a copy of each listening socket that the server binds, and take it up again when it is"
        " started after a crash. The unit needs `FileDescriptorStoreMax`.",
        "systemd",
        cli=("--fd-store",),
        flag=True,
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
)
"""As a service of systemd."""
