# `make serve` and `make test` need make and Python 3.11 or newer, nothing else.

VENV := .venv
BIN  := $(VENV)/bin
PORT ?= 8000
# Most tests wait for other processes, so more of them run at once than there are cores.
JOBS ?= 5
# What to test: make test ARGS='tests/unit -k address'
ARGS ?=

# The first Python of these that is new enough; make PYTHON=/path/to/python test
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$python"; break; }; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help serve test autobahn soak lint format bench clean

help:
	@echo "make serve   serve docs/examples/flask_app.py (PORT=$(PORT))"
	@echo "make test    run the whole test suite (ARGS='tests/unit -k name' for a part)"
	@echo "make autobahn  the Autobahn testsuite, 247 cases (ARGS=--all for all 517); needs Python 2.7"
	@echo "make soak    kill, reload and recycle under load for five minutes (ARGS='--seconds 60 --seed 7')"
	@echo "make lint    ruff, mypy --strict, import-linter"
	@echo "make format  let ruff format the code"
	@echo "make bench   measure against other servers"
	@echo "make clean   remove what the others made"

serve: $(VENV)/.serve
	@echo "serving docs/examples/flask_app.py on http://127.0.0.1:$(PORT) (Ctrl-C stops it)"
	@exec $(BIN)/heeler docs/examples/flask_app.py:app --bind 127.0.0.1:$(PORT) --workers 2

# Tests marked `alone` measure time or memory: they run first, one by one. pytest's status 5 says that none was chosen.
test: $(VENV)/.dev
	@alone=0; $(BIN)/python -m pytest -m "alone and not soak" $(ARGS) || alone=$$?; \
	rest=0; $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not alone and not soak" $(ARGS) || rest=$$?; \
	case "$$alone $$rest" in "0 0"|"0 5"|"5 0") ;; *) echo "the tests failed" >&2; exit 1;; esac

# Ends with an error, too, where there is no Python 2.7 and so nothing was run.
autobahn: $(VENV)/.dev
	@$(BIN)/python tests/autobahn/run.py $(ARGS)

# Status 1 where a request was lost that was not killed, or something is left over.
soak: $(VENV)/.dev
	@$(BIN)/python tests/bench/soak.py $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev
	$(BIN)/python tests/bench/bench.py $(ARGS)

clean:
	rm -rf $(VENV) .autobahn .bench .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage* dist build
	find arbiter workers plugins src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# -- The environment ----------------------------------------------------
# A stamp a step: the second run costs nothing, and a change of pyproject.toml installs again.

$(VENV)/.made:
	@[ -n "$(PYTHON)" ] || { echo "Heeler needs Python 3.11 or newer; none of python3, python3.11 ... is." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	@touch $@

$(VENV)/.serve: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --group examples --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev --editable .
	@touch $@ $(VENV)/.serve
