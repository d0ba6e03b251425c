"""The settings of every worker class that serves ASGI."""

from typing import Final

from heeler.plugins.parse import boolean, choice, integer, seconds
from heeler.plugins.setting import Setting

ASGI_SETTINGS: Final = (
    Setting(
        "lifespan",
        choice("auto", "on", "off"),
        "auto",
        "Whether the application is told of startup and shutdown: `auto` takes an exception before its answer for"
        " not supported, `on` for a failed boot, `off` does not ask. An application that says"
        " `lifespan.startup.failed` does not boot in either case.",
        "ASGI",
        cli=("--lifespan", "--asgi-lifespan"),
        metavar="auto|on|off",
        aliases=("asgi_lifespan",),
    ),
    Setting(
        "lifespan_shutdown_timeout",
        seconds,
        10,
        "How long the application may take for its lifespan shutdown, once all connections are closed, within what is"
        " left of `graceful_timeout`. Its startup is bounded by `boot_timeout`.",
        "ASGI",
        cli=("--lifespan-shutdown-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        "disconnect_grace",
        seconds,
        30,
        "How long a request whose client is gone may go on before it is cancelled; 0 = never cancelled.",
        "ASGI",
        cli=("--disconnect-grace", "--asgi-disconnect-grace-period"),
        metavar="SECONDS",
        aliases=("asgi_disconnect_grace_period",),
        gunicorn="The default is 3 there.",
    ),
    Setting(
        "websocket_max_size",
        integer(1),
        16777216,
        "The largest WebSocket message that is taken, in bytes; a larger one closes the connection with 1009.",
        "ASGI",
        cli=("--websocket-max-size", "--websocket-max-message-size"),
        metavar="BYTES",
        aliases=("websocket_max_message_size",),
        gunicorn="There 0 means no limit; say how large a message may be.",
    ),
    Setting(
        "websocket_ping_interval",
        seconds,
        20,
        "How often a WebSocket client is asked for a sign of life; 0 = never.",
        "ASGI",
        cli=("--websocket-ping-interval",),
        metavar="SECONDS",
    ),
    Setting(
        "websocket_ping_timeout",
        seconds,
        20,
        "How long a WebSocket client may take to give it; then the connection is closed. 0 = for ever.",
        "ASGI",
        cli=("--websocket-ping-timeout",),
        metavar="SECONDS",
    ),
    Setting(
        "websocket_compression",
        boolean,
        True,
        "Whether WebSocket messages are compressed (permessage-deflate) with clients that offer it.",
        "ASGI",
        cli=("--no-websocket-compression",),
        flag=True,
        flag_value=False,
    ),
)
"""Lifespan, disconnect and WebSocket."""
