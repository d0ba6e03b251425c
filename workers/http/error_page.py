"""The small pages with which the server itself answers. No byte of the client's is in them."""

import http
from typing import Final

_PAGE: Final = (
    b"<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>%d %b</title>\n<h1>%d %b</h1>\n<p>%b</p>\n"
)
_HEAD: Final = (
    b"HTTP/1.1 %d %b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n"
    b"%bDate: %b\r\nConnection: close\r\n\r\n"
)


def error_page(status: int, date: bytes, text: str = "", *, head_only: bool = False, more: bytes = b"") -> bytes:
    """Return a complete response that closes the connection.

    Args:
        status: the status code.
        date: the value of Date.
        text: a sentence of the server's own; the status's description when empty.
        head_only: leave the page out, for HEAD.
        more: header lines to add, each with its CRLF.
    """
    try:
        known = http.HTTPStatus(status)
        phrase, description = known.phrase, known.description
    except ValueError:
        phrase, description = "Error", ""
    title = phrase.encode("ascii")
    page = _PAGE % (status, title, status, title, _escaped(text or description or phrase))
    head = _HEAD % (status, title, len(page), more, date)
    return head if head_only else head + page


def _escaped(text: str) -> bytes:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.encode("utf-8")
