"""Settings that bound the size of requests and responses."""

from heeler.plugins.parse import integer, optional, text
from heeler.plugins.setting import Setting

LIMITS = (
    Setting(
        "limit_request_line",
        integer(0),
        4094,
        "The longest request line, in bytes; 0 = no limit of its own. Longer ones are answered 414.",
        "Limits",
        cli=("--limit-request-line",),
        metavar="BYTES",
        gunicorn="Values above 8190 count as they are.",
    ),
    Setting(
        "limit_request_fields",
        integer(1),
        100,
        "How many field lines a request may have. More are answered 431.",
        "Limits",
        cli=("--limit-request-fields",),
        metavar="INT",
    ),
    Setting(
        "limit_request_field_size",
        integer(0),
        8190,
        "The longest field line, in bytes; 0 = no limit of its own. Longer ones are answered 431.",
        "Limits",
        cli=("--limit-request-field-size", "--limit-request-field_size"),
        metavar="BYTES",
        gunicorn="0 means what it says; in Gunicorn it means 8190.",
    ),
    Setting(
        "limit_request_body",
        integer(0),
        0,
        "The largest request body, in bytes; 0 = no limit. Larger ones are answered 413.",
        "Limits",
        cli=("--limit-request-body",),
        metavar="BYTES",
        example="10485760",
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "body_memory",
        integer(0),
        1 << 20,
        "How many bytes of a request body are kept in memory; a larger body goes to a temporary file.",
        "Limits",
        cli=("--body-memory",),
        metavar="BYTES",
        gunicorn="Gunicorn has none: it hands the body to the application as it comes.",
    ),
    Setting(
        "response_memory",
        integer(0),
        1 << 20,
        "How many bytes of a response wait in memory for a slow client; more go to a temporary file.",
        "Limits",
        cli=("--response-memory",),
        metavar="BYTES",
        gunicorn="Gunicorn has none: the worker waits for the client.",
    ),
    Setting(
        "spool_dir",
        optional(text),
        None,
        "Where the temporary files for bodies and responses are made. Without it, where the system has them.",
        "Limits",
        cli=("--spool-dir",),
        metavar="DIRECTORY",
        example="/var/tmp",
        gunicorn="Gunicorn has none (its `tmp_upload_dir` is read nowhere).",
    ),
)
"""The size of requests and responses."""
