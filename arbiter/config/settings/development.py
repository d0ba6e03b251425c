"""Settings for working on an application: restarting when its files change."""

from heeler.plugins.parse import boolean, choice, texts
from heeler.plugins.setting import Setting


def _engine(value: object) -> str:
    engine = str(choice("auto", "watchfiles", "poll", "inotify")(value))
    return "auto" if engine == "inotify" else engine


DEVELOPMENT = (
    Setting(
        "reload",
        boolean,
        False,
        "For development: restart the workers when a file of the project changes."
        " An application that does not load does not end the server then: its error is the page that is served,"
        " to everybody who asks.",
        "Development",
        cli=("--reload",),
        flag=True,
        reloadable=False,
        gunicorn="All Python files of the project are watched there once they are imported; here from the start,"
        " so that a new file counts, and one that mends an import.",
    ),
    Setting(
        "reload_engine",
        _engine,
        "auto",
        "How changes are seen: `watchfiles`, the library, which the system gives notice; `poll`, which looks at all"
        " files four times a second; `auto`, watchfiles where it is installed (`pip install 'heeler[reload]'`).",
        "Development",
        cli=("--reload-engine",),
        metavar="ENGINE",
        example="poll",
        reloadable=False,
        gunicorn="`inotify` means `auto`.",
    ),
    Setting(
        "reload_dirs",
        texts(),
        (),
        "Directories whose Python files are watched. May be repeated. Without it: the working directory, the one that"
        " the application is imported from, and what else of Python's module path nobody has installed."
        " Hidden directories, virtual environments, `site-packages`, `node_modules` and `__pycache__` are left out.",
        "Development",
        cli=("--reload-dir",),
        metavar="DIRECTORY",
        repeat=True,
        example="src",
        reloadable=False,
        gunicorn="Gunicorn has none.",
    ),
    Setting(
        "reload_extra_files",
        texts(),
        (),
        "What else is watched: files, directories with all files in them, and patterns such as"
        " `templates/**/*.html`. May be repeated. Relative to `chdir`.",
        "Development",
        cli=("--reload-extra-file",),
        metavar="FILE",
        repeat=True,
        example="templates",
        reloadable=False,
    ),
)
"""Development."""
