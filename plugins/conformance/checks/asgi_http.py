"""The rules of ASGI for HTTP: scope, streams both ways, back-pressure, and clients that go away."""

import json
import signal
from typing import Final

from heeler.plugins.conformance.checks.scene import PROMPT_S, end_of
from heeler.plugins.conformance.client import build_request
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import expect, promise

FLOOD_LIMIT: Final = 24 << 20
"""What the kernel and the server may hold for a client that reads nothing; the flood is 64 MiB."""
STEADY: Final = 5
"""So many times in a row the flood must have stood still."""


def check_asgi_scope(maker: Maker) -> None:
    """The scope of a request holds what the specification asks for, with the right values and types."""
    with maker.client(maker.shared()) as client, promise("the scope is told"):
        response = client.request("GET", "/scope/%C3%A9?a=%20b", {"X-Name": "value"}, host="example.org:81")
    found = json.loads(response.body)
    host, port = maker.shared().address
    wanted = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/scope/é",
        "raw_path": "/scope/%C3%A9",
        "query_string": "a=%20b",
        "root_path": "",
        "server": [host, port],
    }
    for name, value in wanted.items():
        expect(found.get(name) == value, f"scope[{name!r}] is {found.get(name)!r}, not {value!r}")
    expect(["x-name", "value"] in found["headers"], f"a field is missing, or its name not in small letters: {found}")
    expect(["host", "example.org:81"] in found["headers"], "the field `host` is missing")
    expect(found["asgi"]["version"].startswith("3."), f"scope['asgi'] is {found['asgi']}")
    expect(found["client"][0] == "127.0.0.1", f"scope['client'] is {found['client']}")
    expect(found.get("state") == {"begun": "in the lifespan"}, f"scope['state'] is {found.get('state')}")


def check_asgi_request_streams(maker: Maker) -> None:
    """The application gets the first part of the content before the client has sent the rest."""
    with maker.client(maker.shared()) as client, promise("the application gets content as it comes"):
        client.send(build_request("POST", "/first", {"Content-Length": "10"}) + b"first")
        client.read_until(b"first")
        client.send(b"later")
        client.read_until(b"5 ")


def check_asgi_response_streams(maker: Maker) -> None:
    """The client gets what the application has sent, before the application has sent the rest."""
    with maker.serve() as server, maker.client(server) as client, promise("a response is sent as it comes"):
        client.send(build_request("GET", "/stream/gate"))
        client.read_until(b"first, ")
        server.write("open-gate", "")
        client.read_until(b"last")


def check_asgi_back_pressure(maker: Maker) -> None:
    """`send` waits for a client that does not read: what is pending for it is bounded."""
    serving = maker.serve(exit_status=None, tracebacks=True)
    with serving as server, maker.client(server) as deaf, maker.client(server) as client:
        deaf.send(build_request("GET", "/flood"))
        with promise("a request is begun"):
            server.wait_for_log("flood begun", timeout_s=maker.patience_s)
        seen: list[int] = []
        with promise("a request beside a client that does not read is answered"):
            while len(seen) < STEADY or len(set(seen[-STEADY:])) > 1:
                client.request("GET", "/slow/x")
                seen.append(int(client.request("GET", "/flooded").body))
        expect(seen[-1] < FLOOD_LIMIT, f"{seen[-1] >> 20} MiB were taken for a client that reads nothing")


def check_asgi_disconnect(maker: Maker) -> None:
    """`receive` gives `http.disconnect` once the client is gone."""
    with maker.serve(tracebacks=True) as server:
        with maker.client(server) as client, promise("a response begins"):
            client.send(build_request("GET", "/disconnect/client"))
            client.read_until(b"first, ")
        with promise("the application is told that its client is gone"):
            server.wait_for_log("disconnected client", timeout_s=maker.patience_s)
        maker.ask(server)


def check_asgi_background_work(maker: Maker) -> None:
    """What the application does after its response holds up neither the client nor the connection."""
    with maker.serve() as server, maker.client(server) as client:
        with promise("a response is complete though the application is still busy"):
            expect(client.request("GET", "/background/gate").body == b"answered", "it was answered otherwise")
        with promise("the connection goes on while the application is still busy"):
            maker.ask_on(client)
        server.write("open-gate", "")
        with promise("what the application does after its response is done to the end"):
            server.wait_for_log("background done", timeout_s=maker.patience_s)


def check_asgi_streams_are_told_of_the_drain(maker: Maker) -> None:
    """A response that would never end hears of the drain by `http.disconnect`, in time to end well."""
    with maker.serve("--graceful-timeout", "3") as server, maker.client(server) as client:
        with promise("a response begins"):
            client.send(build_request("GET", "/disconnect/finish"))
            client.read_until(b"first, ")
        server.signal(signal.SIGTERM)
        with promise("a response that never ends is told of the drain"):
            server.wait_for_log("disconnected finish", timeout_s=maker.patience_s)
        end_of(server, "the server ends once its streams have", PROMPT_S)
