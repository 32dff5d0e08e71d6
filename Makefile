# Postroom. `make` alone says what there is.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run screenshots lint format test chaos migration system bench

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A half-made environment (Debian without python3-venv leaves one) is made anew.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Postroom needs Python 3.11 or newer; name one with PYTHON=python3.12."; exit 1; }
	@echo "Making the virtual environment $(VENV), a minute the first time ..."
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Install the package python3-venv first (apt install python3-venv)."; exit 1; }

$(VENV)/stamp-run: requirements.txt | $(BIN)/pip
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/stamp-dev: requirements.txt requirements-dev.txt | $(BIN)/pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ $(VENV)/stamp-run

run: $(VENV)/stamp-run ## run all of Postroom here; one Ctrl-C stops it
	@exec $(BIN)/python serve.py

screenshots: $(VENV)/stamp-dev ## take the pictures of docs/img anew
	$(BIN)/python -m tests.journey.screenshots
	$(BIN)/python -m tests.journey.triage_screenshots

lint: $(VENV)/stamp-dev ## check style, types, the order of imports and the page templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --check --lint --quiet

format: $(VENV)/stamp-dev ## let ruff and djlint lay out the code and the page templates
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djlint templates --reformat --quiet

system: ## install the Debian packages that the tests need (root or sudo)
	sh tests/system.sh

test: system $(VENV)/stamp-dev ## install what the tests need and run them all
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

bench: system $(VENV)/stamp-dev ## install what the benchmarks need, run them, print one table (NAMES=… ARGS=--quick)
	$(BIN)/python -m bench $(NAMES) $(ARGS)

chaos: system $(VENV)/stamp-dev ## kill and freeze everything for a quarter of an hour; SEED=n repeats a run
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

migration: $(VENV)/stamp-dev ## write the first migration anew from the models
	rm -f webapp/migrations/versions/0001_*.py
	d=$$(mktemp -d) && trap "mv $$d/*.py webapp/migrations/versions/; rm -rf $$d" EXIT && mv webapp/migrations/versions/0*.py $$d && \
	$(BIN)/python -c "from webapp.core import schema; schema.revise('sqlite:///$$d/empty.db', 'first tables', '0001')"
	$(BIN)/ruff format webapp/migrations && $(BIN)/ruff check --fix --quiet webapp/migrations
