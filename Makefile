# Everything starts from `make help`. Each target sets up what it needs, in .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

# Two workers, each with servers of its own: the first begins with one version, the second with the other. A database that is
# given is one server for all, and roles are the server's: no workers then.
WORKERS := $(if $(DATABASE_URL),,--numprocesses 2 --dist worksteal)

# servers.py, which starts PostgreSQL for tests, docs and benchmarks, lies beside the tests
export PYTHONPATH := $(CURDIR):$(CURDIR)/runner:$(CURDIR)/runner/tests

.PHONY: help demo test test-slow test-thorough pgtap lint format bench docs report-picture snapshot release clean

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Watch 1,000 contacts go through a sequence, on a PostgreSQL of its own
	@$(BIN)/pgdrip demo

test: lint ## Lint, then test on PostgreSQL 18 and 15 (installs 15 and pgTAP by apt-get)
	@$(PY) -m tools.provision
	@$(PY) -m pytest -m "not slow and not thorough" $(WORKERS) $(PYTEST_ARGS)

test-slow: $(VENV)/.dev ## Run the tests that take minutes, on 18: kill runners, crash PostgreSQL, watch the demo
	@$(PY) -m tools.provision
	@PGDRIP_TEST_MAJORS="$${PGDRIP_TEST_MAJORS:-18}" $(PY) -m pytest -m slow runner/tests $(PYTEST_ARGS)

test-thorough: $(VENV)/.dev ## Run the tests that take an hour, on 18: every mutation of grants and policies, 10,000 hostile calls per function
	@$(PY) -m tools.provision
	@PGDRIP_TEST_MAJORS="$${PGDRIP_TEST_MAJORS:-18}" $(PY) -m pytest -m thorough runner/tests $(PYTEST_ARGS)

pgtap: $(VENV)/.dev ## Run the pgTAP suite: on DATABASE_URL=…, else on servers of its own
ifdef DATABASE_URL
	@$(PY) -m tools.pgtap
else
	@$(PY) -m tools.provision
	@$(PY) -m pytest runner/tests/test_pgtap.py $(PYTEST_ARGS)
endif

lint: $(VENV)/.dev ## Check layout, types and migrations: ruff, mypy, sqlfluff, squawk
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy runner/pgdrip tools
	@$(BIN)/sqlfluff lint --disable-progress-bar --processes 2 sql
	@$(BIN)/squawk sql/schema/V*.sql

format: $(VENV)/.dev ## Lay out Python and SQL as lint wants it
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix --disable-progress-bar --processes 2 sql

bench: $(VENV)/.dev ## Run the benchmarks
	@if [ -f benchmarks/__main__.py ]; then $(PY) -m benchmarks; else echo "There are no benchmarks yet."; fi

docs: $(VENV)/.dev ## Write docs/api.md and docs/reporting.md anew from the comments in the database
	@$(PY) -m tools.gen_docs

report-picture: $(VENV)/.dev ## Write docs/report.png anew: run the demo, and take its report page
	@$(PY) -m tools.report_picture

snapshot: $(VENV)/.dev ## Write sql/snapshot/catalog.txt anew: what a fresh installation leaves in the catalog
	@$(PY) -m tools.snapshot

release: $(VENV)/.dev ## Write sql/releases/VERSION.sql.gz, once per version: see docs/releasing.md
	@$(PY) -m tools.release

clean: ## Remove what the other targets made, .venv included
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@python=$$(sh tools/find_python.sh) && "$$python" -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(PY)
	@echo "Installing pgdrip and its demo into $(VENV) …"
	@$(PIP) install --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(PY)
	@echo "Installing pgdrip and its development tools into $(VENV) …"
	@$(PIP) install --editable '.[dev]'
	@touch $@
