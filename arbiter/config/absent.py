"""Gunicorn's settings that Heeler does not have: why, and what to use instead.

A `gunicorn.conf.py` is to work as it is wherever it can. So a value that asks for
nothing (Gunicorn's own default, or an option of something that is off) passes; what
would change how the application is served is refused with the reason.
"""

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True, slots=True)
class Absent:
    """A setting of Gunicorn's that is not ours.

    Args:
        name: Gunicorn's name.
        flags: its flags.
        reason: why it is refused, or has no effect, and what to use instead.
        harmless: the values that pass, besides None, False, the empty text, list and dict.
        ignored: True where every value passes, and has no effect.
        switch: True where the flag takes no value.
    """

    name: str
    flags: tuple[str, ...]
    reason: str
    harmless: tuple[object, ...] = ()
    ignored: bool = False
    switch: bool = False

    def passes(self, value: object) -> bool:
        """Tell whether giving `value` changes nothing."""
        if self.ignored or value is None or value is False or value in ("", [], (), {}):
            return True
        return str(value).lower() in {str(each).lower() for each in self.harmless}


def _later(name: str, flags: tuple[str, ...], what: str, *harmless: object, switch: bool = False) -> Absent:
    return Absent(name, flags, f"{what} not in this version yet", (*harmless, 0), switch=switch)


def _nothing(name: str, flags: tuple[str, ...], reason: str, *, switch: bool = False) -> Absent:
    return Absent(name, flags, f"no effect: {reason}", ignored=True, switch=switch)


_TLS: Final = "TLS is"
_HTTP2: Final = "there is no HTTP/2 in this version yet"
_SYSLOG: Final = "there is no syslog output"
_DIRTY: Final = "Heeler has no dirty workers: give long tasks to a task queue, or to a second server"
_NO_ASGI: Final = "it is for worker classes that serve ASGI"
_GRAMMAR: Final = "what RFC 9112 says to refuse is refused, since two servers may read it in two ways; fix the client"

ABSENT: Final[tuple[Absent, ...]] = (
    Absent("spew", ("--spew",), "there is no tracing of every line; use `python -m trace` or py-spy", switch=True),
    _nothing("worker_tmp_dir", ("--worker-tmp-dir",), "heartbeats are words in shared memory, not files"),
    _nothing("tmp_upload_dir", (), "it is read nowhere in Gunicorn either; see `spool_dir`"),
    _nothing("default_proc_name", (), "see `proc_name`"),
    Absent("syslog", ("--log-syslog",), "no syslog output; use `logconfig` with a SysLogHandler", switch=True),
    _nothing("syslog_addr", ("--log-syslog-to",), _SYSLOG),
    _nothing("syslog_prefix", ("--log-syslog-prefix",), _SYSLOG),
    _nothing("syslog_facility", ("--log-syslog-facility",), _SYSLOG),
    _nothing("disable_redirect_access_to_syslog", ("--disable-redirect-access-to-syslog",), _SYSLOG, switch=True),
    _later("statsd_host", ("--statsd-host",), "sending metrics to StatsD (`heeler status --json` has the numbers) is"),
    _nothing("statsd_prefix", ("--statsd-prefix",), "there is no StatsD in this version yet"),
    _nothing("dogstatsd_tags", ("--dogstatsd-tags",), "there is no StatsD in this version yet"),
    _nothing(
        "enable_backlog_metric", ("--enable-backlog-metric",), "there is no StatsD in this version yet", switch=True
    ),
    Absent(
        "paste",
        ("--paste", "--paster"),
        "PasteDeploy files are not read; name a module that calls `paste.deploy.loadapp`",
    ),
    Absent("raw_paste_global_conf", ("--paste-global",), "PasteDeploy files are not read"),
    _later("proxy_protocol", ("--proxy-protocol",), "the PROXY protocol is", "off"),
    _nothing("proxy_allow_ips", ("--proxy-allow-from",), "there is no PROXY protocol in this version yet"),
    Absent("protocol", ("--protocol",), "the uwsgi protocol is not spoken; let the proxy speak HTTP", ("http",)),
    _nothing("uwsgi_allow_ips", ("--uwsgi-allow-from",), "the uwsgi protocol is not spoken"),
    _later("keyfile", ("--keyfile",), _TLS),
    _later("certfile", ("--certfile",), _TLS),
    _later("ca_certs", ("--ca-certs",), _TLS),
    _later("cert_reqs", ("--cert-reqs",), _TLS, "VerifyMode.CERT_NONE"),
    _later("ciphers", ("--ciphers",), _TLS),
    _nothing("ssl_version", ("--ssl-version",), "Gunicorn ignores it too"),
    _nothing("suppress_ragged_eofs", ("--suppress-ragged-eofs",), "there is no TLS in this version yet", switch=True),
    _nothing(
        "do_handshake_on_connect", ("--do-handshake-on-connect",), "there is no TLS in this version yet", switch=True
    ),
    _later("http_protocols", ("--http-protocols",), "HTTP/2 is", "h1", ["h1"], ("h1",)),
    _later("http2_cleartext", ("--http2-cleartext",), "HTTP/2 is", "off"),
    _nothing("http2_max_concurrent_streams", ("--http2-max-concurrent-streams",), _HTTP2),
    _nothing("http2_initial_window_size", ("--http2-initial-window-size",), _HTTP2),
    _nothing("http2_max_frame_size", ("--http2-max-frame-size",), _HTTP2),
    _nothing("http2_max_header_list_size", ("--http2-max-header-list-size",), _HTTP2),
    Absent("permit_obsolete_folding", ("--permit-obsolete-folding",), _GRAMMAR, switch=True),
    Absent("strip_header_spaces", ("--strip-header-spaces",), _GRAMMAR, switch=True),
    Absent("permit_unconventional_http_method", ("--permit-unconventional-http-method",), _GRAMMAR, switch=True),
    Absent("permit_unconventional_http_version", ("--permit-unconventional-http-version",), _GRAMMAR, switch=True),
    Absent("casefold_http_method", ("--casefold-http-method",), _GRAMMAR, switch=True),
    _nothing("http_parser", ("--http-parser",), "there is one parser, in C"),
    _nothing("asgi_loop", ("--asgi-loop",), _NO_ASGI),
    _nothing("asgi_lifespan", ("--asgi-lifespan",), _NO_ASGI),
    _nothing("asgi_disconnect_grace_period", ("--asgi-disconnect-grace-period",), _NO_ASGI),
    _nothing("websocket_max_message_size", ("--websocket-max-message-size",), _NO_ASGI),
    Absent("dirty_apps", ("--dirty-app",), _DIRTY),
    Absent("dirty_workers", ("--dirty-workers",), _DIRTY, (0,)),
    _nothing("dirty_timeout", ("--dirty-timeout",), _DIRTY),
    _nothing("dirty_threads", ("--dirty-threads",), _DIRTY),
    _nothing("dirty_graceful_timeout", ("--dirty-graceful-timeout",), _DIRTY),
    _nothing("control_socket", ("--control-socket",), "there is no control socket; `heeler status` needs none"),
    _nothing("control_socket_mode", ("--control-socket-mode",), "there is no control socket"),
    _nothing("control_socket_disable", ("--no-control-socket",), "there is no control socket", switch=True),
    _nothing("ssl_context", (), "there is no TLS in this version yet"),
    _nothing("on_dirty_starting", (), _DIRTY),
    _nothing("dirty_post_fork", (), _DIRTY),
    _nothing("dirty_worker_init", (), _DIRTY),
    _nothing("dirty_worker_exit", (), _DIRTY),
)
"""All of them, in Gunicorn's order."""
