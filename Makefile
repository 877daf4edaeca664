# Each target sets up what it needs by itself (deploy/setup.sh); a second run starts at once.
#   make run                         serve on :8080 by rules.yaml     make run ARGS='--listen 127.0.0.1:9000'
#   make test                        the whole test suite             make test ARGS='-k redis'
#   make check                       what CI asks for: format, lint, types, architecture, the suite
#   make demo                        simulated upstreams behind the proxy, and what was saved
#   make bench                       beside nginx on the same core     make bench ARGS='--write'
#   make clean                       all that the above made (var/, the stored answers, stays)
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
# `make check SUITE=later` leaves the suite to the `make test` that follows, as .ci/run does.
SUITE ?= now
SETUP := bash deploy/setup.sh
BIN := .venv/bin

.PHONY: help run test check bench demo clean

help:
	@sed -n 's/^#   //p' Makefile

run:
	@$(SETUP) run
	@exec $(BIN)/larder run --rules rules.yaml $(ARGS)

test:
	@$(SETUP) test
	$(BIN)/python -m pytest -n 2 $(ARGS)

check:
	@$(SETUP) check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py
ifneq ($(SUITE),later)
	$(BIN)/python -m pytest -n 2 $(ARGS)
endif

bench:
	@$(SETUP) bench
	$(BIN)/python -m deploy.bench $(ARGS)

demo:
	@$(SETUP) run
	@exec $(BIN)/larder demo $(ARGS)

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find proxy tests deploy -name __pycache__ -type d -prune -exec rm -rf {} +
