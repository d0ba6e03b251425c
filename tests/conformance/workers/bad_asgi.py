"""Worker classes that break ASGI: what stands between server and application changes what they say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from typing_extensions import override

from heeler.workers.application import Application
from heeler.workers.asyncio_worker import AsyncioWorker
from heeler.workers.base import Boot
from heeler.workers.streaming_connection import StreamingConnection

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Served = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Between(AsyncioWorker):
    """Calls `between` in the place of the application."""

    @override
    def _load(self) -> Application:
        application = super()._load()
        served = application.callable

        async def called(scope: Scope, receive: Receive, send: Send) -> None:
            await self.between(served, scope, receive, send)

        return Application(called, application.target, "asgi")

    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application."""
        await served(scope, receive, send)


# -- lifespan


class NeverShutsDown(_Between):
    """Does not tell the application of the end."""

    @override
    async def within(self, seconds: float, work: Awaitable[object]) -> bool:
        work.close()  # type: ignore[attr-defined]  # a coroutine
        return True


class ForgivesAFailedStart(_Between):
    """Serves though the application could not start."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def forgive(message: Message) -> None:
            await send({"type": message["type"].replace("startup.failed", "startup.complete")})

        await served(scope, receive, forgive if scope["type"] == "lifespan" else send)


class InsistsOnALifespan(AsyncioWorker):
    """Takes an application without lifespan for one that failed."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.config = boot.config.replace("lifespan", "on", "by force")  # type: ignore[misc]  # not to be changed


# -- HTTP


class ForgetsTheRawPath(_Between):
    """Leaves a key of the scope out."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        scope.pop("raw_path", None)
        await served(scope, receive, send)


class WaitsForAllContent(_Between):
    """Gives the application the content once all of it is there."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_all() -> Message:
            content = b""
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return message
                content += message["body"]
                if not message["more_body"]:
                    return {**message, "body": content}

        await served(scope, receive_all if scope["type"] == "http" else receive, send)


class HoldsResponsesBack(_Between):
    """Sends a response once the application has returned."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await served(scope, receive, hold if scope["type"] == "http" else send)
        for message in held:
            await send(message)


class TakesAllAtOnce(_Between):
    """Takes whatever the application sends, however slow the client is."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        held: asyncio.Queue[Message | None] = asyncio.Queue()

        async def pass_on() -> None:
            while (message := await held.get()) is not None:
                await send(message)

        if scope["type"] != "http":
            await served(scope, receive, send)
            return
        task = asyncio.ensure_future(pass_on())
        await served(scope, receive, held.put)
        held.put_nowait(None)
        await task


class _NeverGone(StreamingConnection):
    @override
    def stop(self, linger_s: float, *, soon: bool) -> None:
        if self.exchange is None:
            super().stop(linger_s, soon=soon)


class TellsNobodyOfTheDrain(AsyncioWorker):
    """Leaves streams and WebSockets alone until they are cut."""

    connection_class = _NeverGone


class HidesDisconnects(_Between):
    """Does not tell the application that its client is gone."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_other() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                await asyncio.Event().wait()
            return message

        await served(scope, receive_other, send)


# -- WebSocket


class EchoesInCapitals(_Between):
    """Changes what the application says in a WebSocket."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def shout(message: Message) -> None:
            if message.get("text"):
                message = {**message, "text": message["text"].upper()}
            await send(message)

        await served(scope, receive, shout if scope["type"] == "websocket" else send)


class ForgetsSubprotocols(_Between):
    """Does not pass on which subprotocol was chosen."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def forget(message: Message) -> None:
            await send({name: value for name, value in message.items() if name != "subprotocol"})

        await served(scope, receive, forget)


class TellsOneCodeOnly(_Between):
    """Tells the application of every close as if it were the usual one."""

    @override
    async def between(self, served: Served, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_usual() -> Message:
            message = await receive()
            return {**message, "code": 1000} if message["type"] == "websocket.disconnect" else message

        await served(scope, receive_usual, send)


class _Unmasks(StreamingConnection):
    """Masks what a client did not, so that nobody objects."""

    _NAKED: ClassVar = b"\x81\x05naked"

    @override
    def _read_raw(self, data: bytes) -> None:
        super()._read_raw(b"\x81\x85\0\0\0\0naked" if data == self._NAKED else data)


class TakesNakedFrames(AsyncioWorker):
    """Takes frames that are not masked."""

    connection_class = _Unmasks
