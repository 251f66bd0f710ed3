# The words that people and CI use. Each works on a fresh clone: the environment is made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNNABLE := $(VENV)/.runnable
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

# What `make build`, `deploy` and `destroy` go by: `make deploy STAGE=prod ARCH=x86_64`.
STAGE ?= dev
ARCH ?= arm64
GUIDED ?= --guided
# The first that really runs: a pyenv shim on PATH may lead nowhere.
PYTHON313 ?= $(shell for python in python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python3.13; do \
	"$$python" -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)
# Modules every branch of which unit tests have to take: the flows, and the decisions.
WHOLE := */token_broker/flows/*,*/item.py,*/decisions.py,*/status.py,*/exchange.py,*/errors.py,*/document.py,*/tokens.py
# Tests that start processes wait for them: one worker more than there are cores.
WORKERS = $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
DYNALITE := .tools/dynalite/.ready
AWS4FETCH := .tools/aws4fetch/.ready
SAM := .tools/sam/bin/sam
SAM_READY := .tools/sam/.ready
BUILD := .aws-sam/build
LOCK := layers/requirements.lock
COMPILE := -m compileall -q --invalidation-mode unchecked-hash
export SAM_CLI_TELEMETRY := 0
# Without bytecode each worker, and each process that a test starts, compiles the tests and the program anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test seeds check format operations flow build deploy destroy dist sbom lock audit fuzz mutants sam-local stack bench clean

help:  ## Show these lines.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml layers/token_broker/python/requirements.txt layers/token_broker/runtime.txt
	@echo "preparing $(VENV) for tests (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[dev]'
	@touch $@ $(RUNNABLE)

# What runs needs a third of what tests do.
$(RUNNABLE): pyproject.toml layers/token_broker/python/requirements.txt layers/token_broker/runtime.txt
	@echo "preparing $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[local,cli]'
	@touch $@

# What there is where there is a Node: a second engine for the races, and a signer. Tests do without.
$(DYNALITE): NPM := dynalite@4.0.0
$(AWS4FETCH): NPM := aws4fetch@1.0.20
$(DYNALITE) $(AWS4FETCH):
	@mkdir -p $(@D)
	@if command -v npm >/dev/null; then echo "preparing $(@D) (once)"; \
		npm install --silent --no-fund --no-audit --prefix $(@D) $(NPM) >/dev/null 2>&1 \
		|| echo "no $(NPM): tests do without"; fi
	@touch $@

run: $(RUNNABLE)  ## Run the whole system on this machine.
	@exec $(BIN)/python -m token_broker_local

test: $(READY) $(DYNALITE) $(AWS4FETCH)  ## Run every check and test.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy --num-workers auto
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/pytest -n auto --dist worksteal tests/unit --cov --cov-report=
	@$(BIN)/coverage report --include='$(WHOLE)' --fail-under=100
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal --ignore=tests/unit

seeds: $(READY)  ## Run the simulation alone: make seeds SIMULATION_SEEDS=40000, or 40000-80000
	@$(BIN)/pytest tests/protocol/test_simulation.py -k no_seed

check: test  ## The same: what CI runs.

format: $(READY)  ## Put every file into the house's form.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

operations: $(READY)  ## Write each flow's parts, the alarms and the dashboard into the templates.
	@PYTHONPATH=tools $(BIN)/python -m token_broker_operations

flow: $(READY)  ## Write the skeletons of one more flow: make flow NAME=acme; docs/adding-a-flow.md goes on from there.
	@PYTHONPATH=tools $(BIN)/python -m token_broker_operations.skeleton $(NAME)

# SAM and others pin old versions of what we use, so each lives by itself.
.tools/%/.ready: tools/%.txt
	@echo "preparing .tools/$* (once)"
	@$(PYTHON) -m venv .tools/$*
	@.tools/$*/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

LOCKED = $(PYTHON313) -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
	-r $(LOCK) --dest $(BUILD)-wheels
build: $(SAM_READY)  ## Make the artifacts in .aws-sam, with bytecode.
	@test -n "$(PYTHON313)" || { echo "python3.13 is not on PATH; make build PYTHON313=/path/to/it" >&2; exit 1; }
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-eu-west-1} $(SAM) validate --lint
	@# SAM tells on stdout which of its commands to use next; errors are on stderr. It checks no hashes. So pip gets what the lock names, and SAM finds nothing else; for this machine, too, because it looks there first.
	@rm -rf $(BUILD)-wheels
	@$(LOCKED)
	@$(LOCKED) --platform manylinux2014_$(ARCH:arm64=aarch64)
	@PIP_NO_INDEX=1 PIP_FIND_LINKS=$(abspath $(BUILD)-wheels) PATH="$(dir $(PYTHON313)):$$PATH" $(SAM) build --build-dir $(BUILD) --parameter-overrides Architecture=$(ARCH) >/dev/null
	@# /opt and /var/task are read-only: without it Lambda would compile at every cold start.
	@for layer in $(BUILD)/*Layer; do $(PYTHON313) $(COMPILE) -s $$layer -p /opt $$layer || exit 1; done
	@for function in $(BUILD)/*Function; do $(PYTHON313) $(COMPILE) -s $$function -p /var/task $$function || exit 1; done

deploy: build $(READY)  ## Deploy the stage STAGE to your AWS account; asks for what it cannot know, nothing with GUIDED=.
	@$(BIN)/python -m token_broker_operations.deploy $(SAM) $(STAGE) $(ARCH) $(GUIDED)

destroy: $(READY)  ## Delete the stage STAGE but its table, key and logs.
	@$(BIN)/python -m token_broker_operations.destroy $(STAGE) $(GUIDED)

dist: build sbom  ## Make what a release has: layers, package, and a list of what is in them.
	@mkdir -p dist
	@cd $(BUILD)/TokenBrokerLayer && $(PYTHON313) -m zipfile -c $(CURDIR)/dist/token-broker-layer-$(ARCH).zip python
	@cd $(BUILD)/TokenBrokerClientLayer && $(PYTHON313) -m zipfile -c $(CURDIR)/dist/token-broker-client-layer-$(ARCH).zip python
	@.tools/dist/bin/python -m build --outdir dist . >/dev/null
	@ls -l dist

sbom: .tools/dist/.ready  ## List what was built, with licences, in dist/token-broker-sbom.json.
	@test -d $(BUILD)/TokenBrokerLayer || $(MAKE) --no-print-directory build
	@mkdir -p dist
	@PYTHONPATH=$(BUILD)/TokenBrokerLayer/python .tools/dist/bin/cyclonedx-py environment -S --output-reproducible \
		--pyproject pyproject.toml -o dist/token-broker-sbom.json $(PYTHON313)

lock: .tools/lock/.ready  ## Choose the newest versions for the layers, and write their hashes down.
	@.tools/lock/bin/uv pip compile --quiet --universal --upgrade --generate-hashes --no-header --no-annotate --python-version 3.13 \
		layers/*/python/requirements.txt > $(LOCK).new
	@{ head -n 1 $(LOCK); cat $(LOCK).new; } > $(LOCK).whole && mv $(LOCK).whole $(LOCK) && rm $(LOCK).new

audit: .tools/audit/.ready .tools/workflows/.ready .tools/vulnerabilities/.ready  ## Check templates and workflows against known mistakes, the layers against known vulnerabilities.
	@.tools/audit/bin/checkov --config-file .checkov.yaml
	@.tools/workflows/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.tools/workflows/bin/zizmor --offline --quiet .github
	@PYTHONPATH=tools $(PYTHON) -m token_broker_operations.vulnerabilities $(LOCK) .tools/vulnerabilities/bin/pip-audit

# A minute by itself, half for each: `make fuzz SECONDS=3600` for more.
SECONDS ?= 60
HALF = $(shell expr $(SECONDS) / 2)
fuzz: $(READY) .tools/fuzz/.ready .tools/atheris/.ready  ## Try the parsers with mutated inputs, and the local API with all that its description allows.
	@PYTHONPATH=.:layers/token_broker/python:tools:local .tools/atheris/bin/python -m fuzz.coverage $(HALF)
	@$(BIN)/python -m fuzz .tools/fuzz/bin/schemathesis $(HALF)

# `make mutants MODULE=item` mutates one file or folder, `make mutants CHANGED=origin/main` the lines changed since then. STAGES=1 runs only
# the tests about each module, SAMPLE=120 tries so many, MINUTES=50 ends it with the table so far. It goes on where it was stopped; `rm -r .mutants` lets it begin anew.
mutants: $(READY) .tools/mutants/.ready  ## Plant faults by a mutation tool, and tell which ones no test sees.
	@$(BIN)/python -m tests.mutants --module '$(MODULE)' --changed '$(CHANGED)' --part '$(or $(PART),1/1)' \
		$(if $(SAMPLE),--sample $(SAMPLE)) $(if $(STAGES),--stages $(STAGES)) $(if $(MINUTES),--minutes $(MINUTES))

# SAM_LOCAL is what runs `sam local …`, where it is not SAM itself.
SAM_LOCAL ?= $(SAM)
sam-local: $(READY) $(SAM_READY)  ## Invoke what was built with every event, under SAM and Docker.
	@$(BIN)/python -m tests.live.sam_local $(SAM_LOCAL)

# The emulator runs functions by its own Python, so that is the functions'. KEEP=1 leaves everything up until Ctrl-C.
STACK := .aws-sam/stack
.tools/stack/.ready: PYTHON := $(PYTHON313)
stack: $(RUNNABLE) .tools/stack/.ready $(AWS4FETCH)  ## Deploy what was built onto an AWS emulator, and call everything; KEEP=1 keeps it up.
	@$(MAKE) --no-print-directory build BUILD=$(STACK) ARCH=$(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
	@exec $(BIN)/python -m stack .tools/stack/bin/python $(STACK) $(SAM)

# Its own environments: what measures, what Lambda brings (/var/runtime), and what people put into their layers.
BENCH := .bench
BENCH_PIP := $(BENCH)/venv/bin/pip install --quiet --disable-pip-version-check

$(BENCH)/.ready: pyproject.toml layers/token_broker/python/requirements.txt layers/token_broker/runtime.txt
	@test -n "$(PYTHON313)" || { echo "python3.13 is not on PATH; make bench PYTHON313=/path/to/it" >&2; exit 1; }
	@echo "preparing $(BENCH) (once)"
	@$(PYTHON313) -m venv $(BENCH)/venv
	@$(BENCH_PIP) -e '.[bench]'
	@$(BENCH_PIP) --upgrade --target $(BENCH)/runtime awslambdaric -r layers/token_broker/runtime.txt
	@$(BENCH_PIP) --upgrade --target $(BENCH)/people requests 'aws-lambda-powertools[tracer]'
	@$(BENCH)/venv/bin/python $(COMPILE) $(BENCH)/runtime $(BENCH)/people
	@touch $@

bench: $(BENCH)/.ready  ## Measure it: `make bench`, or one of benchmarks/ as in `make bench NAME=cold-start`.
	@$(MAKE) --no-print-directory build BUILD=$(BENCH)/build ARCH=$(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
	@$(BENCH)/venv/bin/python $(COMPILE) benchmarks/handlers
	@$(BENCH)/venv/bin/python -m benchmarks $(NAME)

clean:  ## Remove what was made.
	rm -rf $(VENV) .tools .bench .aws-sam dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .mutants
