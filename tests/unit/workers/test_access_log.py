"""The access log: each atom, the escaping, and wrong templates."""

import base64
import dataclasses
import json
import logging
import os
import pathlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from heeler.workers.access_entry import TIMEOUT
from heeler.workers.access_fields import KnownTexts, stamp, user_name
from heeler.workers.access_format import ATOMS, NAMED, TemplateError, compile_template
from heeler.workers.access_log import AccessEntry, AccessLog, AccessLogger, compiled
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import Request

TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
COMBINED = re.compile(
    rf'(?P<h>\S+) - (?P<u>\S+) (?P<t>{TIME}) "(?P<r>[^"\\]*(?:\\x[0-9a-f]{{2}}[^"\\]*)*)"'
    r' (?P<s>\d{3}) (?P<b>\d+) "(?P<f>(?:[^"\\]|\\x[0-9a-f]{2})*)" "(?P<a>(?:[^"\\]|\\x[0-9a-f]{2})*)"'
)


@dataclasses.dataclass
class FakeFields:
    """Header fields by their environ keys."""

    environ: dict[str, str]


@dataclasses.dataclass
class FakeRequest:
    """A request that no parser has looked at, so that it may hold anything."""

    method: str = "GET"
    target: str = "/a%20b?x=1"
    path: str = "/a%20b"
    query: str = "x=1"
    minor: int = 1
    queue_ns: int = 1_500_000
    fields: FakeFields = dataclasses.field(default_factory=lambda: FakeFields({}))


def entry(request: FakeRequest | Request | None = None, /, peer: str = "192.0.2.1", **environ: str) -> AccessEntry:
    """Return an entry; `environ` are request headers by key."""
    return AccessEntry(
        request or FakeRequest(fields=FakeFields(environ)),
        status=404,
        reason="Not Found",
        headers=[("Content-Type", "text/html"), ("X-Two", "1"), ("x-two", "2")],
        sent=1234,
        duration_ns=2_345_678_901,
        peer=peer,
        environ={"wsgi.url_scheme": "http", "REMOTE_USER": "ann", "odd": object},
    )


def line(template: str, of: AccessEntry | None = None) -> str:
    """Return the line that a template makes."""
    return compile_template(template)(of or entry())


def basic(text: str) -> str:
    """Return a Basic Authorization value."""
    return "Basic " + base64.b64encode(text.encode("latin-1")).decode()


def unescape(text: str) -> str:
    r"""Return what `\xNN` stood for."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)


ATOM_CASES = [
    ("h", "192.0.2.1"),
    ("l", "-"),
    ("u", "-"),
    ("r", "GET /a%20b?x=1 HTTP/1.1"),
    ("m", "GET"),
    ("U", "/a%20b"),
    ("q", "x=1"),
    ("H", "HTTP/1.1"),
    ("s", "404"),
    ("st", "404 Not Found"),
    ("b", "1234"),
    ("B", "1234"),
    ("f", "http://x/"),
    ("a", "curl/8"),
    ("T", "2"),
    ("M", "2345"),
    ("D", "2345678"),
    ("L", "2.345679"),
    ("queue", "0.001500"),
    ("outcome", "done"),
    ("p", "<PID>"),
    ("{User-Agent}i", "curl/8"),
    ("{content-type}i", "text/x"),
    ("{X-Absent}i", "-"),
    ("{content-type}o", "text/html"),
    ("{X-Two}o", "1, 2"),
    ("{X-Absent}o", "-"),
    ("{wsgi.url_scheme}e", "http"),
    ("{remote_user}e", "ann"),
    ("{absent}e", "-"),
    ("{odd}e", "<class 'object'>"),
]


@pytest.mark.parametrize(("atom", "expected"), ATOM_CASES)
def test_atoms(atom: str, expected: str) -> None:
    """Each atom stands for what Gunicorn's does."""
    given_entry = entry(HTTP_USER_AGENT="curl/8", HTTP_REFERER="http://x/", CONTENT_TYPE="text/x")
    assert line(f"[%({atom})s]", given_entry) == f"[{expected.replace('PID', str(os.getpid()))}]"


def test_every_atom_is_tested() -> None:
    """No atom is added without a line in the table above."""
    tested = {atom for atom, _ in ATOM_CASES}
    assert set(ATOMS) - tested == {"t"}


def test_every_atom_is_documented() -> None:
    """The reference has each atom's line as the code has it."""
    page = (pathlib.Path(__file__).parents[3] / "docs" / "reference" / "access-log.md").read_text()
    for name, atom in ATOMS.items():
        assert f"| `%({name})s` | {atom.doc} |" in page
    for name, template in NAMED.items():
        assert f"| `{name}` | `{template}`" in page


def test_time() -> None:
    """The time is Apache's, in the local zone, with an English month."""
    assert re.fullmatch(TIME, line("%(t)s"))
    assert re.fullmatch(r"\[0[1-3]/Feb/2001:\d\d:\d\d:\d\d [+-]\d{4}\]", stamp(981_173_106))


def test_time_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is made once a second, and is never an older one's."""
    now = 1_000_000_000.25
    monkeypatch.setattr("time.time", lambda: now)
    make = compile_template("%(t)s")
    assert make(entry()) == stamp(1_000_000_000)
    now += 1
    assert make(entry()) == stamp(1_000_000_001)


def test_no_peer() -> None:
    """A client on a Unix socket has no address."""
    assert line("%(h)s", entry(peer="")) == "-"


def test_no_environ() -> None:
    """Without a WSGI environment its values are absent."""
    one = entry()
    one.environ = None
    assert line("%({x}e)s", one) == "-"


def test_named_formats() -> None:
    """`combined` and `common` are names of templates."""
    assert COMBINED.fullmatch(line("combined"))
    assert line("combined").startswith(line("common"))


def test_conversions() -> None:
    """Widths, `%%`, numbers and braces in the template are taken as `%` takes them."""
    assert line("%(m)6s|%(s)05d|%(m)-5s|100%%|{x}'\"\\é") == "   GET|00404|GET  |100%|{x}'\"\\é"


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("%(S)s", r"%\(S\)s; did you mean %\(s\)s\?"),
        ("%(xyz)s", r"the atoms are h l u"),
        ("%(h)", r"has no conversion; write %\(h\)s"),
        ("%h", r"at character 1: '%' begins no atom"),
        ("ok 100%", r"at character 7"),
        ("%(m)d", r"%d does not fit the atom m; write %\(m\)s"),
        ("%(s)c", r"%c does not fit"),
        ("%({x}y)s", r"unknown atom %\(\{x\}y\)s"),
        ("%(h)s\n", r"line break"),
    ],
)
def test_wrong_templates(template: str, hint: str) -> None:
    """A wrong template is refused when it is compiled, and the message says what would be right."""
    with pytest.raises(TemplateError, match=hint):
        compile_template(template)


def test_template_is_no_code() -> None:
    """Nothing in a template is run."""
    evil = "{__import__('os')}'''\\N{DIGIT ONE}\" + 1 \\"
    assert line(evil) == evil
    assert line("%({'] + exit + ['}i)s") == "-"


def test_terminal_sequences() -> None:
    """An escape sequence in the target reaches no terminal (CVE-2020-7694)."""
    shown = line("%(r)s", entry(FakeRequest(target="/\x1b[31m\x9b2J")))
    assert shown == r"GET /\x1b[31m\x9b2J HTTP/1.1"


def test_forged_fields() -> None:
    """A quote in a header ends no field."""
    agent = 'x" 200 0 "-" "\\'
    assert line('"%(a)s"', entry(HTTP_USER_AGENT=agent)) == r'"x\x22 200 0 \x22-\x22 \x22\x5c"'


def test_forged_user() -> None:
    """A user name holds no space and no line break, and anything but Basic is no user."""
    assert user_name(basic("a b\n:secret")) == r"a\x20b\x0a"
    for value in (None, "", "Basic", "Basic !!!", "Basic YWJj", basic(":secret"), "Bearer YTpi", "basic \xff"):
        assert user_name(value) == "-"
    assert line("%(u)s", entry(HTTP_AUTHORIZATION=basic("ann:secret"))) == "ann"


TEXTS = st.text(st.characters(max_codepoint=255), max_size=30)


@given(target=TEXTS, method=TEXTS, referrer=TEXTS, agent=TEXTS, user=TEXTS, peer=TEXTS)
def test_fields_are_recovered(target: str, method: str, referrer: str, agent: str, user: str, peer: str) -> None:
    """Whatever a client sends, an entry is one line, and its fields can be read from it again."""
    fields = FakeFields({"HTTP_REFERER": referrer, "HTTP_USER_AGENT": agent, "HTTP_AUTHORIZATION": basic(f"{user}:x")})
    shown = line("combined", entry(FakeRequest(method=method, target=target, fields=fields)))
    assert shown.isascii()
    assert shown.isprintable()
    found = COMBINED.fullmatch(shown)
    assert found
    assert unescape(found["r"]) == f"{method} {target} HTTP/1.1"
    assert unescape(found["f"]) == (referrer or "-")
    assert unescape(found["a"]) == (agent or "-")
    assert unescape(found["u"]) == (user.partition(":")[0] or "-")


def test_outcome() -> None:
    """Templates always have it; JSON where it is not the usual one."""
    one = entry()
    assert "heeler.outcome" not in json.loads(compiled("json")(one))
    one.outcome = TIMEOUT
    assert line("%(outcome)s", one) == json.loads(compiled("json")(one))["heeler.outcome"] == "timeout"


@given(target=TEXTS, agent=TEXTS, peer=TEXTS)
def test_json_is_json(target: str, agent: str, peer: str) -> None:
    """Whatever a client sends, a line of JSON is one object with the same values."""
    request = FakeRequest(target=target, path=target, query=target, fields=FakeFields({"HTTP_USER_AGENT": agent}))
    shown = compiled("json")(entry(request, peer=peer))
    assert shown.isascii()
    assert "\n" not in shown
    found = json.loads(shown)
    assert found["url.path"] == target
    assert found["user_agent.original"] == agent
    assert found.get("client.address", "") == peer


def test_json() -> None:
    """JSON has typed numbers, OpenTelemetry's names, and leaves out what is absent."""
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    one = entry(
        HTTP_HOST="x:1",
        HTTP_REFERER="/r",
        HTTP_X_REQUEST_ID="r-1",
        HTTP_TRACEPARENT=f"00-{trace}-{span}-01",
        HTTP_AUTHORIZATION=basic("ann:x"),
    )
    found = json.loads(compiled("json")(one))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("timestamp"))
    assert found == {
        "http.request.method": "GET",
        "url.path": "/a%20b",
        "url.query": "x=1",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "http.response.status_code": 404,
        "http.response.body.size": 1234,
        "http.server.request.duration": 2.345679,
        "client.address": "192.0.2.1",
        "server.address": "x:1",
        "http.request.header.referer": ["/r"],
        "request_id": "r-1",
        "trace_id": trace,
        "span_id": span,
        "user.name": "ann",
        "process.pid": os.getpid(),
    }


def test_real_request() -> None:
    """The parser's request is what the access log reads."""
    head = b"GET /p?q HTTP/1.1\r\nHost: x\r\nuser-AGENT: me\r\nX-A: 1\r\nX-a: 2\r\n\r\n"
    request = RequestParser(Limits()).feed(head)[0]
    assert isinstance(request, Request)
    assert line("%(r)s %(a)s %({x-a}i)s", entry(request)) == "GET /p?q HTTP/1.1 me 1,2"


def test_known_texts_are_bounded() -> None:
    """Clients cannot fill the memory with header values."""
    known = KnownTexts()
    for number in range(1000):
        assert known[f"agent {number}"] == f"agent {number}"
    assert len(known) <= KnownTexts.LIMIT
    assert known["x" * 5000] == "x" * 5000
    assert "x" * 5000 not in known
    assert known[None] == "-"


def test_write(tmp_path: pathlib.Path) -> None:
    """A line ends in exactly one line break."""
    fd = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = AccessLog("%(m)s %(s)s", fd)
    log.write(entry())
    log.write(entry())
    os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"GET 404\nGET 404\n"


def test_write_fails() -> None:
    """A full disk drops lines and counts them, and nothing is raised."""
    fd = os.open("/dev/full", os.O_WRONLY)
    log = AccessLog("combined", fd)
    log.write(entry())
    log.write(entry())
    os.close(fd)
    assert log.file.dropped == 2


class Keep(logging.Handler):
    """Keeps records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.records.append(record)


def logger_with_handler() -> tuple[logging.Logger, Keep]:
    """Return a logger of its own at INFO, and its handler."""
    logger, keep = logging.getLogger("heeler-test.access"), Keep()
    logger.handlers[:] = [keep]
    logger.setLevel(logging.INFO)
    return logger, keep


def test_logger_gets_atoms() -> None:
    """A handler of the logging package gets the line, and the atoms by name as with Gunicorn."""
    logger, keep = logger_with_handler()
    AccessLogger("combined", logger).write(entry(HTTP_USER_AGENT='a"b'))
    record = keep.records[0]
    assert COMBINED.fullmatch(record.getMessage())
    assert record.msg == NAMED["combined"]
    atoms: Any = record.args  # Any: typeshed knows tuples and mappings of objects
    assert atoms["s"] == 404
    assert atoms["a"] == r"a\x22b"
    assert atoms["{user-agent}i"] == r"a\x22b"
    assert set(ATOMS) <= set(atoms)


def test_logger_gets_json() -> None:
    """With `json` the record's message is the line of JSON."""
    logger, keep = logger_with_handler()
    AccessLogger("json", logger).write(entry())
    assert json.loads(keep.records[0].getMessage())["http.response.status_code"] == 404


def test_logger_level() -> None:
    """A logger above INFO gets nothing."""
    logger, keep = logger_with_handler()
    logger.setLevel(logging.WARNING)
    AccessLogger("combined", logger).write(entry())
    assert keep.records == []
