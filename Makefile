# `make demo` and `make test` do all their own set-up; nothing but Python >= 3.11 and make need be there.
# PYTHON=python3.13 picks the interpreter, DEMO_OPTIONS="--out elsewhere" goes to the demo.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
CODE := src tests bench

.PHONY: help demo test check pages format lint types arrows tests bench kills setup clean

help: ## say what there is to make
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done

demo: $(READY) ## the whole way on the built-in world, from drawing pictures to an HTML report
	@$(BIN)/iconotext demo $(DEMO_OPTIONS)

test: check ## the project's checks, after their own set-up

check: lint types arrows tests ## format, lint, types, arrows, tests

pages: $(READY) ## write docs/systems and the README's table from the systems' pages
	@$(BIN)/iconotext systems write .

format: $(READY) ## rewrite the code in the project's format
	@$(BIN)/ruff check --quiet --fix-only $(CODE)
	@$(BIN)/ruff format --quiet $(CODE)

lint: $(READY) ## format and lint, nothing is changed
	@$(BIN)/ruff format --check --quiet --diff $(CODE)
	@$(BIN)/ruff check --quiet $(CODE)

types: $(READY) ## mypy, strict
	@$(BIN)/mypy --no-error-summary

arrows: $(READY) ## who may import whom
	@$(BIN)/lint-imports --no-logo

tests: $(READY) ## unit, shape, golden, fixtures, flows
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

bench: $(READY) ## what is measured, against what
	@for script in $(filter-out bench/kills.py,$(wildcard bench/*.py)); do $(BIN)/python "$$script" || exit 1; done

kills: $(READY) ## kill the long commands at random moments, compare with uninterrupted runs
	@$(BIN)/python bench/kills.py

setup: $(READY) ## the environment alone

clean: ## remove the environment and every cache, keep runs and data
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests bench -name __pycache__ -prune -exec rm -rf {} +

# Written last, so an interrupted installation is taken up again.
$(READY): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing Iconotext into $(VENV) (once; PyTorch is large, so this takes some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

$(BIN)/pip:
	@for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec "$$candidate" -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "No Python >= 3.11 with its venv module was found among: $(or $(PYTHON),$(CANDIDATES))." >&2; \
	echo "Name one with 'make PYTHON=/path/to/python3.12 ...'; on Debian and Ubuntu 'apt install python3-venv' adds the module." >&2; \
	exit 1
