# What the README says, in short lines. Needs Python >= 3.11, make and git; brings its own uv when there is none.
PYTHON ?= python3
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
SYNCED := .venv/.synced
BIN := .venv/bin
# Or every process would compile all that it imports, each time anew.
unexport PYTHONDONTWRITEBYTECODE

FAST := tests/packaging/test_structure.py tests/network/test_retry_after.py \
  $(patsubst %,tests/tap/%,api events http settings test_progress.py test_raw_json.py) \
  $(patsubst %,tests/target/%,delivery http settings singer test_progress.py test_raw_json.py)

.PHONY: demo help test test-fast prove check bench build docs clean

demo: $(SYNCED) ## PostHog to Patterns, sandbox to sandbox: a backfill, then what is new
	$(BIN)/meltano --log-level=warning install
	$(BIN)/meltano --log-level=warning state clear --force sandbox:tap-posthog-to-target-patterns-webhook
	$(BIN)/meltano run demo

test: $(SYNCED) ## Everything but the long proofs
	$(BIN)/pytest -n auto --dist loadfile

test-fast: $(SYNCED) ## What is pure or runs in one process, in a minute
	$(BIN)/pytest -n auto --dist worksteal -m "not prove and not sandbox" $(FAST)

prove: $(SYNCED) ## The long proofs: many kills, soak, a million records
	$(BIN)/pytest -m prove --timeout 3600

check: $(SYNCED) ## Format, lint, types, lock, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(UV) lock --check
	$(BIN)/python -m tests.docs.settings --check
	$(BIN)/python -m tests.docs.columns --check
	$(BIN)/python -m tests.docs.streams --check

docs: $(SYNCED) ## Write the generated parts of the docs
	$(BIN)/python -m tests.docs.settings
	$(BIN)/python -m tests.docs.columns
	$(BIN)/python -m tests.docs.streams
	$(BIN)/python -m tests.docs.analyses

bench: $(SYNCED) ## Ratios against peers in the same run, into docs/benchmarks.md
	$(BIN)/python -m tests.bench

build: $(SYNCED) ## Wheels and sdists, installed into an empty environment and started
	rm -rf dist
	$(UV) build --quiet --package tap-posthog
	$(UV) build --quiet --package target-patterns-webhook
	$(UV) venv --quiet --clear dist/try
	$(UV) pip install --quiet --python dist/try dist/*.whl
	dist/try/bin/tap-posthog --version
	dist/try/bin/target-patterns-webhook --version

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /: /'

clean: ## Everything that is not committed here
	rm -rf .cache .meltano .sandbox .uv .venv dist

$(SYNCED): $(UV) uv.lock pyproject.toml sandbox/pyproject.toml tap-posthog/pyproject.toml target-patterns-webhook/pyproject.toml
	$(UV) sync --locked --quiet --python $(PYTHON)
	touch $@

.uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv
