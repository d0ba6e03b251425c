"""HTTP/1.1 on the wire: where messages begin and end, and in what order they come (RFC 9112)."""

from typing import Final

from heeler.plugins.conformance.client import build_request
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise

PIECES: Final = b"one, two, three"


def check_responses_without_content(maker: Maker) -> None:
    """HEAD, 204 and 304 have no content on the wire, and the connection stays in step (RFC 9112, section 6.3)."""
    with maker.client(maker.shared()) as client, promise("the responses to HEAD, 204 and 304 have no content"):
        for method, target, status in (("HEAD", "/", 200), ("GET", "/204", 204), ("GET", "/304", 304)) * 2:
            response = client.request(method, target)
            expect(response.status == status, f"{method} {target} was answered {response.status}")
            if status == 204:
                framing = response.values("Content-Length") + response.values("Transfer-Encoding")
                expect(not framing, f"a 204 says how long its content is: {framing}")
        maker.ask_on(client)
        expect(client.pending() == 0, "bytes are left over behind the responses")


def check_chunked_requests(maker: Maker) -> None:
    """Content in chunks reaches the application without their framing, trailers or not, however it is cut up."""
    head = build_request("POST", "/echo", {"Transfer-Encoding": "chunked"})
    content = b"3;x=y\r\nabc\r\n00000a\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n"
    with maker.client(maker.shared()) as client, promise("content in chunks reaches the application"):
        client.send(head + content)
        expect(client.read_response().body == b"abc0123456789", "chunks sent at once came out otherwise")
        client.send_pieces([bytes([byte]) for byte in head + content])
        expect(client.read_response().body == b"abc0123456789", "chunks sent byte by byte came out otherwise")
        maker.ask_on(client)


def check_responses_of_unknown_length(maker: Maker) -> None:
    """A response whose length nobody knows is sent in chunks, to HTTP/1.0 up to the close (RFC 9112, section 7.1)."""
    with maker.client(maker.shared()) as client, promise("a response of unknown length arrives, and its end is seen"):
        response = client.request("GET", "/pieces")
        expect(response.body == PIECES, f"it arrived as {response.body!r}")
        framed = response.header("Transfer-Encoding") == "chunked" or response.header("Content-Length")
        expect(framed, "it is neither in chunks nor has a length")
        maker.ask_on(client)
    with maker.client(maker.shared()) as client, promise("an HTTP/1.0 client gets no chunks"):
        client.send(b"GET /pieces HTTP/1.0\r\n\r\n")
        response = client.read_response()
        expect(not response.values("Transfer-Encoding"), "an HTTP/1.0 client was sent chunks")
        expect(response.body == PIECES, f"it arrived as {response.body!r}")


def check_pipelining(maker: Maker) -> None:
    """Requests sent in a row are answered in that order, each once, slow or not (RFC 9112, section 9.3.2)."""
    targets = [f"/{('slow', 'say')[number % 2]}/{number}" for number in range(10)]
    requests = [build_request("GET", target) for target in targets]
    requests.insert(5, build_request("POST", "/echo", body=b"content in between"))
    wanted = [target.rpartition("/")[2].encode() for target in targets]
    wanted.insert(5, b"content in between")
    with maker.client(maker.shared()) as client, promise("requests sent in a row are answered in their order"):
        client.send(b"".join(requests))
        found = [client.read_response().body for _ in wanted]
        expect(found == wanted, f"the answers came as {found}")
        maker.ask_on(client)
        expect(client.pending() == 0, "more answers came than requests were sent")


def check_continue(maker: Maker) -> None:
    """A client that waits for 100 Continue gets it, any other does not (RFC 9110, section 10.1.1)."""
    ask = {"Content-Length": "5", "Expect": "100-continue"}
    with maker.client(maker.shared()) as client:
        with promise("a client that waits for 100 Continue gets it"):
            client.send(build_request("POST", "/echo", ask))
            found = client.read_until(b"\r\n\r\n")
            expect(found == b"HTTP/1.1 100 Continue", f"it got {found!r}")
            client.send(b"hello")
            expect(client.read_response().body == b"hello", "the content that was asked for is not what arrived")
        with promise("a client that does not wait for 100 Continue is not sent it"):
            response = client.request("POST", "/echo", body=b"hello")
            expect(response.interim == [], f"it was sent {response.interim}")
    with maker.client(maker.shared()) as client, promise("an HTTP/1.0 client is never sent 100 Continue"):
        client.send(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        response = client.read_response()
        expect(not response.interim and response.body == b"hello", f"it was sent {response}")


def check_keep_alive(maker: Maker) -> None:
    """A connection is kept for many requests, and closed after the one that asks for it."""
    with maker.client(maker.shared()) as client, promise("a connection is kept for many requests"):
        for number in range(50):
            response = client.request("GET", f"/say/{number}")
            expect(response.body == str(number).encode(), f"request {number} was answered {response.body!r}")
            expect(response.header("Connection") != "close", f"the connection is not kept after request {number}")
        response = client.request("GET", "/", {"Connection": "close"})
        expect(response.header("Connection") == "close", "the response to `Connection: close` does not say so too")
        expect(client.is_closed(), "a connection stays open after `Connection: close`")


def check_http_1_0(maker: Maker) -> None:
    """An HTTP/1.0 connection is closed after its response, or kept where the client asks for it."""
    with maker.client(maker.shared()) as client, promise("HTTP/1.0 is served"):
        for _ in range(2):
            client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            response = client.read_response()
            expect(response.header("Connection").lower() == "keep-alive", "keeping the connection is not announced")
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        expect(client.read_response().status == 200, "HTTP/1.0 is not served")
        expect(client.is_closed(), "an HTTP/1.0 connection stays open though nobody asked for it")


def check_failing_application(maker: Maker) -> None:
    """An exception of the application is answered 500, or cuts a response that has begun; others are served."""
    server = maker.shared()
    with maker.client(server) as client, promise("an exception of the application is answered"):
        response = client.request("GET", "/raise")
        expect(response.status == 500, f"an exception of the application was answered {response.status}")
        expect(b"on purpose" not in response.body, "the client is shown the exception's text")
    with maker.client(server) as client:
        client.send(build_request("GET", "/raise-midway"))
        found = client.read_to_end()
        expect(not found.endswith(b"0\r\n\r\n"), "a response that was broken off is made to look complete")
    maker.ask(server, "a request after an exception is answered")


def check_length_that_does_not_hold(maker: Maker) -> None:
    """A response shorter than its Content-Length is cut off, so that the client sees that something is missing."""
    server = maker.shared()
    with maker.client(server) as client, promise("a response that is shorter than it says is cut off"):
        client.send(build_request("GET", "/short") + build_request("GET", "/"))
        found = client.read_to_end()
        expect(b"hello" not in found, "the next response stands where the rest of a short one was announced")
    maker.ask(server)
