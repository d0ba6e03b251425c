"""The environ key of each header name, kept for names seen before."""

import re
from typing import Final, Literal

from heeler.plugins.errors import RemoteProtocolError

HeaderMap = Literal["drop", "refuse", "dangerous"]

_KEPT_NAMES: Final = 512
_KEPT_LENGTH: Final = 64
_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch


class EnvironKeys(dict[str, str | None]):
    """Maps a name as sent to its environ key, or to None if it is dropped; what is no name raises RemoteProtocolError.

    `Proxy` is dropped always: HTTP_PROXY is read as a setting by libraries (httpoxy).
    A name with `_` would become another one's key (`X_Forwarded_For`).
    """

    __slots__ = ("header_map",)

    def __init__(self, header_map: HeaderMap) -> None:
        super().__init__()
        self.header_map = header_map

    def __missing__(self, name: str) -> str | None:
        key = self._key(name)
        if len(name) <= _KEPT_LENGTH:
            if len(self) >= _KEPT_NAMES:
                self.clear()
            self[name] = key
        return key

    def _key(self, name: str) -> str | None:
        if _is_token(name) is None:
            raise RemoteProtocolError("a header field is malformed")
        if "_" in name and self.header_map != "dangerous":
            if self.header_map == "refuse":
                raise RemoteProtocolError("a header name has an underscore")
            return None
        key = name.upper().replace("-", "_")
        if key == "PROXY":
            return None
        return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key

    def is_kept(self, name: bytes) -> bool:
        """Return whether fields of that name reach the application at all."""
        return self.header_map == "dangerous" or b"_" not in name
