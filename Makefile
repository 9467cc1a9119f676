# `make demo` and `make test` do all the set-up that they need; Python 3.11 or newer is the one prerequisite.
# Two versions stand side by side as `make test PYTHON=python3.13 VENV=.venv-3.13`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz hostile lint docs local gallery prove peers bench constraints clean

help:  ## list what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/installed-local: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,local]'
	touch $@

demo: $(VENV)/installed  ## check the reference endpoint through all clients, and say where the report is
	$(BIN)/likewise check --out runs/demo
	@echo "Open $(CURDIR)/runs/demo/report.html in a browser."

test: $(VENV)/installed  ## test the harness, and run the suites on the reference endpoint in both dialects
	$(BIN)/python -m pytest --quiet --numprocesses 3
	$(BIN)/python -m pytest --quiet suites
	$(BIN)/python -m pytest --quiet suites --target reference-dashscope

# What it finds becomes an @example of the test, so that `make test` has it from then on.
fuzz: $(VENV)/installed  ## test the properties on more examples, which are new each time
	$(BIN)/python -m pytest --quiet --numprocesses 2 -m hypothesis --hypothesis-profile fuzz

hostile: $(VENV)/installed  ## meet every hostile behaviour through every client, and print a table
	$(BIN)/python -m tests.hostile

lint: $(VENV)/installed  ## format, lint and type check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed  ## write the pages of docs/ that are made from the suites
	$(BIN)/python -m harness.rulebook

local: $(VENV)/installed-local  ## check a real language model on this machine's CPU
	$(BIN)/likewise check local --out runs/local

gallery: $(VENV)/installed-local  ## make the reports that reports/gallery/ keeps
	$(BIN)/likewise check reference reference-dashscope local --out runs/gallery || test $$? -eq 1
	mkdir -p reports/gallery
	for name in reference reference-dashscope local; do \
		cp runs/gallery/$$name/report.html reports/gallery/$$name.html; \
		cp runs/gallery/$$name/summary.md reports/gallery/$$name.md; \
		$(BIN)/likewise report runs/gallery/$$name --format badge --out reports/gallery/badges; \
		mv reports/gallery/badges/badge.svg reports/gallery/badges/$$name.svg; \
	done
	$(BIN)/likewise compare runs/gallery/reference runs/gallery/reference-dashscope runs/gallery/local --out runs/gallery/comparison
	cp runs/gallery/comparison/compare.html reports/gallery/comparison.html
	cp runs/gallery/comparison/compare.md reports/gallery/comparison.md
	$(BIN)/likewise load local --arrivals users:2 --clients raw,openai,langchain --duration 40 --out runs/gallery/load-local
	cp runs/gallery/load-local/report.html reports/gallery/load-local.html
	cp runs/gallery/load-local/summary.md reports/gallery/load-local.md

prove: $(VENV)/installed  ## prove the suites by faults and variations, and keep the outcome in reports/gallery/
	$(BIN)/likewise prove --out runs/proof
	mkdir -p reports/gallery
	cp runs/proof/proof.json runs/proof/proof.html reports/gallery/

peers: $(VENV)/installed  ## check other people's servers, each in an environment of its own, and keep the table
	$(BIN)/python scripts/peers.py
	mkdir -p reports/gallery
	cp runs/peers/peers.md reports/gallery/

bench: $(VENV)/installed  ## measure how true and how dear the load clients are; writes docs/load-accuracy.md
	$(BIN)/python scripts/bench.py

constraints: $(VENV)/installed-local  ## pin what is installed now, after raising a bound in pyproject.toml
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:  ## remove what was installed and what was run
	rm -rf .venv .venv-* .peers runs
