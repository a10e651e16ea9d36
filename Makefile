# Everything a developer or operator needs, from a fresh checkout, with Python 3.11 or newer and
# make alone. Recipes install the hash-pinned lock files into .venv when those changed, not before.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
# A process of tests for each core; ARGS comes after these and wins: `ARGS="-n 0"` runs them in one.
PARALLEL = $(if $(findstring no:xdist,$(ARGS)),,--numprocesses logical --maxprocesses 8 --dist worksteal)
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--upgrade --custom-compile-command "make lock" --group build

# What a user's shell says about other Pythons is not for this one.
unexport PYTHONCASEOK PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONNOUSERSITE PYTHONOPTIMIZE \
	PYTHONPATH PYTHONPLATLIBDIR PYTHONSAFEPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONWARNINGS \
	VIRTUAL_ENV __PYVENV_LAUNCHER__

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(VENV)/.runtime ## Start the service (installs it first, into .venv)
	@exec $(PYTHON) -m app.cli serve # exec: signals must reach the service, not a shell around it

.PHONY: demo
demo: $(VENV)/.runtime ## Show a market crash in a minute; options with ARGS="--seed 2"
	@exec $(PYTHON) -m app.cli demo $(ARGS)

.PHONY: test
test: $(VENV)/.dev ## Run the tests on all cores; options with ARGS="-k name" or "-n 0"
	@$(PYTHON) -m pytest $(PARALLEL) $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev ## Measure beside floors and peers; options with ARGS="--only ticks"
	@$(PYTHON) -m benchmarks $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev ## Run the tests with branch coverage
	@$(PYTHON) -m pytest $(PARALLEL) --cov --cov-report=term-missing $(ARGS)

# Only tests that take the same way each time: what chance comes by today it misses tomorrow.
.PHONY: branches
branches: $(VENV)/.dev ## Check that the engine's tests take every branch of it
	@$(PYTHON) -m pytest $(PARALLEL) -m "not hypothesis" --cov=app/engine --cov-fail-under=100 \
		--cov-report=term-missing tests/engine $(ARGS)

.PHONY: lint
lint: $(VENV)/.dev ## Check style and formatting
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/hadolint Dockerfile

.PHONY: format
format: $(VENV)/.dev ## Mend style and formatting where that is safe
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

.PHONY: types
types: $(VENV)/.dev ## Check types
	@$(VENV)/bin/mypy

.PHONY: imports
imports: $(VENV)/.dev ## Check that imports go one way
	@$(VENV)/bin/lint-imports --no-logo

.PHONY: lock
lock: $(VENV)/.dev ## Move both lock files to the newest releases
	@$(COMPILE) --output-file requirements.lock pyproject.toml
	@$(COMPILE) --group dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

.PHONY: clean
clean: ## Remove what was installed and cached; data stays
	@rm -rf $(VENV) $(VENV).lock *.egg-info build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Any Python from 3.11 on begins; deploy/install.py does the rest and touches the stamps.
INSTALL = @for python in python3.11 python3 python3.12 python3.13 python3.14; do \
		if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then \
		echo "Backstop needs Python 3.11 or newer with its venv module (Debian: python3-venv)." >&2; \
		exit 1; \
	fi; \
	$$python -I deploy/install.py $(VENV)

# An environment whose Python went away, or that was moved, is made again. (Stamps tell where.)
$(VENV)/.runtime: requirements.lock pyproject.toml $(shell \
	test -x $(PYTHON) && grep -qsxF "$$(pwd -P)/$(VENV)" $(VENV)/.runtime || echo anew)
	$(INSTALL) runtime

# The tools keep their caches in the checkout: where they cannot, the installer says so.
$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime $(shell test -w . || echo anew)
	$(INSTALL) dev

.PHONY: anew
anew:
