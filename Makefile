# Every command of the house, one line each. Needs Python 3.11+, make and a package index;
# uses uv where it is found, only because it is faster. Works with GNU make 3.81 (macOS) too.

BIN := .venv/bin
ifndef PYTHON
PYTHON := $(shell for python in $(BIN)/python python3.13 python3.12 python3.11 python3; do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo "$$python"; break; fi; done)
endif
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --upgrade \
	--python-version 3.11 --exclude-newer "7 days"
WHOLE := --ignore=tests/faults --ignore=tests/simulator -n 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=json:.cache/coverage.json

.PHONY: help up base dev check test faults simulate soak fix docs lock screenshots bench bench-day bench-peers build clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1  /p' $(firstword $(MAKEFILE_LIST))

up: base ## the service with the starter model, in the foreground
	@exec $(BIN)/twotier up --config twotier.toml

check: dev ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: dev ## the whole suite with coverage; TEST="tests/ledger -k reserve" for a part of it
	@$(BIN)/python $(if $(TEST),-m pytest $(TEST),tools/suite.py $(WHOLE))
	@$(if $(TEST),:,$(BIN)/python tools/coverage_floor.py .cache/coverage.json)

faults: dev ## breaks it on purpose, in short; SOAK=1 for the long forms
	@$(BIN)/python tools/suite.py -n 3 --dist loadfile tests/faults tests/simulator

simulate: dev ## a simulated day from its seed, with its trace: SEED=1234, or SEED="1 500" for many
	@$(BIN)/python -m tests.simulator $(or $(SEED),1)

soak: dev ## two hours of load with a fault a minute, then properties at length
	@$(BIN)/python -m bench.soak --minutes 120 --rate 2 --seed 7
	@SOAK=1 $(BIN)/python -m pytest -q -o timeout=7200 tests/protocols/test_properties.py tests/protocols/test_anything.py tests/protocols/toolcalls/test_anything.py tests/story/test_fuzz.py tests/ledger/test_mend.py tests/ledger/test_full.py tests/ledger/test_any_order.py tests/ledger/test_crash.py tests/ledger/test_race.py tests/jobs/test_calendar.py tests/supervisor/test_keeper_property.py tests/watch/test_github_wire.py tests/worker/test_orders.py tests/jobs/test_chaos.py tests/faults tests/simulator

fix: dev ## formats and repairs what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: dev ## writes the generated parts of the docs anew
	@$(BIN)/python -m tools.docs

screenshots: dev ## the pictures in docs/dashboard.md, of the real pages
	@$(BIN)/python -m tests.dashboard.screenshots

lock: python ## new locks, the engines' too: nothing younger than a week
	@command -v uv >/dev/null || { echo "make lock needs uv: python3 -m pip install uv"; exit 1; }
	@$(LOCK) pyproject.toml -o locks/base.txt
	@$(LOCK) pyproject.toml --group dev -c locks/base.txt -o locks/dev.txt
	@$(PYTHON) tools/environment.py build-requirements | $(LOCK) - -c locks/dev.txt -o locks/build.txt
	@for input in src/twotier/*/locks/*.in tests/clients/*.in tests/engines/*.in tests/faults/*.in tests/tools/*.in tests/faults/security/*.in; do $(LOCK) $$input -o $${input%.in}.txt; done

bench: dev ## every figure the README claims, beside the peers that are installed
	@$(BIN)/python -m bench.run

bench-day: dev ## a day of seven jobs, and what it costs five ways
	@$(BIN)/python -m bench.day

bench-peers: dev ## other gateways to measure beside, in .cache/peers (1.3 GB; PEERS="smg envoy" for some)
	@$(BIN)/python -m bench.peers $(PEERS)

build: base ## wheel, sdist and the bill of what they need (CycloneDX), in dist/
	@$(BIN)/python -m hatchling build
	@$(BIN)/python -m tools.bom dist/twotier.cdx.json

clean: ## what can be made again; never the configuration, the state or the models
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	rm -rf .hypothesis .coverage

base dev: python
	@"$(PYTHON)" tools/environment.py $@

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "twotier needs Python 3.11 or newer, and none of python3.13," \
	"python3.12, python3.11 and python3 is. Install one from your system's packages (apt-get install" \
	"python3 python3-venv, brew install python@3.13) and run make again." >&2; exit 1; }
