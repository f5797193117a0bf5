# `make` lists the commands. On a fresh machine python3 (3.11 or newer), its venv and make are enough.
.DEFAULT_GOAL := help
.PHONY: help setup run unit test check audit fix schema lock operations explorer bench bench-all large-upload chaos fuzz proof mutants image image-test clean

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
# Beside the locked packages, where `sync` does not take it away.
UV := .venv/tool/bin/uv
SYNC := $(UV) pip sync --quiet --python $(BIN)/python --require-hashes --only-binary :all: --compile-bytecode
# The client that `watch` and `demo` use, from its source. uv builds it by itself: nothing is downloaded.
ADD_CLIENT := $(UV) pip install --quiet --offline --no-deps --python $(BIN)/python --editable clients/python
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade
# Node builds the explorer; where the system has none that is new enough, it comes as a wheel.
RUNTIME_LOCK := $(if $(shell web/node-found),requirements.lock,requirements-explorer.lock)
# Compiled modules are kept: otherwise every process of a server or a test spends 2 s on compiling packages.
unexport PYTHONDONTWRITEBYTECODE
# Of three tests, one waits for its database or for a program that it has started.
MORE_THAN_THE_CORES := $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN) / 2)))
TWICE_THE_CORES := $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
PAGE_SOURCES := $(shell find web clients/javascript/src clients/react/src -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*')

# Fewer random examples than a test has by itself: every run has new ones, and `make proof` tries many times as many.
MODEST := SCENEWIRE_TEST_EFFORT=0.2

# Run pytest and print how long it took: name, environment, arguments. A failed test does not keep the next part from running.
define run-part
began=$$(date +%s); $(2) $(BIN)/python -m pytest -q $(3); status=$$?; \
	echo "$(1): $$(($$(date +%s) - began)) s"; \
	case $$status in 0) ;; 1) failed=1 ;; *) exit $$status ;; esac
endef

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: .venv/.runtime web/dist/index.html ## install what the server needs
	@:

run: setup ## start the server and print its address
	@exec $(BIN)/python -m server

unit: .venv/.dev web/dist/index.html ## run the tests that need no process, browser or Postgres, with fewer random examples
	@$(call run-part,unit,SCENEWIRE_TEST_EFFORT=0.1,-n $(MORE_THAN_THE_CORES) --dist worksteal --database sqlite \
		-m "not slow and not process and not postgres" tests/unit tests/suites tests/api tests/transports); \
	exit $${failed:-0}

test: .venv/.dev web/dist/index.html ## run all tests, on SQLite and on Postgres
	@rm -rf .pytest_cache
	@$(call run-part,parallel,$(MODEST),-n $(MORE_THAN_THE_CORES) --dist worksteal --part parallel); \
	$(call run-part,waiting,$(MODEST),-n $(TWICE_THE_CORES) --dist loadfile --part waiting); \
	$(call run-part,alone,,--part alone); \
	$(if $(AGAIN),[ -z "$$failed" ] || exec $(BIN)/python .ci/again.py;) exit $${failed:-0}

check: .venv/.dev ## check formatting, lints, types and the imports between layers
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pyright --threads
	@clients/build check

audit: .venv/.dev ## look for known vulnerabilities in the locked packages
	@$(BIN)/python .ci/audit.py

fix: .venv/.dev ## format the code and fix lints
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

schema: .venv/.runtime ## print the GraphQL schema
	@$(BIN)/python -m server schema

bench: .venv/.dev ## compare with peers and hand-written programs in a few minutes; ONLY=big-list,... chooses works
	@$(BIN)/python -m bench --write $(if $(ONLY),--only $(ONLY)) $(if $(BEFORE),--before $(BEFORE))

bench-all: .venv/.dev ## compare in full, and measure a render, the fan-out, a replay and commits on SQLite
	@$(BIN)/python -m bench --write --all $(if $(ONLY),--only $(ONLY)) $(if $(BEFORE),--before $(BEFORE))
	@$(BIN)/python -m bench.local_render
	@$(BIN)/python -m bench.fan_out
	@$(BIN)/python -m bench.replay
	@$(BIN)/python -m bench.commits
	@$(BIN)/python -m bench.leased_workers

large-upload: .venv/.dev ## upload a file of 2 GiB, interrupt and resume it: the seconds, and the memory of the server
	@$(BIN)/python -m bench.large_upload $(if $(MEBIBYTES),--mebibytes $(MEBIBYTES))

chaos: .venv/.dev ## minutes of lost connections and killed servers, workers and databases; prints its seed
	@$(BIN)/python -m tests.chaos
	@$(BIN)/python -m tests.faults

fuzz: .venv/.dev ## minutes of random requests generated from the published schemas; prints its seeds
	@$(BIN)/python -m tests.attacks.fuzz

proof: .venv/.dev ## minutes of random commands compared with a model, on both databases; prints its seed
	@$(BIN)/python -m tests.any_order
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "thorough or thorough_on_postgres"
	@SCENEWIRE_TEST_EFFORT=25 $(BIN)/python -m pytest -q tests/execution/test_sample_answers.py tests/api/test_random_answers.py tests/unit/test_joined_kinds.py
	@SCENEWIRE_TEST_EFFORT=4 $(BIN)/python -m pytest -q tests/api/test_kept_answers.py tests/unit/replicate
	@$(BIN)/python -m pytest -q -k leased tests/suites/test_providers.py tests/suites/test_provider_models.py

mutants: .venv/.dev web/dist/index.html ## change one expression at a time and check that a test fails: a random sample, an hour or so; prints its seed
	@$(BIN)/python -m tests.mutants

image: ## build the image with docker, podman or buildah; FONTS=all takes every font
	@deploy/image/build

image-test: .venv/.dev ## build the image, run it with a read-only root and check it; needs root and buildah
	@$(BIN)/python -m tests.image

lock: $(UV) ## resolve the newest versions that pyproject.toml allows
	@echo "Resolving"
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) pyproject.toml --group explorer -c requirements.lock -o requirements-explorer.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements-explorer.lock -o requirements-dev.lock
	@$(COMPILE) tests/compilers/requirements.in -o tests/compilers/requirements.lock

operations: .venv/.dev ## generate the typed operations of the storyboard from the schema and its documents
	@$(BIN)/python -m tests.support.typed_operations

client-types: .venv/.runtime ## generate the types of the JavaScript client from the schema
	@tests/compilers/client-types

explorer: web/dist/index.html ## build the pages: the explorer and the storyboard

clean: ## remove everything that was installed or built; keep the data in var/
	rm -rf .venv web/dist web/node_modules clients/node_modules clients/javascript/dist clients/react/dist docs/clients/node_modules tests/transports/node/node_modules tests/compilers/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(UV):
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scenewire needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/tool uv==$(UV_VERSION)

.venv/.runtime: $(RUNTIME_LOCK) clients/python/pyproject.toml | $(UV)
	@echo "Installing the locked packages"
	@$(SYNC) $(RUNTIME_LOCK)
	@$(ADD_CLIENT)
	@touch $@

.venv/.dev: requirements-dev.lock clients/python/pyproject.toml | $(UV)
	@echo "Installing the locked packages, tools for tests included"
	@$(SYNC) requirements-dev.lock
	@$(ADD_CLIENT)
	@touch $@ .venv/.runtime

web/dist/index.html: $(PAGE_SOURCES) | .venv/.runtime
	@echo "Building the pages"
	@web/build
