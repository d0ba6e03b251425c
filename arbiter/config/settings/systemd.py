"""Settings of the server as a service of systemd."""

from heeler.plugins.parse import choice
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
)
"""As a service of systemd."""
