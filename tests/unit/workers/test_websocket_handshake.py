"""The opening handshake: which requests are one, which are refused and how, and what is answered."""

import pytest

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.http.response_fields import RawFieldLines
from heeler.workers.websocket_handshake import Handshake, HandshakeError, accept_head, is_websocket, read_handshake
from support.websocket_fakes import KEY, handshake, parse

UPGRADE = b"Host: x\r\nConnection: keep-alive, Upgrade\r\n"


def test_the_key_is_answered_as_in_the_rfc() -> None:
    """The sample handshake of RFC 6455, section 1.3 gets the answer printed there."""
    found = read_handshake(parse(handshake(b"Sec-WebSocket-Protocol: chat, superchat")))
    assert found.accept == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert found.subprotocols == ["chat", "superchat"]
    assert found.extensions == ""


def test_an_empty_offer_is_none() -> None:
    """Some clients send the field without having anything to offer."""
    assert read_handshake(parse(handshake(b"Sec-WebSocket-Protocol: "))).subprotocols == []


@pytest.mark.parametrize("upgrade", [b"websocket", b"WebSocket", b"h2c, websocket"])
def test_websocket_may_be_one_of_several_offers(upgrade: bytes) -> None:
    """The name is compared without case, in a list too."""
    assert is_websocket(parse(b"GET / HTTP/1.1\r\n" + UPGRADE + b"Upgrade: " + upgrade + b"\r\n\r\n"))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n" + UPGRADE + b"Upgrade: h2c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + UPGRADE + b"Upgrade: websocket\r\n\r\n",
    ],
)
def test_other_requests_stay_http(data: bytes) -> None:
    """Another protocol, no Connection, or HTTP/1.0: the request is served as it is."""
    assert not is_websocket(parse(data))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (handshake().replace(b"GET", b"PUT"), 405),
        (handshake(b"Content-Length: 5") + b"hello", 400),
        (handshake(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (handshake(more=b""), 400),
        (handshake(more=b"Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n"), 400),
        (handshake(more=b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!!\r\n"), 400),
        (handshake(more=KEY + KEY), 400),
        (handshake(b"Sec-WebSocket-Version: 8"), 426),
        (handshake().replace(b": 13", b": 8"), 426),
        (handshake().replace(b"Sec-WebSocket-Version: 13\r\n", b""), 426),
        (handshake(b"Sec-WebSocket-Protocol: a b"), 400),
        (handshake(b"Sec-WebSocket-Protocol: a, a"), 400),
        (handshake(b"Sec-WebSocket-Protocol: ,"), 400),
        (handshake(b"Sec-WebSocket-Protocol: \xc3\xa9"), 400),
    ],
)
def test_a_bad_handshake_is_refused(data: bytes, status: int) -> None:
    """Whatever RFC 6455, section 4.2.1 does not let pass has its status."""
    with pytest.raises(HandshakeError) as caught:
        read_handshake(parse(data))
    assert caught.value.status_hint == status


def test_another_version_is_told_ours() -> None:
    """A client of another version learns which one is spoken here (RFC 6455, section 4.4)."""
    with pytest.raises(HandshakeError) as caught:
        read_handshake(parse(handshake().replace(b": 13", b": 8")))
    assert b"Sec-WebSocket-Version: 13\r\n" in caught.value.lines
    assert b"Upgrade: websocket\r\n" in caught.value.lines


def head(subprotocol: str | None = None, *headers: tuple[bytes, bytes], extensions: str | None = None) -> bytes:
    """Return the head that accepts a handshake."""
    offered = Handshake(b"s3p=", ["chat", "superchat"], "")
    return accept_head(offered, subprotocol, extensions, headers, RawFieldLines(), b"today")


def test_the_head_says_what_was_agreed_on() -> None:
    """Subprotocol, extensions and the application's headers are there; ours stand back for the application's."""
    said = head("chat", (b"x-a", b"1"), (b"date", b"never"), (b"content-length", b"0"), extensions="permessage-deflate")
    assert said == (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3p=\r\nSec-WebSocket-Protocol: chat\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\nx-a: 1\r\ndate: never\r\nServer: heeler\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("subprotocol", "header"),
    [
        ("other", (b"x-a", b"1")),
        (None, (b"Sec-WebSocket-Protocol", b"chat")),
        (None, (b"x-a", b"1\r\nx-b: 2")),
        (None, (b"x a", b"1")),
        (None, ("x-a", "1")),
        (None, (b"x-a",)),
    ],
)
def test_what_may_not_be_sent_is_refused(subprotocol: str | None, header: tuple[bytes, bytes]) -> None:
    """No subprotocol that was not offered, no field of the handshake's own, nothing that breaks the head."""
    with pytest.raises(LocalProtocolError):
        head(subprotocol, header)
