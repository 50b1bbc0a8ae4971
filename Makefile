# Everything a person does here, one word each. `make` lists it.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Prefect reads these when it is imported: no word leaves the machine.
export PREFECT_SERVER_ANALYTICS_ENABLED ?= false
export DO_NOT_TRACK ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-s3 test-faults test-ray test-browser lint audit types contract check format bench studies lock clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv and install what requirements.lock pins

demo: $(STAMP) ## protect, evaluate and report on the embedded dataset
	$(BIN)/unlearnable demo $(ARGS)

up: $(STAMP) ## start a Prefect server and a worker here, deploy everything, print the UI's address
	infra/prefect/local.sh up

down: ## end both
	infra/prefect/local.sh down

test: $(STAMP) ## run the tests, on two cores
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-s3: $(STAMP) ## run the S3 tests on a real server of their own (root)
	infra/s3/test.sh $(BIN)/pytest -m s3 tests/s3 $(ARGS)

test-faults: $(STAMP) ## kill runs, fill disks, damage sources: the right bytes or a clear failure
	$(BIN)/pytest -m faults tests/faults $(ARGS)

test-ray: $(STAMP) ## run the tests on Ray and Dask clusters of this machine
	$(BIN)/pytest -m ray tests/cluster $(ARGS)

test-browser: $(STAMP) ## look at reports in a real Chromium, with axe-core (root, Debian's chromium, npm)
	tests/browser/run.sh $(BIN)/pytest -m browser tests/browser $(ARGS)

lint: $(STAMP) ## ruff: rules and format; hadolint and the compose schema for infra/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint infra/docker/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec infra/compose/*.yaml

audit: $(STAMP) ## requirements.lock: hashes, and known vulnerabilities where advisories can be had
	$(BIN)/python .ci/audit.py $(ARGS)

types: $(STAMP) ## pyright
	$(BIN)/pyright

contract: $(STAMP) ## who may import whom (.importlinter)
	$(BIN)/lint-imports --no-logo

check: lint types contract test ## lint, types, contract and test

format: $(STAMP) ## let ruff mend and format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## run the benchmarks of benchmarks/; ARGS=--quick shows only that they run
	@set -e; for file in benchmarks/[!_]*.py; do \
		name=$$(basename "$$file" .py); \
		echo "== $$name"; $(BIN)/python -m "benchmarks.$$name" $(ARGS); \
	done; \
	$(BIN)/python -m benchmarks._table $(ARGS)

studies: $(STAMP) ## train the victims behind docs/results: hours, and most need real pictures
	@set -e; for name in digits digit_forms forms two_phase transfer faces; do \
		echo "== $$name"; $(BIN)/python -m "benchmarks.studies.$$name"; \
	done

lock: $(STAMP) ## make requirements.lock again from pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --python-version 3.11 --extra dev --extra ray --extra dask \
		--extra kubernetes --no-annotate --no-header --quiet -o requirements.lock pyproject.toml

clean: ## remove .venv, caches and builds
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip knows hashes but picks a torch and a torchvision that don't fit; so it installs the pinned uv and no more.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there; name one: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but 3.11 or newer is needed; name one: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
