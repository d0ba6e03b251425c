"""What is served in the place of an application that does not load, in development: its error.

Being an application, of either interface, it is served by every worker class in the same way; and since each
worker loads the application afresh, the page is gone with the error. Must not be served but where `reload` is on: a
traceback tells strangers too much.
"""

import html
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

from heeler.workers.application import Application

_PAGE: Final = """\
<!doctype html>
<html lang=en>
<meta charset=utf-8>
<title>The application does not load</title>
<style>body {{ font-family: sans-serif; margin: 2em }} pre {{ white-space: pre-wrap }}</style>
<h1>The application does not load</h1>
<p><code>{target}</code>, served by Heeler with <code>reload</code>. Mend it, save it, and ask again.</p>
<pre>{text}</pre>
"""

Message = dict[str, Any]  # Any: what WSGI and ASGI put into it


def application(target: str, text: str, interfaces: Collection[str]) -> Application:
    """Return an application that answers every request with 500 and an error.

    Args:
        target: the application as it was named.
        text: the error, or its traceback.
        interfaces: which the worker class serves; one of them is taken.
    """
    failure = LoadFailure(target, text)
    if "wsgi" in interfaces:
        return Application(failure.wsgi, target, "wsgi")
    return Application(failure.asgi, target, "asgi")


class LoadFailure:
    """The page, and how each interface is given it.

    Args:
        target: the application as it was named.
        text: the error, or its traceback.
    """

    def __init__(self, target: str, text: str) -> None:
        page = _PAGE.format(target=html.escape(target), text=html.escape(text))
        self._page: Final = page.encode("utf-8", "backslashreplace")
        self._text: Final = (text.rstrip("\n") + "\n").encode("utf-8", "backslashreplace")

    def wsgi(self, environ: Message, start_response: Callable[..., object]) -> list[bytes]:
        """Answer as WSGI has it."""
        kind, content = self._answer(environ.get("HTTP_ACCEPT", ""))
        headers = [("Content-Type", kind), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
        start_response("500 Internal Server Error", headers)
        return [content]

    async def asgi(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer as ASGI has it."""
        if scope["type"] == "lifespan":
            for said in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{said}.complete"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011})
        else:
            accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
            kind, content = self._answer(accepted.decode("latin-1"))
            headers = [
                (b"content-type", kind.encode()),
                (b"content-length", str(len(content)).encode()),
                (b"cache-control", b"no-store"),
            ]
            await send({"type": "http.response.start", "status": 500, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    def _answer(self, accepted: str) -> tuple[str, bytes]:
        """Return the type and the content: a page for browsers, and plain text for what reads none."""
        if "text/html" in accepted:
            return "text/html; charset=utf-8", self._page
        return "text/plain; charset=utf-8", self._text
