# Everything works on a machine that has Python 3.11+, pip, make and git, and nothing running.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# The size of `make chaos`; both databases, one after the other, unless DATABASE names one.
N ?= 20000
KILLS ?= 40
SEED ?= 1

# How often `make bench` repeats each comparison.
ROUNDS ?= 5

.DEFAULT_GOAL := help
.PHONY: help setup run test chaos bench check format lock peers clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## Install everything into .venv

$(READY): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; choose one as in: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "Python's venv module is missing (Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY) ## Run the service here, with a local EcomLinx to play with
	@$(BIN)/ecomlinx-hooks dev

test: $(READY) ## Run all tests
	$(BIN)/pytest -n auto --dist worksteal

chaos: $(READY) ## Kill and cut off everything under load: N= DATABASE= KILLS= SEED=
	@$(BIN)/python -m tests.chaos --events $(N) --kills $(KILLS) --seed $(SEED) \
		$(if $(DATABASE),--database $(DATABASE))

bench: $(READY) ## Measure against other systems (Linux; wrk, npm): ONLY=ingest,... ROUNDS=
	@$(BIN)/python -m tests.bench --rounds $(ROUNDS) $(if $(ONLY),--only $(ONLY))

check: $(READY) ## Lint, formatting, types, import rules, dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(READY) ## Format the code, and mend what ruff can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(READY) ## Lock the dependencies anew, to their newest versions
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 \
		pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 \
		--group dev -c requirements.txt pyproject.toml -o requirements-dev.txt

peers: $(READY) ## Lock what `make bench` compares with anew, to its newest versions
	$(BIN)/uv pip compile -q --universal --upgrade --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 \
		tests/bench/peers/requirements.in -o tests/bench/peers/requirements.txt
	npm update --prefix tests/bench/peers --package-lock-only --omit-lockfile-registry-resolved

clean: ## Remove what was installed and what `make run` has kept
	rm -rf $(VENV) .bench data
