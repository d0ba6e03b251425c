"""Field lines, each read once and kept: most lines of a block come again even where the block does not."""

from random import getrandbits
from typing import Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.authority import is_authority
from heeler.workers.http.environ_keys import EnvironKeys
from heeler.workers.http.kept import Kept

_MOST: Final = 1024
_LONGEST: Final = 256

# RFC 9110, section 5.5: no control byte but the tab. To delete them and to look whether
# anything is missing is several times as fast as a search by regular expression.
_CONTROLS: Final = bytes((*range(9), *range(10, 32), 127))


class SeenLines(Kept[str, tuple[str | None, str]]):
    """Maps a field line, without its CRLF, to environ key (None: it is dropped) and value.

    What is in it is good by itself.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: EnvironKeys) -> None:
        super().__init__(_MOST, _LONGEST)
        self._keys = keys

    def environ(self, lines: list[str]) -> dict[str | None, str]:
        """Return the values of `lines` by environ key; where lines have one key, the last one's.

        Raises:
            RemoteProtocolError: a line is not good by itself.
        """
        keys, get = self._keys, self.get
        environ: dict[str | None, str] = {}
        new = []
        for line in lines:
            pair = get(line)
            if pair is not None:
                key, value = pair
                environ[key] = value
                continue
            name, colon, value = line.partition(":")
            key = keys[name]
            environ[key] = value = value.strip(" \t")
            if not colon:
                raise RemoteProtocolError("a header field is malformed")
            if key == "HTTP_HOST" and value and not is_authority(value):
                raise RemoteProtocolError("Host is malformed")
            new.append(line)
        if new:
            data = "".join(new).encode("latin-1")
            if len(data.translate(None, _CONTROLS)) != len(data):
                raise RemoteProtocolError("a header field is malformed")
            if len(self) < self._half or not getrandbits(3):
                self._keep_all(new)
        return environ

    def pair(self, line: str) -> tuple[str | None, str]:
        """Return the key and the value of a line that is good."""
        name, _, value = line.partition(":")
        return self._keys[name], value.strip(" \t")

    def _keep_all(self, lines: list[str]) -> None:
        if len(self) + min(len(lines), self._half) > self._most:
            self.clear()
        for line in lines[: self._half]:
            if len(line) <= self._longest:
                self[line] = self.pair(line)
