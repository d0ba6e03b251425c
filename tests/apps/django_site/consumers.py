"""The project's WebSockets, on Channels."""

import sys

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer


class Echo(AsyncWebsocketConsumer):
    """Sends back what comes, text as text."""

    async def connect(self) -> None:
        """Accept, with the subprotocol `chat` where it is offered."""
        await self.accept(subprotocol="chat" if "chat" in self.scope["subprotocols"] else None)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send it back."""
        await self.send(text_data=text_data, bytes_data=bytes_data)

    async def disconnect(self, code: int) -> None:
        """Say with which code it ended."""
        sys.stderr.write(f"websocket gone code={code}\n")


class Close(WebsocketConsumer):
    """Closes as the first message says: a code and a reason. Runs in a thread."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Close."""
        code, _, reason = (text_data or "").partition(" ")
        self.close(int(code), reason)


class Refuse(AsyncWebsocketConsumer):
    """Refuses each connection."""

    async def connect(self) -> None:
        """Refuse."""
        await self.close()


class Room(AsyncWebsocketConsumer):
    """Sends what one says to all in the room, through the channel layer."""

    async def connect(self) -> None:
        """Enter the room, and say so."""
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()
        await self.send("entered")

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Tell all."""
        await self.channel_layer.group_send("room", {"type": "said", "text": text_data})

    async def said(self, event: dict[str, str]) -> None:
        """Pass on what one of them said."""
        await self.send(event["text"])

    async def disconnect(self, code: int) -> None:
        """Leave the room."""
        await self.channel_layer.group_discard("room", self.channel_name)
