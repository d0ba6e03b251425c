"""Pages that only a server of ASGI runs as they are meant: streams made by the event loop."""

import asyncio
from collections.abc import AsyncIterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

_ended = asyncio.Event()


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Send a body of unknown length."""

    async def lines() -> AsyncIterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def ticks(request: HttpRequest) -> StreamingHttpResponse:
    """Send without an end, and note when it has come all the same."""

    async def lines() -> AsyncIterator[str]:
        try:
            while True:
                yield "tick\n"
                await asyncio.sleep(0.001)
        finally:
            _ended.set()

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def ended(request: HttpRequest) -> HttpResponse:
    """Answer once `ticks` has ended."""
    async with asyncio.timeout(10):
        await _ended.wait()
    return HttpResponse("ended")
