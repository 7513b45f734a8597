# Two commands on a fresh machine with Python 3.11 or newer: make run, make test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test slow lint format bench reproduce clean

run: $(VENV)/installed ## DIVA on the bundled digits: a table, figures, a page
	$(BIN)/python -m experiments.diva

test: $(VENV)/installed ## all tests that need no network, no accelerator, no extra data
	$(BIN)/python -m pytest -n 2 --dist loadfile

slow: $(VENV)/installed ## several processes, convergence, full data
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed ## time and memory at 1x, 4x, 16x: about three quarters of an hour
	$(BIN)/python -m experiments.benchmarks

reproduce: $(VENV)/installed ## all landed methods at small scale: half an hour, more with downloaded data; report/index.html
	$(BIN)/python -m experiments.reproduce

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache
