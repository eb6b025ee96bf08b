# Two commands: `make lab` (study) and `make test` (check). Each sets up .venv on a fresh machine.
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
JOBS   ?= 2

.PHONY: lab test lint figures bench refresh clean help
help:
	@echo "make lab      set up, then open JupyterLab on the lessons"
	@echo "make test     set up, then run every test, notebooks included"
	@echo "make lint     ruff, ruff format, mypy"
	@echo "make figures  redraw figures/"
	@echo "make bench    speed, as figures and ratios"
	@echo "make refresh  run the lessons and store their outputs and text twins"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "rlrec needs Python 3.11, 3.12 or 3.13; install one, or: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lessons,test,bench]'
	@touch $@

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=lessons 00_start_here.ipynb

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope tests rlrec --doctest-modules
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --nbval lessons

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

figures: $(READY)
	$(BIN)/python -m rlrec.viz.figures figures

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

refresh: $(READY)
	$(BIN)/python -m pytest --nbval --refresh lessons

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
