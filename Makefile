# `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup fmt lint types layers test
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

$(VENV)/.done: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

setup: $(VENV)/.done ## make .venv with eso inside

fmt: setup ## format the code
	$(BIN)/ruff format eso tests e2e
	$(BIN)/ruff check --fix eso tests e2e

lint: setup ## ruff
	$(BIN)/ruff check eso tests

types: setup ## mypy --strict
	$(BIN)/mypy

layers: setup ## import directions
	$(BIN)/lint-imports

test: setup ## everything CI runs
	$(BIN)/pytest
