# `make help` lists the targets. On a new machine only Python >= 3.11, make and bash are assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUITES ?= tests
# a directory for the LDAP logins, where it can be had; without it a small one of our own answers alone
SLAPD := PATH="$$PATH:/usr/sbin" command -v slapd >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null \
	|| RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 120 apt-get install -qq -y --no-install-recommends slapd \
	>/dev/null 2>&1 || echo "no slapd: the LDAP logins are tested with a directory of our own"

.PHONY: help setup lock fmt lint types layers check test props controlplane helm manifests docs demo e2e bench image sbom
help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 14

$(VENV)/.done: pyproject.toml requirements-dev.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	touch $@

setup: $(VENV)/.done ## make .venv with bin/eso inside

# what runs, what runs and is needed to develop, what builds the package of the image
COMPILE := build/tools/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header
lock: build/tools/.done ## pin every dependency again, with hashes; UPGRADE=--upgrade for the newest versions
	$(COMPILE) $(UPGRADE) -o requirements.lock pyproject.toml
	$(COMPILE) $(UPGRADE) -c requirements.lock --extra dev -o requirements-dev.lock pyproject.toml
	$(COMPILE) $(UPGRADE) -c requirements-dev.lock --group build -o requirements-build.lock
	$(COMPILE) $(UPGRADE) --group tools -o requirements-tools.lock
	$(COMPILE) $(UPGRADE) --group go -o e2e/go.lock

sbom: build/tools/.done ## what the image runs, as CycloneDX, in build/sbom.json
	build/tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o build/sbom.json requirements.lock

build/tools/.done: requirements-tools.lock
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install -q --require-hashes -r requirements-tools.lock
	touch $@

fmt: setup ## format the code
	$(BIN)/ruff format eso tests e2e
	$(BIN)/ruff check --fix eso tests e2e

lint: setup ## ruff
	$(BIN)/ruff check eso tests e2e
	$(BIN)/ruff format --check eso tests e2e

types: setup ## mypy --strict
	$(BIN)/mypy

layers: setup ## import directions
	$(BIN)/lint-imports --no-cache  # its cache does not notice every change

check: lint types layers ## lint, types, layers and the desks: no network
	$(BIN)/pytest tests/unit

helm: ## build helm once; the last line is the program
	@PYTHON=$(PYTHON) bash e2e/helm/build.sh

controlplane: ## build etcd, kube-apiserver, kube-controller-manager and kubectl once; the last line is their folder
	@PYTHON=$(PYTHON) bash e2e/controlplane/build.sh

manifests: setup ## write the CRDs
	$(BIN)/python -m eso.api.crds manifests/crds

docs: setup ## write docs/flags.md and docs/metrics.md
	$(BIN)/python -m tests.pages

test: setup lint types layers ## everything CI runs: unit tests, then the real control plane and backends
	PYTHON=$(PYTHON) bash e2e/controlplane/build.sh
	PYTHON=$(PYTHON) bash e2e/helm/build.sh
	PYTHON=$(PYTHON) bash e2e/promql/build.sh
	@$(SLAPD)
	$(BIN)/pytest $(SUITES)

props: setup ## the property tests and fuzzers, fifty times longer; F=tests/unit/fuzz for the fuzzers alone
	$(BIN)/pytest $(or $(F),tests/unit) --timeout=1800 --hypothesis-profile=long -m hypothesis

demo: setup ## one secret, from OpenBao through a real API server into a Secret; KEEP=1 leaves it running, LOCAL=1 takes no kind
	PYTHON=$(PYTHON) $(BIN)/python -m e2e.demo $(if $(KEEP),--keep) $(if $(LOCAL),--local)

e2e: setup ## the same suite against kind where Docker runs, otherwise against the local control plane
	PYTHON=$(PYTHON) $(BIN)/pytest --timeout=900 e2e/suite  # kind is made in the time of the first test

mutants: setup ## small faults in the tricky modules, each of which a unit test must notice; M=lease for some of them
	$(BIN)/python -m tests.mutants.run $(M)

bench: setup ## cold sync against a bare writer of the same writes; N=2000 objects
	PYTHON=$(PYTHON) $(BIN)/python -m e2e.bench.cold $(if $(N),--objects $(N))

image: ## the container image; BASE=python:3.13-slim@sha256:… pins its base, IMAGE=… names it
	@case "$(BASE)" in *@sha256:*) ;; *) echo "the base is not pinned by digest: give BASE=...@sha256:... for a release" >&2 ;; esac
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) -t $(or $(IMAGE),external-secrets:dev) .
