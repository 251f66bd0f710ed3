# The words that people and CI use. Each works on a fresh clone: the environment is made once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# What `make build`, `deploy` and `destroy` go by: `make deploy STAGE=prod ARCH=x86_64`.
STAGE ?= dev
ARCH ?= arm64
GUIDED ?= --guided
# The first that really runs: a pyenv shim on PATH may lead nowhere.
PYTHON313 ?= $(shell for python in python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python3.13; do \
	"$$python" -c 'import sys; print(sys.executable)' 2>/dev/null && break; done)
SAM := .tools/sam/bin/sam
SAM_READY := .tools/sam/.ready
BUILD := .aws-sam/build
COMPILE := -m compileall -q --invalidation-mode unchecked-hash
export SAM_CLI_TELEMETRY := 0

.DEFAULT_GOAL := help
.PHONY: help run test check format operations build deploy destroy bench clean

help:  ## Show these lines.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml layers/token_broker/python/requirements.txt layers/token_broker/runtime.txt
	@echo "preparing $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

run: $(READY)  ## Run the whole system on this machine.
	@exec $(BIN)/python -m token_broker_local

test: $(READY)  ## Run every check and test.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/pytest

check: test  ## The same: what CI runs.

format: $(READY)  ## Put every file into the house's form.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

operations: $(READY)  ## Write alarms and dashboard into the template.
	@PYTHONPATH=tools $(BIN)/python -m token_broker_operations

# SAM pins old versions of what we use, so it lives by itself.
$(SAM_READY): tools/sam.txt
	@echo "preparing .tools/sam (once)"
	@$(PYTHON) -m venv .tools/sam
	@.tools/sam/bin/pip install --quiet --disable-pip-version-check -r tools/sam.txt
	@touch $@

build: $(SAM_READY)  ## Make the artifacts in .aws-sam, with bytecode.
	@test -n "$(PYTHON313)" || { echo "python3.13 is not on PATH; make build PYTHON313=/path/to/it" >&2; exit 1; }
	@AWS_DEFAULT_REGION=$${AWS_DEFAULT_REGION:-eu-west-1} $(SAM) validate --lint
	@PATH="$(dir $(PYTHON313)):$$PATH" $(SAM) build --parameter-overrides Architecture=$(ARCH)
	@# /opt and /var/task are read-only: without it Lambda would compile at every cold start.
	@for layer in $(BUILD)/*Layer; do $(PYTHON313) $(COMPILE) -s $$layer -p /opt $$layer; done
	@for function in $(BUILD)/*Function; do $(PYTHON313) $(COMPILE) -s $$function -p /var/task $$function; done

deploy: build $(READY)  ## Deploy the stage STAGE to your AWS account, guided.
	@$(BIN)/python -m token_broker_operations.deploy $(SAM) $(STAGE) $(ARCH) $(GUIDED)

destroy: $(SAM_READY)  ## Delete the stage STAGE but its table, key and logs.
	@$(SAM) delete --stack-name token-broker-$(STAGE)
	@echo "Kept: table and key alias token-broker-$(STAGE), log groups /aws/*/token-broker-$(STAGE)*; see docs/deploying.md"

clean:  ## Remove what was made.
	rm -rf $(VENV) .tools .aws-sam .pytest_cache .mypy_cache .ruff_cache .hypothesis
