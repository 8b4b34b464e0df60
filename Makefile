# Two commands do everything on a machine with Python >= 3.11, make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHONS ?= python3.11 python3.12 python3.13
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "KWatt needs Python 3.11 or later, this is " + sys.version.split()[0] + "; run make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the Python packages (hash-locked) into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

setup: $(READY) ## Make the virtual environment with locked packages

tools: ## Put the control-plane programs into the cache (about 10 minutes once, then nothing)
	@$(PYTHON) tests/cluster/tools.py ensure

cluster: ## Start a local control plane (etcd, API server, scheduler, controllers, KWOK) called "dev", print its KUBECONFIG
	@$(PYTHON) tests/cluster/cluster.py up --name dev

cluster-down: ## Stop all local control planes and remove every trace of them
	@$(PYTHON) tests/cluster/cluster.py down --all

demo: setup tools ## Place and load the city services on a local control plane, cut a cap, lose an exporter
	@$(BIN)/python tests/demo/demo.py

run: setup ## Run the operator against the current kubeconfig context
	@$(BIN)/kwatt run

format: setup ## Format the code
	@$(BIN)/ruff format operator tests
	@$(BIN)/ruff check --fix operator tests

lint: setup ## Lint, spelling, layers
	@$(BIN)/ruff format --check operator tests
	@$(BIN)/ruff check operator tests
	@$(BIN)/lint-imports
	@$(BIN)/codespell operator tests docs README.md CHANGELOG.md crds charts examples

types: setup ## Check types strictly
	@$(BIN)/mypy

generate: setup ## Write the generated files: CRDs, reference pages, versions and README of the chart
	@$(BIN)/python -m kwatt.cli.crds crds
	@$(BIN)/python -m kwatt.cli.reference docs
	@$(BIN)/python tests/release/chart_version.py
	@$(BIN)/python tests/release/chart_readme.py

generated: generate ## Fail if a generated file is not current
	@git diff --exit-code -- crds docs/metrics.md docs/reference charts/kwatt/Chart.yaml charts/kwatt/README.md

unit: setup ## Unit tests and planner laws, no cluster
	@$(BIN)/pytest -q tests/unit tests/laws

test: setup tools ## All tests: unit, laws, integration and end to end on a real control plane
	@$(BIN)/pytest

e2e-kind: setup tools ## End-to-end tests on a real kubelet: kind, image, chart, device plugin (docs/e2e-kind.md)
	@$(BIN)/python tests/kind/run.py $(E2E_KIND)

check: lint types generated docs test release ## What CI runs, without a real kubelet

bench: setup tools ## Measure against plain Deployments in one run, print the table; then the two below
	@$(BIN)/python tests/bench/bench.py
	@$(MAKE) bench-planner
	@$(MAKE) bench-demand

bench-planner: setup ## Planner against baselines, bound and clock: hours; goes on where it was stopped
	@$(BIN)/python tests/bench/planner/run.py --write-docs

same-plan: setup ## The same plan hash in every Python of PYTHONS, 100 shuffled inputs each: 4 CPU minutes a Python; SAME_PLAN="--all ..."
	@$(BIN)/python tests/bench/planner/same/run.py --pythons $(PYTHONS) $(SAME_PLAN)

bench-cluster: setup tools ## At scale: 1,000 nodes against plain Deployments, 10,000 services; BENCH_CLUSTER="--nodes 200 ..."
	@$(BIN)/python tests/bench/scale/run.py $(BENCH_CLUSTER)

bench-demand: setup ## A rate that follows the demand against a fixed peak and an autoscaler's rule: a minute
	@$(BIN)/python tests/bench/demand.py --write-docs

chaos: setup tools ## Every fault under churn with an observer on the caps, 10,000 fuzzed objects: an hour or two
	@$(BIN)/python tests/chaos/run.py --full --results build/chaos --write-docs

image: ## Build the operator's image with docker or podman; BASE=... names another base
	@$(PYTHON) tests/release/image.py

chart: setup ## Lint the chart and test what it renders to
	@$(BIN)/pytest -q tests/chart/test_render.py tests/chart/test_values.py

sbom: setup ## Print a bill of materials (CycloneDX) of KWatt and its locked packages
	@$(BIN)/python tests/release/sbom.py --locked requirements.txt $$($(BIN)/python -c 'import sysconfig as s; print(s.get_path("purelib"), __import__("kwatt").__version__)')

release: setup ## Make wheel, chart, CRDs, image archive, bill of materials and checksums in dist/
	@$(BIN)/python tests/release/dist.py

docs: ## Build the documentation as a site in build/docs; links that lead nowhere fail it
	@test -x build/docs-tools/bin/mkdocs || $(PYTHON) -m venv build/docs-tools
	@build/docs-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@build/docs-tools/bin/mkdocs build --strict --clean -f tests/docs/mkdocs.yml
	@echo "build/docs/index.html"

lock: setup ## Resolve and lock the Python packages anew, with hashes and without addresses
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools
	@$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options --no-header --output-file requirements.txt pyproject.toml
	@$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options --no-header --extra dev --output-file requirements-dev.txt pyproject.toml
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["fakenpu"], sep="\n")' \
	| $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options --no-header --output-file requirements-fakenpu.txt -
	@echo 'mkdocs>=1.6,<2' | $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-options --no-header --output-file requirements-docs.txt -

clean: ## Remove what was built here; the cache of control-plane programs stays
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup tools cluster cluster-down demo run format lint types generate generated unit test e2e-kind check bench bench-cluster bench-planner bench-demand same-plan chaos image chart sbom release docs lock clean
