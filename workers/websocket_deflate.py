"""Agreement on permessage-deflate (RFC 7692): what a client offers in, what is answered out.

Imports `websockets`, so it is imported only in workers that serve a WebSocket.
"""

from websockets.exceptions import InvalidHeaderFormat, NegotiationError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.headers import build_extension, parse_extension

from heeler.workers.websocket_handshake import HandshakeError


class Deflate:
    """Agrees on permessage-deflate; one for all connections of a worker."""

    __slots__ = ("_factory",)

    def __init__(self) -> None:
        # Windows of 4 KiB, and tables to match: about 32 KiB a connection instead of 256.
        self._factory = ServerPerMessageDeflateFactory(
            server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
        )

    def agree(self, offers: str) -> tuple[str | None, PerMessageDeflate | None]:
        """Return the value of Sec-WebSocket-Extensions and what compresses; None twice where nothing fits.

        Args:
            offers: the client's Sec-WebSocket-Extensions.

        Raises:
            HandshakeError: `offers` is no list of extensions.
        """
        try:
            parsed = parse_extension(offers)
        except InvalidHeaderFormat as error:
            raise HandshakeError("Sec-WebSocket-Extensions is malformed") from error
        for name, parameters in parsed:
            if name != self._factory.name:
                continue
            try:
                agreed, extension = self._factory.process_request_params(parameters, [])
            except NegotiationError:
                continue  # the client's next offer may be one that can be met
            return build_extension([(name, agreed)]), extension
        return None, None
