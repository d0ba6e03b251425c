"""What surrounds the code of a new distribution. `$name` and the like stand for its names."""

from typing import Final

PYPROJECT: Final = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "The worker class `$name` for Heeler"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["heeler>=$version"]

# What `heeler -k $name` finds.
[project.entry-points."heeler.workers"]
$name = "$package.worker:${title}Worker"

[dependency-groups]
test = ["pytest>=8"]

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
testpaths = ["tests"]
"""

README: Final = """\
# $distribution

The worker class `$name` for [Heeler](https://pypi.org/project/heeler/).
It runs one request at a time, and names the slow ones in the log.

    pip install $distribution
    heeler -k $name app:app

## Setting

`${snake}_slow`: how long a request may take before the log names it, in seconds; 1 by default.
On the command line it is `--$name-slow SECONDS`, in the environment `HEELER_${upper}_SLOW`.

## Compatibility

| $distribution | Heeler | worker API | Python | serves |
|---|---|---|---|---|
| 0.1 | $version and newer | $api_version | 3.11 and newer | WSGI |

The tests run Heeler's conformance kit, so that each line of this table is known to hold:

    pip install --editable . --group test
    pytest

`heeler conformance -k $name` prints what the kit finds as a table.
"""

CHANGELOG: Final = """\
# Changelog

## 0.1.0

- The worker class `$name`, with the setting `${snake}_slow`.
"""

CI: Final = """\
name: tests
on: [push, pull_request]
jobs:
  tests:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.12", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: $${{ matrix.python }}
      - run: python -m pip install --upgrade 'pip>=25.1'
      - run: python -m pip install --editable . --group test
      - run: python -m pytest
"""

GITIGNORE: Final = """\
__pycache__/
.pytest_cache/
/.venv/
/dist/
"""
