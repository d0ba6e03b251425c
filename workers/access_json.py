"""How a request becomes a line of JSON: typed numbers, names of OpenTelemetry's conventions.

Decides the fields. What is absent is left out. Strings are ASCII with JSON's own escapes, so
no request can forge a line or a field.
"""

import os
import re
import time
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from heeler.workers.access_entry import DONE, AccessEntry
from heeler.workers.access_fields import user_name
from heeler.workers.access_format import Compiled

_HEADERS: Final = (
    ("HTTP_HOST", ',"server.address":', ""),
    ("HTTP_REFERER", ',"http.request.header.referer":[', "]"),
    ("HTTP_USER_AGENT", ',"user_agent.original":', ""),
    ("HTTP_X_REQUEST_ID", ',"request_id":', ""),
)
_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def compile_json() -> Compiled:
    """Return the function that makes a line of JSON, without its newline, of an entry."""
    kept = (-1, "")

    def line(entry: AccessEntry) -> str:
        nonlocal kept
        now = time.time()
        second = int(now)
        moment = kept
        if moment[0] != second:
            moment = kept = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
        return f'{{"timestamp":"{moment[1]}.{int(now * 1000) % 1000:03d}Z",{_body(entry)}}}'

    return line


def _body(entry: AccessEntry) -> str:
    request = entry.request
    query = f',"url.query":{quoted(request.query)}' if request.query else ""
    outcome = f',"heeler.outcome":"{entry.outcome}"' if entry.outcome != DONE else ""
    peer = f',"client.address":{quoted(entry.peer)}' if entry.peer else ""
    return (
        f'"http.request.method":{quoted(request.method)},"url.path":{quoted(request.path)}{query}'
        f',"network.protocol.name":"http","network.protocol.version":"1.{request.minor}"'
        f',"http.response.status_code":{entry.status},"http.response.body.size":{entry.sent}'
        f',"http.server.request.duration":{entry.duration_ns / 1e9:.6f}{peer}'
        f'{_headers(request.fields.environ)},"process.pid":{os.getpid()}{outcome}'
    )


def _headers(fields: dict[str, str]) -> str:
    text = ""
    for key, before, after in _HEADERS:
        value = fields.get(key)
        if value is not None:
            text += before + quoted(value) + after
    trace = fields.get("HTTP_TRACEPARENT")
    if trace and (found := _TRACE.fullmatch(trace)):
        text += f',"trace_id":"{found[1]}","span_id":"{found[2]}"'
    user = user_name(fields.get("HTTP_AUTHORIZATION"))
    return text if user == "-" else f'{text},"user.name":{quoted(user)}'
