"""Whose word about the client is taken, and what that word says."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.fields import Fields, split

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The proxies in front of the server.

    Args:
        allowed: their addresses and networks; `*` for everybody.
        schemes: field names, and the value by which each says that the client used https.
        forwarded: names with an underscore that they may set, in upper case.
    """

    def __init__(self, allowed: Iterable[object], schemes: Mapping[str, str], forwarded: Iterable[str]) -> None:
        texts = [str(item) for item in allowed]
        self._everybody = "*" in texts
        self._networks: dict[str, Network] = {
            text: ipaddress.ip_network(text, strict=False) for text in texts if text != "*"
        }
        self._schemes = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in schemes.items()}
        self._forwarded = frozenset(forwarded)

    def trusts(self, host: str) -> bool:
        """Whether `host` (an address, "" on a Unix socket) is one of them."""
        if self._everybody or not host or host in self._networks:
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._networks.values())

    def apply(self, environ: dict[str, Any], fields: Fields) -> None:
        """Change what an environ says of the client to what a trusted proxy says.

        Raises:
            RemoteProtocolError: it contradicts itself.
        """
        told = fields.environ.keys() & self._schemes.keys()
        if told:
            said = {environ[key] == self._schemes[key] for key in told}
            if len(said) > 1:
                raise RemoteProtocolError("the fields that tell the scheme contradict each other", 400)
            if True in said:
                environ["wsgi.url_scheme"] = "https"
        if fields.odd_names:
            self._take_forwarded(environ, fields)

    def _take_forwarded(self, environ: dict[str, Any], fields: Fields) -> None:
        """Take the fields whose names have an underscore, as Gunicorn's `forwarder_headers` do."""
        for raw, value in split(fields.block):
            name = raw.decode("latin-1").upper()
            if "_" in name and name in self._forwarded:
                environ["HTTP_" + name] = text = value.decode("latin-1")
                if name == "SCRIPT_NAME":
                    environ["SCRIPT_NAME"] = text.rstrip("/")
