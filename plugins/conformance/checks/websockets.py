"""WebSocket over ASGI: the handshake, messages both ways, and every way to end (RFC 6455)."""

import signal

from heeler.plugins.conformance import websocket as ws
from heeler.plugins.conformance.checks.scene import PROMPT_S, end_of
from heeler.plugins.conformance.client import Client
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise


def _open(client: Client, target: str = "/echo", *, protocols: str = "") -> str:
    """Open a WebSocket and return the subprotocol."""
    response = ws.open_websocket(client, target, {"Sec-WebSocket-Protocol": protocols} if protocols else None)
    expect(response.status == 101, f"a WebSocket was answered {response.status}, not 101")
    return response.header("Sec-WebSocket-Protocol")


def _expect_message(client: Client, opcode: int, payload: bytes, what: str) -> None:
    found = ws.read_message(client)
    expect((found.opcode, found.payload) == (opcode, payload), f"{what} came back as {str(found)[:200]}")


def _expect_close(client: Client, code: int, what: str) -> None:
    found = ws.read_message(client)
    expect(found.opcode == ws.CLOSE, f"{what} is answered by a frame of opcode {found.opcode}, not by a close")
    expect(found.code == code, f"{what} is answered by close code {found.code}, not {code}")


def check_websocket_echo(maker: Maker) -> None:
    """Text, bytes, small and large messages, fragments and pings go both ways, in their order."""
    large = bytes(range(256)) * 512
    with maker.client(maker.shared()) as client, promise("messages go both ways"):
        _open(client)
        for opcode, payload in ((ws.TEXT, "grüß".encode()), (ws.BINARY, b"\0\xff"), (ws.BINARY, large), (ws.TEXT, b"")):
            ws.send_frame(client, opcode, payload)
            _expect_message(client, opcode, payload, f"a message of {len(payload)} bytes")
        ws.send_frame(client, ws.TEXT, b"in ", final=False)
        ws.send_frame(client, ws.PING, b"are you there")
        ws.send_frame(client, ws.CONTINUATION, b"pieces")
        _expect_message(client, ws.PONG, b"are you there", "a ping within a message")
        _expect_message(client, ws.TEXT, b"in pieces", "a message in fragments")
        for number in range(50):
            ws.send_frame(client, ws.TEXT, str(number).encode())
        for number in range(50):
            _expect_message(client, ws.TEXT, str(number).encode(), f"message {number} of 50 in a row")
        ws.send_frame(client, ws.CLOSE, ws.close_payload(1000))
        _expect_close(client, 1000, "a close of code 1000")
        expect(client.is_closed(), "the connection stays open after the closing handshake")


def check_websocket_close_codes(maker: Maker) -> None:
    """The application hears the client's close code, and the client the application's."""
    with maker.serve() as server:
        with maker.client(server) as client, promise("the client's close reaches the application"):
            _open(client)
            ws.send_frame(client, ws.CLOSE, ws.close_payload(3001, "enough"))
            _expect_close(client, 3001, "a close of code 3001")
            server.wait_for_log("websocket disconnected 3001", timeout_s=maker.patience_s)
        with maker.client(server) as client, promise("a client that is gone without a word is 1006 to the application"):
            _open(client)
            client.close()
            server.wait_for_log("websocket disconnected 1006", timeout_s=maker.patience_s)
        with maker.client(server) as client, promise("the application's close reaches the client"):
            _open(client, "/close")
            found = ws.read_message(client)
            expect((found.opcode, found.code) == (ws.CLOSE, 4001), f"the client got {found}")
            expect(found.payload[2:] == b"enough", f"the reason came as {found.payload[2:]!r}")
            ws.send_frame(client, ws.CLOSE, found.payload)
            expect(client.is_closed(), "the connection stays open after the closing handshake")


def check_websocket_handshake(maker: Maker) -> None:
    """A subprotocol is agreed upon where both know one, and a refusal is a plain 403."""
    with maker.client(maker.shared()) as client, promise("a subprotocol is agreed upon"):
        found = _open(client, protocols="first, second")
        expect(found == "second", f"the application chose `second`, the client was told {found!r}")
    with maker.client(maker.shared()) as client, promise("a client that offers no subprotocol is told of none"):
        expect(_open(client) == "", "a subprotocol was told that nobody offered")
    with maker.client(maker.shared()) as client, promise("an application may refuse a WebSocket"):
        status = ws.open_websocket(client, "/reject").status
        expect(status == 403, f"a WebSocket that the application refuses was answered {status}, not 403")


def check_websocket_protocol_errors(maker: Maker) -> None:
    """Frames that break the protocol end the connection, with the code that says why."""
    cases = (
        ("a frame that is not masked", 1002, ws.TEXT | ws.FINAL, b"naked", False),
        ("a frame of an unknown kind", 1002, 3 | ws.FINAL, b"", True),
        ("a ping that is fragmented", 1002, ws.PING, b"", True),
        ("text that is no UTF-8", 1007, ws.TEXT | ws.FINAL, b"\xff\xfe", True),
    )
    for what, code, first, payload, masked in cases:
        with maker.client(maker.shared()) as client, promise(f"{what} ends the connection"):
            _open(client)
            ws.send_raw_frame(client, first, payload, masked=masked)
            _expect_close(client, code, what)


def check_websocket_drain(maker: Maker) -> None:
    """At TERM each WebSocket is closed with code 1012, and holds up the end no longer."""
    with maker.serve() as server, maker.client(server) as client:
        with promise("a WebSocket is served"):
            _open(client)
            ws.send_frame(client, ws.TEXT, b"hello")
            _expect_message(client, ws.TEXT, b"hello", "a message")
        server.signal(signal.SIGTERM)
        with promise("a WebSocket is told of the drain"):
            _expect_close(client, 1012, "the drain")
            ws.send_frame(client, ws.CLOSE, ws.close_payload(1012))
            server.wait_for_log("websocket disconnected", timeout_s=maker.patience_s)
        end_of(server, "a WebSocket does not hold up the end", PROMPT_S)
