# `make` alone lists the words. On a fresh machine python3 (3.11 or newer), its venv and make are enough.
.DEFAULT_GOAL := help
.PHONY: help setup run test check audit fix schema lock explorer bench chaos fuzz proof clean

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
# Beside the locked packages, where `sync` does not take it away.
UV := .venv/tool/bin/uv
SYNC := $(UV) pip sync --quiet --python $(BIN)/python --require-hashes --only-binary :all:
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml
# Node builds the explorer; where the system has none that is new enough, it comes as a wheel.
RUNTIME_LOCK := $(if $(shell web/node-found),requirements.lock,requirements-explorer.lock)
EXPLORER_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*')

help: ## list the words
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: .venv/.runtime web/dist/index.html ## install what running needs
	@:

run: setup ## start the server and say where it listens
	@exec $(BIN)/python -m server

test: .venv/.dev web/dist/index.html ## run all tests
	@$(BIN)/python -m pytest -q -m "not alone and not paired and not seeded" -n 3 --dist loadfile
	@$(BIN)/python -m pytest -q -m seeded tests/any_order
	@$(BIN)/python -m pytest -q -m paired -n 2 --dist loadfile
	@$(BIN)/python -m pytest -q -m alone

check: .venv/.dev ## the static part of CI: formatting, lints, types, arrows
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pyright

audit: .venv/.dev ## ask whether a locked package has a known vulnerability
	@$(BIN)/python .ci/audit.py

fix: .venv/.dev ## format, and mend what can be mended by itself
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

schema: .venv/.runtime ## print the GraphQL schema
	@$(BIN)/python -m server schema

bench: .venv/.dev ## what a clip costs the server, what a crowd of subscribers does, and coming back
	@$(BIN)/python -m bench.local_render
	@$(BIN)/python -m bench.fan_out
	@$(BIN)/python -m bench.replay

chaos: .venv/.dev ## minutes of cut streams, killed servers, workers and databases; prints its seed
	@$(BIN)/python -m tests.chaos
	@$(BIN)/python -m tests.faults

fuzz: .venv/.dev ## minutes of random requests by the published schemas; prints its seeds
	@$(BIN)/python -m tests.attacks.fuzz

proof: .venv/.dev ## minutes of everything in any order beside a model, on both databases; prints its seed
	@$(BIN)/python -m tests.any_order

lock: $(UV) ## resolve the newest versions that pyproject.toml allows
	@echo "Resolving"
	@$(COMPILE) -o requirements.lock
	@$(COMPILE) --group explorer -c requirements.lock -o requirements-explorer.lock
	@$(COMPILE) --group dev -c requirements-explorer.lock -o requirements-dev.lock

explorer: web/dist/index.html ## build the explorer page

clean: ## remove everything that was installed or built; data in var/ stays
	rm -rf .venv web/dist web/node_modules docs/clients/node_modules tests/transports/node/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scenewire needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/tool uv==$(UV_VERSION)

.venv/.runtime: $(RUNTIME_LOCK) | $(UV)
	@echo "Installing the locked packages"
	@$(SYNC) $(RUNTIME_LOCK)
	@touch $@

.venv/.dev: requirements-dev.lock | $(UV)
	@echo "Installing the locked packages, tools for tests included"
	@$(SYNC) requirements-dev.lock
	@touch $@ .venv/.runtime

web/dist/index.html: $(EXPLORER_SOURCES) | .venv/.runtime
	@echo "Building the explorer page"
	@web/build
