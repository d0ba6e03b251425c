"""Settings of HTTP: whom to believe, and how responses are sent."""

from heeler.plugins.parse import boolean, choice, text_mapping, texts
from heeler.plugins.setting import Setting


def _network(given: str) -> str:
    if given in ("*", "127.0.0.1", "::1"):
        return given
    import ipaddress  # late: most servers keep the default

    try:
        ipaddress.ip_network(given)
    except ValueError as error:
        raise ValueError(f"{error}; an IP address, a network such as 10.0.0.0/8, or * is right") from None
    return given


def _sendfile(value: object) -> object:
    return True if value is None else boolean(value)


def _prefix(value: object) -> object:
    if not isinstance(value, str) or (value.strip("/") and not value.startswith("/")):
        raise ValueError("not a path that begins with /, or nothing")
    return value.rstrip("/")


def _scheme_headers(value: object) -> object:
    return {name.upper(): given for name, given in text_mapping(value).items()}


HTTP = (
    Setting(
        "sendfile",
        _sendfile,
        True,
        "Whether files given as responses are sent by sendfile(2).",
        "HTTP",
        cli=("--no-sendfile",),
        env=("SENDFILE",),
        flag=True,
        flag_value=False,
    ),
    Setting(
        "forwarded_allow_ips",
        texts(_network),
        "127.0.0.1,::1",
        "Whose word about the client is taken: addresses or networks of trusted proxies, or `*` for all."
        " Peers on Unix sockets are always trusted.",
        "HTTP",
        cli=("--forwarded-allow-ips",),
        env=("FORWARDED_ALLOW_IPS",),
        metavar="ADDRESSES",
        example="10.0.0.0/8,::1",
        gunicorn="The variable FORWARDED_ALLOW_IPS wins over the config module; in Gunicorn it is only a default.",
    ),
    Setting(
        "secure_scheme_headers",
        _scheme_headers,
        {"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"},
        "Header fields, and their values, by which a trusted proxy says that the request came by https.",
        "HTTP",
        metavar="FIELD=VALUE",
    ),
    Setting(
        "forwarder_headers",
        texts(str.upper),
        "SCRIPT_NAME,PATH_INFO",
        "Fields with an underscore in their name that a trusted proxy may set, whatever `header_map` drops."
        " `SCRIPT_NAME` tells the prefix that the application is mounted at.",
        "HTTP",
        cli=("--forwarder-headers",),
        metavar="FIELDS",
        gunicorn="With `header_map = refuse` a request with such a field is refused, also from a trusted proxy.",
    ),
    Setting(
        "script_name",
        _prefix,
        "",
        "The path that the application is mounted at, such as `/shop`: it is taken off the front of PATH_INFO and"
        " becomes the environ's SCRIPT_NAME, or the scope's `root_path`.",
        "HTTP",
        cli=("--script-name", "--root-path"),
        env=("SCRIPT_NAME",),
        metavar="PATH",
        example="/shop",
        aliases=("root_path",),
        gunicorn="Gunicorn's `root_path` is for ASGI only; this is for both, and ASGI's `root_path`, too.",
    ),
    Setting(
        "header_map",
        choice("drop", "refuse", "dangerous"),
        "drop",
        "What happens to fields with an underscore in their name, which an application cannot tell from ones with a"
        " hyphen: `drop` them, `refuse` the request, or pass them on (`dangerous`).",
        "HTTP",
        cli=("--header-map",),
        metavar="WHAT",
    ),
)
"""Whom to believe, and how responses are sent."""
