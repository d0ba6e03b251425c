"""Frames in both directions, against the client side of `websockets`."""

import logging
import struct
import tracemalloc
import zlib

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, PerMessageDeflate
from websockets.frames import BINARY, CLOSE, CONT, PING, TEXT, Close, Frame, Opcode
from websockets.utils import apply_mask

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.websocket_deflate import Deflate
from heeler.workers.websocket_frames import Frames, Message
from heeler.workers.websocket_handshake import HandshakeError

MOST = 1 << 30
SIZES = (0, 1, 125, 126, 127, 65535, 65536, 70000)


def make_frames(max_size: int = 1 << 20, deflate: PerMessageDeflate | None = None) -> Frames:
    """Return the server's side."""
    return Frames(max_size, deflate, logging.getLogger("test"))


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True, rsv1: bool = False) -> bytes:
    """Return a client's frame; unlike its library, it may be wrong."""
    size = len(data)
    first = opcode | fin << 7 | rsv1 << 6
    head = bytes((first, 128 + size)) if size < 126 else struct.pack("!BBQ", first, 255, size)
    return head + b"\1\2\3\4" + apply_mask(data, b"\1\2\3\4")


def read(frames: Frames, data: bytes, most: int = MOST) -> list[Message]:
    """Return the messages that `data` completes."""
    frames.feed(data)
    return frames.messages(most, MOST)


def closing(code: int, reason: str = "") -> bytes:
    """Return a client's close frame."""
    return frame(CLOSE, Close(code, reason).serialize())


def answers(frames: Frames) -> list[tuple[int, bytes]]:
    """Return first byte and payload of the small frames that the server sends by itself."""
    data, found = frames.take(), []
    while data:
        found.append((data[0], data[2 : 2 + data[1]]))
        data = data[2 + data[1] :]
    return found


@pytest.mark.parametrize("size", SIZES)
def test_messages_of_every_size_are_read(size: int) -> None:
    """Whatever form their length has, texts and bytes come out as they went in."""
    frames = make_frames()
    text, data = "é" * (size // 2) + "x" * (size % 2), bytes(size)
    assert read(frames, frame(TEXT, text.encode()) + frame(BINARY, data)) == [text, data]


@pytest.mark.parametrize("size", SIZES)
def test_messages_of_every_size_are_written(size: int) -> None:
    """The head says the size in the shortest form."""
    frames = make_frames()
    for message, opcode in ((bytes(size), BINARY), ("x" * size, TEXT)):
        payload = message.encode() if isinstance(message, str) else message
        assert b"".join(frames.encode(message)) == Frame(opcode, payload).serialize(mask=False)


def test_whole_is_as_byte_by_byte() -> None:
    """How the bytes were cut on their way makes no difference."""
    data = b"".join(
        (
            frame(TEXT, b"hello"),
            frame(PING, b"p"),
            frame(BINARY, b"ab", fin=False),
            frame(PING, b"q"),
            frame(CONT, b"cd"),
            frame(TEXT, "é€".encode()[:3], fin=False),
            frame(CONT, "é€".encode()[3:]),
            frame(BINARY, bytes(300)),
            closing(4000, "bye"),
        )
    )
    whole, pieces = make_frames(), make_frames()
    expected: list[Message] = ["hello", b"abcd", "é€", bytes(300)]
    assert read(whole, data) == expected
    assert [message for byte in data for message in read(pieces, bytes((byte,)))] == expected
    assert answers(whole) == answers(pieces) == [(0x8A, b"p"), (0x8A, b"q"), (0x88, b"\x0f\xa0bye")]
    assert whole.received == pieces.received == (4000, "bye")
    assert whole.is_over and pieces.is_over


def test_the_quick_way_reads_the_same() -> None:
    """A small message that stands alone is read in one step; anything else is left to the thorough way."""
    frames = make_frames()
    assert frames.quick(frame(TEXT, "hé".encode())) == "hé"
    assert frames.quick(frame(BINARY, b"")) == b""
    for size in (125, 126, 127, 128, 1000, 65530):
        assert frames.quick(Frame(BINARY, bytes(size)).serialize(mask=True)) == bytes(size)
    for data in (
        frame(TEXT, b"a") * 2,
        frame(TEXT, b"a")[:-1],
        frame(TEXT, b"\xff"),
        frame(TEXT, bytes(126)) + b"x",
        frame(TEXT, bytes(70000)),
        frame(PING),
        b"\x81",
    ):
        assert frames.quick(data) is None
    assert read(frames, frame(BINARY, b"a", fin=False)) == []
    assert frames.quick(frame(TEXT, b"b")) is None
    assert read(frames, frame(CONT, b"b")) == [b"ab"]
    assert frames.quick(frame(TEXT, b"b")) == "b"
    assert make_frames(max_size=2).quick(frame(TEXT, b"abc")) is None


def test_no_more_is_read_than_there_is_room_for() -> None:
    """The rest waits, and comes with the next calls, in order."""
    frames = make_frames()
    assert read(frames, b"".join(frame(BINARY, b"%d" % number) for number in range(10)), 4) == [b"0", b"1", b"2", b"3"]
    assert frames.is_waiting
    assert frames.messages(MOST, 1) == [b"4"]
    assert read(frames, frame(BINARY, b"10"), 5) == [b"5", b"6", b"7", b"8", b"9"]
    assert frames.messages(MOST, MOST) == [b"10"]
    assert not frames.is_waiting


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xff", fin=False), 1007),
        (frame(TEXT, "é".encode()[:1], fin=False) + frame(CONT, b"x", fin=False), 1007),
        (closing(1000)[:1] + b"\x83\0\0\0\0\x03\xe8\xff", 1007),
        (b"\x81\x01a", 1002),
        (frame(TEXT, b"a", rsv1=True), 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (frame(CONT, b"a"), 1002),
        (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
        (frame(PING, bytes(126)), 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (frame(CLOSE, b"a"), 1002),
        (frame(CLOSE, b"\x03\xed"), 1002),
        (b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", 1009),
        (frame(BINARY, bytes(60), fin=False) + frame(CONT, bytes(80)), 1009),
        (frame(BINARY, bytes(131)), 1009),
    ],
)
def test_a_fault_is_answered_with_its_code(data: bytes, code: int) -> None:
    """Each fault closes with the code that RFC 6455, section 7.4.1 has for it, as soon as it is seen."""
    frames = make_frames(max_size=130)
    assert read(frames, data) == []
    assert frames.failure is not None and frames.failure[0] == code
    ((first, payload),) = answers(frames)
    assert first == 0x88 and payload[:2] == code.to_bytes(2, "big")
    assert not frames.is_open


def test_messages_before_a_fault_are_kept() -> None:
    """What came in good order was meant."""
    frames = make_frames()
    assert read(frames, frame(TEXT, b"a") + frame(TEXT, b"\xff") + frame(TEXT, b"b")) == ["a"]


def test_after_a_fault_only_the_clients_close_frame_counts() -> None:
    """What else is on its way is thrown away, frame by frame: the end is seen, and not missed in a payload."""
    frames = make_frames(max_size=100)
    read(frames, frame(BINARY, closing(1000) * 40))
    assert frames.failure is not None and not frames.is_over
    assert read(frames, frame(TEXT, b"a") + frame(BINARY, bytes(300))[:100]) == []
    assert read(frames, frame(BINARY, bytes(300))[100:]) == []
    assert not frames.is_over
    read(frames, closing(1009))
    assert frames.is_over


def test_a_bad_close_frame_is_the_last_of_the_client() -> None:
    """It said that it is done, though badly: nothing more is waited for."""
    frames = make_frames()
    read(frames, frame(CLOSE, b"a"))
    assert frames.is_over and frames.failure == (1002, "close frame too short")


def test_a_close_frame_ends_a_fragmented_message() -> None:
    """It may come amidst one, which is dropped (RFC 6455, section 5.4)."""
    frames = make_frames()
    assert read(frames, frame(TEXT, b"a", fin=False) + closing(1000)) == []
    assert frames.received == (1000, "") and frames.failure is None
    assert answers(frames) == [(0x88, b"\x03\xe8")]


def test_a_close_frame_without_code_is_1005() -> None:
    """It is echoed as it came."""
    frames = make_frames()
    read(frames, frame(CLOSE))
    assert frames.received == (1005, "")
    assert answers(frames) == [(0x88, b"")]


def test_our_close_frame_waits_for_the_clients() -> None:
    """Messages on their way are dropped; pings are still answered; the client's answer is the end."""
    frames = make_frames()
    assert frames.close(1000, "done") == b"\x88\x06\x03\xe8done"
    assert read(frames, frame(TEXT, b"a") + frame(PING, b"p")) == []
    assert answers(frames) == [(0x8A, b"p")]
    before = frames.is_over
    read(frames, closing(1000, "done"))
    assert (before, frames.is_over, frames.take()) == (False, True, b"")


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (5000, ""), (1000, "x" * 124)])
def test_a_close_that_may_not_be_sent_is_refused(code: int, reason: str) -> None:
    """It is refused before anything is sent, and another can be."""
    frames = make_frames()
    with pytest.raises(LocalProtocolError):
        frames.close(code, reason)
    assert frames.is_open
    assert frames.close(1000, "")


def test_many_small_fragments_take_no_more_memory_than_one_message() -> None:
    """The limit on a message is one on memory too."""
    frames = make_frames(max_size=2000)
    data = frame(BINARY, b"", fin=False) + frame(CONT, b"ab", fin=False) * 1000 + frame(CONT, b"", fin=False) * 200
    tracemalloc.start()
    try:
        assert read(frames, data) == []
        assert tracemalloc.get_traced_memory()[0] < 50_000
    finally:
        tracemalloc.stop()
    assert read(frames, frame(CONT)) == [b"ab" * 1000]


# -- permessage-deflate


@pytest.mark.parametrize("no_takeover", [False, True])
def test_compressed_messages_go_both_ways(no_takeover: bool) -> None:
    """With and without a common history, in one frame and in several."""
    factory = ClientPerMessageDeflateFactory(no_takeover, no_takeover)
    parameters = "; ".join(name if value is None else f"{name}={value}" for name, value in factory.get_request_params())
    agreed, deflate = Deflate().agree(f"permessage-deflate; {parameters}")
    assert agreed is not None and deflate is not None
    client = PerMessageDeflate(deflate.local_no_context_takeover, deflate.remote_no_context_takeover, 12, 12)
    frames = make_frames(deflate=deflate)
    for message in ("hello " * 100, "hello " * 100, "short"):
        assert read(frames, Frame(TEXT, message.encode()).serialize(mask=True, extensions=[client])) == [message]
        first = Frame(TEXT, message.encode()[:7], fin=False).serialize(mask=True, extensions=[client])
        rest = Frame(CONT, message.encode()[7:]).serialize(mask=True, extensions=[client])
        assert read(frames, first + rest) == [message]
        head, payload = frames.encode(message)
        is_compressed = bool(head[0] & 0x40)
        assert is_compressed == (len(message) > 64)
        assert client.decode(Frame(TEXT, payload, rsv1=is_compressed)).data == message.encode()


def test_a_bomb_is_refused() -> None:
    """What unfolds beyond the limit closes with 1009, whatever it weighs on the wire."""
    _, deflate = Deflate().agree("permessage-deflate")
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    frames = make_frames(max_size=65536, deflate=deflate)
    tracemalloc.start()
    try:
        assert read(frames, frame(BINARY, packed[:-4], rsv1=True)) == []
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert frames.failure is not None and frames.failure[0] == 1009


@pytest.mark.parametrize("data", [b"\xff\xff", b"garbage"])
def test_what_cannot_be_unfolded_is_refused(data: bytes) -> None:
    """It is a protocol error, in one frame or several."""
    for frames, sent in (
        (make_frames(deflate=Deflate().agree("permessage-deflate")[1]), frame(BINARY, data, rsv1=True)),
        (make_frames(deflate=Deflate().agree("permessage-deflate")[1]), frame(BINARY, data, rsv1=True, fin=False)),
    ):
        read(frames, sent)
        assert frames.failure is not None and frames.failure[0] == 1002


def test_the_first_offer_that_fits_is_taken() -> None:
    """Others are passed over; none is no fault, but a list that is none is one."""
    agreed, _ = Deflate().agree("x-other, permessage-deflate; server_max_window_bits=8, permessage-deflate")
    assert agreed == "permessage-deflate; server_max_window_bits=12"
    assert Deflate().agree("x-other") == (None, None)
    with pytest.raises(HandshakeError):
        Deflate().agree("permessage-deflate; =")
