# Two commands: `make lab` (study) and `make test` (check). Each sets up .venv on a fresh machine.
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)
JOBS   ?= 2
SITE   := $(VENV)/.site

# The same lessons on an older processor, as far as one machine can play another: what they print must not change.
SECOND_MACHINE := ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Prescott NPY_DISABLE_CPU_FEATURES="X86_V4 X86_V3" \
	TF_ENABLE_ONEDNN_OPTS=1 TF_NUM_INTRAOP_THREADS=4
TWINS = $(wildcard lessons/text/$(LESSON)*.md lessons/solutions/text/$(LESSON)*.md)

.PHONY: second-machine setup results lab test mutants torture lint figures bench refresh site site-test screenshots clean help
help:
	@echo "make lab      set up, then open JupyterLab on the lessons"
	@echo "make test     set up, then run every test, notebooks included"
	@echo "make setup    set up .venv and no more: .venv/bin/rlrec is then there"
	@echo "make results  train and evaluate again what lessons 09 and 11 show of real data (fetch it first; over an hour)"
	@echo "make second-machine  the lessons once more, as an older processor would run them (CI does)"
	@echo "make torture  kill runs, race them, fill the disk, change inputs: is anything lost?"
	@echo "make mutants  plant known bugs one at a time: do the tests notice? (ONLY=rlrec/agents/replay.py: those of a file)"
	@echo "make lint     ruff, ruff format, mypy"
	@echo "make figures  redraw figures/"
	@echo "make bench    speed, as figures and ratios; PPO and DDPG beside Stable-Baselines3, replay beside cpprb, loaders beside pandas (installs them)"
	@echo "make site     the course as pages: build/site/html/index.html; they need no kernel and no network"
	@echo "make site-test  build the site and open each page in Chromium, without a network"
	@echo "make screenshots  take the README's pictures of the site's own pages"
	@echo "make refresh  run the lessons and store their outputs (LESSON=02: only that one)"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "rlrec needs Python 3.11, 3.12 or 3.13; install one, or: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[deep,lessons,test]'
	@touch $@

setup: $(READY)

lab: $(READY)
	$(BIN)/rlrec lab

test: $(READY)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope tests rlrec lessons/*.py --doctest-modules
	$(BIN)/python -m pytest -n $(JOBS) --nbval lessons

second-machine: $(READY)
	$(SECOND_MACHINE) $(BIN)/python -m pytest -n $(JOBS) --nbval lessons/*.ipynb

mutants: $(READY)
	JOBS=$(JOBS) $(BIN)/python -m tests.mutants $(ONLY)

torture: $(READY)
	$(BIN)/python -m tests.torture $(ONLY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

results: $(READY)
	$(BIN)/python lessons/results/make.py

figures: $(READY)
	$(BIN)/python lessons/figures.py figures
	$(BIN)/python lessons/moving_picture.py figures/readme.gif

bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	PYTHONPATH=lessons $(BIN)/python -m tests.benchmarks

refresh: $(READY)
	$(BIN)/python -m pytest --nbval --refresh $(if $(LESSON),$(or $(TWINS),lessons/text/$(LESSON).md),lessons)

$(SITE): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[site]'
	@touch $@

site: $(SITE)
	RLREC_DATA=bundled $(BIN)/python lessons/site/build.py

site-test: site
	$(BIN)/python -m pytest -q tests/browser/test_site.py tests/lessons/test_site.py

screenshots: site
	$(BIN)/python lessons/site/screenshots.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
