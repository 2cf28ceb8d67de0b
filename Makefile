# `make` lists the verbs. A fresh machine needs only git, make and a Python >= 3.11 whose venv works.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PORT ?= 8080
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# The first Python of these that is 3.11 or newer and has venv and ensurepip. PYTHON=… chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

.PHONY: help install dev check format test pairs serve emulate docs guide bench lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Pollux needs Python 3.11 or newer with the venv module (on Debian: apt install python3-venv). Name it with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.runtime: .venv/pyvenv.cfg requirements/runtime.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/runtime.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.lock
	@touch $@

install: .venv/.runtime ## install what running needs; the command is then .venv/bin/pollux

dev: .venv/.dev ## install what working on it needs

serve: .venv/.runtime ## serve on 127.0.0.1:8080 (PORT=…), from the emulator unless GEMINI_API_KEY is set
	@if [ -n "$$GEMINI_API_KEY$$GEMINI_API_KEY_FILE$$POLLUX_UPSTREAM" ]; then exec $(BIN)/pollux serve --port $(PORT); \
	else echo "No GEMINI_API_KEY in the environment: answers come from the built-in emulator."; exec $(BIN)/pollux serve --port $(PORT) --upstream emulator; fi

emulate: .venv/.runtime ## run the emulator of the native Gemini API alone, on 127.0.0.1:8081
	@exec $(BIN)/pollux emulate --port 8081

check: .venv/.dev ## format, lint, types, layer contracts, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.docs --check

format: .venv/.dev ## format and mend what ruff can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: .venv/.dev ## every test that needs nothing outside this folder
	$(BIN)/python -m pytest -n auto --ignore=tests/recorded

pairs: .venv/.dev ## print the golden pairs as a page
	@$(BIN)/python -m tools.pairs

docs: .venv/.dev ## write the generated pages (CLI reference, settings, parameter table)
	$(BIN)/python -m tools.docs

guide: .venv/.dev ## run the guide's samples against a server (GUIDE=folder of the samples)
	@$(BIN)/python -m guide.run

bench: .venv/.dev ## measure CPU, latency and memory beside nginx in the same run
	@$(BIN)/python -m bench.run
	@$(BIN)/python -m bench.files
	@$(BIN)/python -m bench.media
	@$(BIN)/python -m bench.schema
	@$(BIN)/python -m bench.images
	@$(BIN)/python -m bench.drawing
	@$(BIN)/python -m bench.batches
	@$(BIN)/python -m bench.videos

lock: ## compute the lock files anew (needs uv)
	for set in "runtime --group build" "dev --group dev"; do set -- $$set; \
	uv pip compile pyproject.toml $$2 $$3 --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --quiet --custom-compile-command "make lock" -o requirements/$$1.lock; done

clean: ## remove what was made here
	rm -rf .venv .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
