"""Settings that say what to run, and from which config module."""

from heeler.plugins.parse import boolean, optional, text
from heeler.plugins.setting import Setting

CONFIG_FILE = (
    Setting(
        "config",
        optional(text),
        None,
        "The config module: a file, `file:PATH` or `python:MODULE`. Without it `heeler.conf.py` in the launch"
        " directory is read where it exists; `none` reads no file at all.",
        "Config file",
        cli=("--config", "-c"),
        metavar="CONFIG",
        example="gunicorn.conf.py",
        gunicorn="`gunicorn.conf.py` is read only when it is named: `-c gunicorn.conf.py`.",
    ),
    Setting(
        "app",
        optional(text),
        None,
        "The application to serve, where the command line names none: `module`, `module:attribute`,"
        " `module:factory()`, `path/file.py` or `path/file.py:attribute`.",
        "Config file",
        metavar="APP",
        example="shop.wsgi:application",
        gunicorn="Gunicorn's name for it, `wsgi_app`, works too.",
    ),
    Setting(
        "wsgi_app",
        optional(text),
        None,
        "The application to serve, by Gunicorn's name for it; `app` wins over it.",
        "Config file",
        metavar="APP",
        example="shop.wsgi:application",
    ),
    Setting(
        "check_config",
        boolean,
        False,
        "Check the settings, the worker class and the application, then exit. Nothing is bound."
        " The status tells what was wrong (see exit statuses).",
        "Config file",
        cli=("--check-config",),
        flag=True,
        reloadable=False,
        gunicorn="The worker class is resolved too, and the application's interface must fit it.",
    ),
    Setting(
        "print_config",
        boolean,
        False,
        "Print every setting with its value and source, then check as `--check-config` does.",
        "Config file",
        cli=("--print-config",),
        flag=True,
        reloadable=False,
        gunicorn="Each value is printed with its source; `heeler config --json` is the form for programs.",
    ),
)
"""What to run, and from which config module."""
