# One virtual environment in the checkout, made from pyproject.toml and constraints.txt.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
export HF_HUB_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1
export OMP_WAIT_POLICY := PASSIVE

# uv installs in seconds what takes pip minutes, from the places that pip was told of.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
UV  := $(BIN)/uv pip install --quiet --compile-bytecode -c constraints.txt \
    $${PIP_INDEX_URL:+--default-index "$$PIP_INDEX_URL"} $${PIP_FIND_LINKS:+--find-links "$$PIP_FIND_LINKS"}

.PHONY: install demo test up down bench clean lint audit compose-up compose-down

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV): a minute or more, in which nothing is said."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	@$(PIP) uv || true
	@if test -x $(BIN)/uv && VIRTUAL_ENV=$(VENV) $(UV) -e ".[dev]"; then :; else \
	    echo "uv could not install it; pip takes some minutes."; $(PIP) -e ".[dev]"; fi
	@touch $(STAMP)
	@echo "Installed. \`. $(BIN)/activate\` makes \`aufruf\` a command."

demo: install
	@$(BIN)/aufruf demo

up: install
	@$(BIN)/aufruf up

down:
	@test ! -x $(BIN)/aufruf || $(BIN)/aufruf down

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Three lanes, and lint beside them: many tests wait for processes, and tiny models gain nothing from a second thread.
BESIDE := tests/ingest tests/corpus tests/foundation tests/release tests/reports $(wildcard tests/steps/test_*_survives.py)
WAITS := tests/cluster tests/airflow tests/deploy tests/cli tests/forget
test: install
	@export OMP_NUM_THREADS=1; log=$$(mktemp -d); \
	$(MAKE) --no-print-directory lint audit & lint=$$!; \
	$(BIN)/pytest $(BESIDE) > $$log/beside 2>&1 & beside=$$!; \
	$(BIN)/pytest $(WAITS) > $$log/waits 2>&1 & waits=$$!; \
	$(BIN)/pytest $(BESIDE:%=--ignore=%) $(WAITS:%=--ignore=%); rest=$$?; \
	wait $$beside; other=$$?; wait $$waits; third=$$?; cat $$log/*; rm -rf $$log; \
	wait $$lint; style=$$?; \
	exit $$((rest || other || third || style))

bench: install
	$(BIN)/python -m benchmarks

# The parts of a cluster on one machine, in containers; GPU=1 gives the GPU worker a card, METRICS=1 adds Grafana,
# WORKERS=4 and GPU_WORKERS=2 start so many of each. Volumes stay.
COMPOSE := $(if $(METRICS),AUFRUF_METRICS=True) AUFRUF_GPU_SLOTS=$(or $(GPU_WORKERS),$(AUFRUF_GPU_SLOTS),1) docker compose -f docker/compose.yaml $(if $(GPU),-f docker/compose.gpu.yaml) $(if $(METRICS),-f docker/compose.metrics.yaml)
compose-up:
	@docker/secrets.sh
	$(COMPOSE) up --build --detach --wait $(if $(WORKERS),--scale worker=$(WORKERS)) $(if $(GPU_WORKERS),--scale worker-gpu=$(GPU_WORKERS))

compose-down:
	$(COMPOSE) down --remove-orphans

# What is installed: does it fit together, and a bill of materials (CycloneDX) in var/sbom.json. What writes it has an
# environment of its own: with a package that comes with it each process that knows JSON schemas begins seconds later.
BILL := $(VENV)/bill
$(BILL)/bin/cyclonedx-py: $(STAMP)
	@$(BIN)/python -m venv --clear $(BILL)
	@if test -x $(BIN)/uv && VIRTUAL_ENV=$(BILL) $(UV) cyclonedx-bom; then :; else \
	    $(PIP:$(BIN)/%=$(BILL)/bin/%) cyclonedx-bom; fi

audit: install $(BILL)/bin/cyclonedx-py
	$(BIN)/python -m pip check
	@mkdir -p -m 700 var
	$(BILL)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --no-validate -o var/sbom.json
	@echo "var/sbom.json lists $$(grep -c '"bom-ref"' var/sbom.json) packages"

# What can be made again. Your data are in var, and stay.
clean: down
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info
