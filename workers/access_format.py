r"""How a request becomes a line of the access log: Gunicorn's atoms, compiled once.

A template such as `%(h)s "%(r)s" %(s)s` is turned into the source of one function that computes only
what the template names. Whatever a client may have written is printable ASCII in the line, without
quotes and backslashes: those are `\xNN`, so no request can forge a line or a field
(CVE-2020-7694 was a log that printed a target's escape sequences).
Decides the atoms and the form of the line. Must not know where the line goes.
"""

import dataclasses
import difflib
import os
import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from heeler.workers.access_entry import AccessEntry
from heeler.workers.access_fields import KnownTexts, Now, environment, escape, response_header, user_name

Compiled = Callable[[AccessEntry], str]

NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "combined": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
        "common": '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s',
    }
)
"""Templates that go by a name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Atom:
    """What stands for one `%(name)s`.

    Args:
        doc: what it is, for people.
        code: the expression that computes it, of `entry`, `request`, and `{argument}`;
            `get(key)` gives a request header by its key in the WSGI environment, or None.
        is_client: True where the value must be escaped.
        is_number: True where the value is an int.
    """

    doc: str
    code: str
    is_client: bool = False
    is_number: bool = False


ATOMS: Final[Mapping[str, Atom]] = MappingProxyType(
    {
        "h": Atom("the client's address, `-` on a Unix socket", "entry.peer or '-'", is_client=True),
        "l": Atom("always `-`", "'-'"),
        "u": Atom(
            "the user name of Basic authentication, as the client claims it; `-` without",
            "user_name(get('HTTP_AUTHORIZATION'))",
        ),
        "t": Atom(
            "the time in the local zone, `[23/Nov/2026:15:38:01 +0000]`",
            "now.text if int(time()) == now.second else now()",
        ),
        "r": Atom(
            "the request line", "f'{{request.method}} {{request.target}} HTTP/1.{{request.minor}}'", is_client=True
        ),
        "m": Atom("the method", "request.method", is_client=True),
        "U": Atom("the path as sent, without the query", "request.path or '-'", is_client=True),
        "q": Atom("the query as sent, without the `?`; empty if there is none", "request.query", is_client=True),
        "H": Atom("the protocol, `HTTP/1.1`", "f'HTTP/1.{{request.minor}}'"),
        "s": Atom("the status code", "entry.status", is_number=True),
        "st": Atom("the status code and its reason phrase", "f'{{entry.status}} {{entry.reason}}'", is_client=True),
        "b": Atom("the bytes of body sent", "entry.sent", is_number=True),
        "B": Atom("the bytes of body sent", "entry.sent", is_number=True),
        "f": Atom("the referrer, `-` without", "known[get('HTTP_REFERER')]"),
        "a": Atom("the user agent, `-` without", "known[get('HTTP_USER_AGENT')]"),
        "T": Atom("the duration in whole seconds", "entry.duration_ns // 1_000_000_000", is_number=True),
        "M": Atom("the duration in whole milliseconds", "entry.duration_ns // 1_000_000", is_number=True),
        "D": Atom("the duration in whole microseconds", "entry.duration_ns // 1_000", is_number=True),
        "L": Atom("the duration in seconds, with six decimals", "'%.6f' % (entry.duration_ns / 1e9)"),
        "queue": Atom(
            "the seconds that it waited for a worker, with six decimals", "'%.6f' % (request.queue_ns / 1e9)"
        ),
        "outcome": Atom("`done`, `timeout` or `lost`, see below", "entry.outcome"),
        "p": Atom("the worker's process id, `<41>`", "'<%d>' % getpid()"),
    }
)
"""The atoms by name; those of `ARGUMENTS` come on top."""

ARGUMENTS: Final[Mapping[str, Atom]] = MappingProxyType(
    {
        "i": Atom("a request header; several of one name are joined by commas", "known[get({argument})]"),
        "o": Atom("a response header", "response_header(entry.headers, {argument})", is_client=True),
        "e": Atom(
            "a value of the WSGI environment, after the application has had it; `-` for ASGI, which has none",
            "environment(entry.environ, {argument})",
            is_client=True,
        ),
    }
)
"""The atoms with an argument: `%({name}i)s`."""

_ATOM: Final = re.compile(r"%(?:%|\(([^)]*)\)([-+ #0]*\d*(?:\.\d+)?)([a-zA-Z]?))")
_ARGUMENT: Final = re.compile(r"\{([^{}]+)\}([ioe])")


class TemplateError(ValueError):
    """The template is wrong; the text says where, and what would be right."""


def compile_template(template: str) -> Compiled:
    """Return the function that makes a line, without its newline, of an entry.

    Raises:
        TemplateError: an atom is unknown, or a conversion does not fit.
    """
    return _Compiler().compile(NAMED.get(template, template))


class _Compiler:
    """Turns one template into a function."""

    def __init__(self) -> None:
        self._parts: list[str] = []  # of the line, as they stand in an f-string
        self._lines: list[str] = []  # of code that goes before
        self._clients: list[str] = []  # variables that must be escaped
        self._names: dict[str, Any] = {  # Any: whatever the code calls by name: functions, texts, tables
            "escape": escape,
            "user_name": user_name,
            "now": Now(),
            "time": time.time,
            "getpid": os.getpid,
            "known": KnownTexts(),
            "response_header": response_header,
            "environment": environment,
        }

    def compile(self, template: str) -> Compiled:
        """Return the function."""
        end = 0
        for match in _ATOM.finditer(template):
            self._literal(template[end : match.start()], end)
            end = match.end()
            if match.group() == "%%":
                self._parts.append(_spelled("%"))
            else:
                self._atom(match)
        self._literal(template[end:], end)
        # The code is made of the expressions above; the template's own text is in it as escapes only.
        exec("\n".join(self._source()), self._names)  # noqa: S102
        compiled: Compiled = self._names["line"]
        return compiled

    def _literal(self, text: str, offset: int) -> None:
        found = text.find("%")
        if found >= 0:
            raise TemplateError(
                f"at character {offset + found + 1}: '%' begins no atom such as %(h)s; write %% for a percent sign"
            )
        if "\n" in text or "\r" in text:
            raise TemplateError("a line break in the template: an entry is one line")
        self._parts.append(_spelled(text))

    def _atom(self, match: re.Match[str]) -> None:
        name, flags, conversion = match.groups()
        if not conversion:
            raise TemplateError(f"{match.group()} has no conversion; write %({name})s")
        atom = _find(name, match.group())
        variable = f"value_{len(self._parts)}"
        self._lines.append(f"{variable} = {self._code(atom, name)}")
        if atom.is_client:
            self._clients.append(variable)
        if flags or conversion != "s":
            form = f"%{flags}{conversion}"
            _check(form, atom, name)
            self._names[f"form_{variable}"] = form
            variable = f"form_{variable} % ({variable},)"
        self._parts.append(f"{{{variable}}}")

    def _code(self, atom: Atom, name: str) -> str:
        given = _ARGUMENT.fullmatch(name)
        argument = f"argument_{len(self._parts)}"
        if given:
            self._names[argument] = _environ_key(given[1]) if given[2] == "i" else given[1]
        return atom.code.format(argument=argument)

    def _source(self) -> list[str]:
        source = ["def line(entry):", " request = entry.request", " get = request.fields.environ.get"]
        source += [f" {line}" for line in self._lines]
        if self._clients:
            # One look at all of them: a client whose bytes need escaping is rare.
            source.append(f" probe = {' + '.join(self._clients)}")
            source.append(""" if not (probe.isascii() and probe.isprintable()) or '"' in probe or '\\\\' in probe:""")
            source += [f"  {client} = escape({client})" for client in self._clients]
        return [*source, f" return f'{''.join(self._parts)}'"]


def _environ_key(header: str) -> str:
    key = header.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _spelled(text: str) -> str:
    r"""Return `text` for the inside of an f-string: all but letters and digits as escapes."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join([c if c.isascii() and c.isalnum() else f"\\U{ord(c):08x}" for c in text])


def _find(name: str, text: str) -> Atom:
    if name in ATOMS:
        return ATOMS[name]
    argument = _ARGUMENT.fullmatch(name)
    if argument is not None:
        return ARGUMENTS[argument[2]]
    near = [key for key in ATOMS if key.lower() == name.lower()] or difflib.get_close_matches(name, ATOMS, 3, 0.6)
    if near:
        hint = f"did you mean {' or '.join(f'%({key})s' for key in near)}?"
    else:
        hint = f"the atoms are {' '.join(ATOMS)}, {{name}}i, {{name}}o and {{name}}e"
    raise TemplateError(f"unknown atom {text}; {hint}")


def _check(form: str, atom: Atom, name: str) -> None:
    """Refuse a conversion that could fail when a request is logged."""
    if form[-1] in ("sradiuoxXeEfFgG" if atom.is_number else "sra"):
        return
    raise TemplateError(f"{form} does not fit the atom {name}; write %({name})s")
