PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
COMPILED := $(patsubst core_ext/%.pyx,core_ext.%,$(wildcard core_ext/*.pyx))
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml setup.py $(wildcard core_ext/*.pyx core_ext/*.pxd)
	@command -v cc >/dev/null || { echo "seawall needs a C compiler: install gcc or clang (Debian: apt-get install gcc python3-dev)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "seawall needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

build: $(VENV)/.installed ## make .venv, install, build the extension

run: build ## start the engine on the local venue with the demo market
	@test -f user_data/seawall.toml || $(BIN)/seawall init user_data
	$(BIN)/seawall run

test: build ## the whole test suite, three files at a time: half of it waits for real processes
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

quick: build ## the fast tests only
	$(BIN)/python -m pytest -m 'not slow and not e2e'

lint: build ## ruff, mypy, stubtest, import-linter, cython-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist .ci/stubtest-allowlist $(COMPILED)
	$(BIN)/lint-imports
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint core_ext

e2e: build ## real processes, sockets and kills
	$(BIN)/python -m pytest -m e2e

sim: build ## seeded simulation: make sim SEED=0:2000
	$(BIN)/seawall simulate --seeds $(or $(SEED),0:2000)

planted: build ## plant each bug, and write docs/planted_bugs.md
	$(BIN)/python tests/sim/prove.py

sim-long: build ## fifty thousand seeds (hours), liveness, every point of death of one seed
	$(BIN)/seawall simulate --seeds 0:50000
	$(BIN)/seawall simulate --mode liveness --seeds 0:1000
	$(BIN)/seawall simulate --mode crashes --seeds 1:2 --pairs 50

bench: build ## latency and throughput on this machine
	$(BIN)/seawall bench all

diagrams: build ## draw docs/diagrams.md from the tables
	$(BIN)/python docs/draw.py

picture: build ## run the demo on a terminal and draw docs/live.svg
	$(BIN)/python docs/picture.py

numbers: build ## measure, and write the tables (minutes; on a quiet machine): make numbers BENCH="hop path"
	$(BIN)/python -m bench.publish $(BENCH)

peers: build ## the hot path beside nautilus_trader, hftbacktest, ccxt.pro and others
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt -e .
	$(PEERS)/bin/python -m bench.peers --save bench/results/peers.json
	$(BIN)/python -m bench.publish --render

evidence: build ## run what proves reliability, and write its table (hours): make evidence WHAT="seeds kills"
	$(BIN)/python -m bench.evidence run $(if $(SEEDS),--seeds $(SEEDS)) $(WHAT)

fuzz: build ## a million mutations for each decoder (about half an hour)
	$(BIN)/python tests/fuzz/run.py --each 1000000

asan: build ## a million mutated frames for each scanner, under sanitizers
	$(BIN)/python tests/fuzz/sanitized.py --each 1000000

security: build ## other users, keys, nasty files (root plays another user)
	$(BIN)/python -m pytest tests/security

soak: build ## 300 real kills, then a day of market (about an hour)
	$(BIN)/seawall chaos --kills 300 --seed $(or $(SEED),1)
	$(BIN)/seawall chaos --flat

torn: build ## 20,000 damaged journals
	$(BIN)/python tests/torn/run.py --states 20000

flood-hour: build ## an hour of an ordinary client on a flooded venue: memory must stay flat
	$(BIN)/python -m bench.venue_hour --profile flood --minutes 60

check: lint test ## what CI runs

.PHONY: help build run test quick lint e2e sim planted sim-long bench diagrams picture numbers peers evidence flood-hour fuzz asan soak torn security check
