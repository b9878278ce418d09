# Every target is listed by `make` alone. The only thing needed beforehand is CPython 3.11 or later.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first interpreter that is new enough: `make PYTHON=/path/to/python test` chooses another.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
BIN := .venv/bin
HOME_FOLDER = $(or $(SIGHTLINE_HOME),.sightline)
WEB ?= 1
PORT ?= 8800
# For the dashboard's tests, which wait for their servers half of the time.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 3 // 2)')
# Dozens of processes start here: what one of them has compiled serves the others.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo up test test-dashboard test-sensor test-compiled check format walk browser bench bench-analysis explore fuzz lock docs \
	install install-demo install-sensor python clean clean-data

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## ── Run it ──────────────────────────────────────────────────────────────────────────────────────────────────────
demo: install-demo ## the dashboard with the example services, load and a real alert, on http://127.0.0.1:$(PORT)
	@exec $(BIN)/python manage.py up --demo --web $(WEB) --port $(PORT)

up: install-demo ## the dashboard alone, for your own services
	@exec $(BIN)/python manage.py up --web $(WEB) --port $(PORT)

clean-data: ## forget everything: the data directory (SIGHTLINE_HOME, or .sightline) is removed
	@if [ -x $(BIN)/python ]; then $(BIN)/python manage.py forget --yes; else rm -rf -- "$(HOME_FOLDER)"; fi

## ── Prove it ────────────────────────────────────────────────────────────────────────────────────────────────────
# The sensor's suites first: they compile, one process for each CPython, much of what the dashboard's workers import.
test: install install-sensor test-sensor test-dashboard ## every fast test: the dashboard's, and the sensor's on each CPython

test-dashboard: install
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not slow and not walk and not browser" \
		--ignore=tests/sensors --ignore=tests/walks --ignore=tests/browser tests

test-sensor: install install-sensor
	@$(BIN)/python tests/sensor_suites.py

test-compiled: install install-sensor ## the sensor's suite on a compiled copy of it; wants a C compiler and Python's headers
	@for environment in .venv .venv-3.12 .venv-3.13; do \
		if [ -d $$environment ]; then $(PYTHON) requirements/install.py $$environment compile; fi; done
	@$(BIN)/python tests/compiled_suites.py

check: install ## lint, format, types, directions between rooms, templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/djlint templates --lint --quiet

format: install ## bring the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

walk: install install-sensor ## end to end on real processes, and the slow tests: several minutes
	$(BIN)/python -m pytest -q -m "walk or slow" --timeout=900 --ignore=tests/browser --ignore=tests/sensors tests
	$(BIN)/python tests/sensor_suites.py -m slow

browser: install ## the pages in headless Chromium
	$(BIN)/python -m pytest -q --timeout=300 tests/browser

bench: install install-sensor ## figures as JSON lines, each beside its baseline
	@$(BIN)/python -m bench

bench-analysis: install ## the analysis against published tables: PETSHOP=… QUIXBUGS=… are folders you bring, CASES=… takes the CSVs
	@$(BIN)/python -m bench.analysis $(if $(PETSHOP),--petshop "$(PETSHOP)") $(if $(QUIXBUGS),--quixbugs "$(QUIXBUGS)") \
		$(if $(CASES),--cases "$(CASES)")

explore: install install-sensor ## arms probes on a whole third-party library and runs that library's own tests
	@$(BIN)/python -m bench.explore

fuzz: install ## bytes that nobody meant at every door of the sensor and the gateway's decoder, a minute for each
	@$(PYTHON) requirements/install.py .venv fuzz
	@$(BIN)/python -W ignore::SyntaxWarning tests/sensors/fuzzing.py 60

## ── Keep it ─────────────────────────────────────────────────────────────────────────────────────────────────────
install: python ## the environment for checks and tests (.venv), from the lock
	@$(PYTHON) requirements/install.py .venv dev

install-demo: python
	@$(PYTHON) requirements/install.py .venv app example

install-sensor: install
	@$(PYTHON) requirements/install.py --sensor-suites

python:
	@test -n "$(PYTHON)" || { echo "Sightline needs CPython 3.11 or later, and there is none on the PATH."; exit 1; }

lock: install ## resolve pyproject.toml anew into requirements/*.txt; UPGRADE=1 takes the newest versions
	$(BIN)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

docs: install ## write the pages that are read from the code
	$(BIN)/python -m tests.messages

clean: ## what tools leave behind, and the environments; not the data directory
	rm -rf build .venv .venv-3.* .explore .pytest_cache .mypy_cache .ruff_cache .import_linter_cache test-results
