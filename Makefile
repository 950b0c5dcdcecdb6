# Bestiary. Needs Python 3.11–3.13, make and git; everything else is set up in .venv.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
CLUSTER := $(VENV)/.cluster
TESTS ?= not slow
WORKERS ?= 2

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# nothing here reports home
export BENTOML_DO_NOT_TRACK := True
export MLFLOW_DISABLE_TELEMETRY := true
export ORT_DISABLE_TELEMETRY := 1
# containers often forbid bytecode, and uv installs none: every process would compile its frameworks again
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test serve ui bench cluster repository

help: ## say what there is
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: repository $(READY) ## run the whole pipeline on drawn pictures and show what came of it
	dvc repro
	python -m stages.list

# who waits for a thread of OpenMP's leaves the core to the tests beside it
test: export OMP_WAIT_POLICY := PASSIVE
test: repository $(CLUSTER) ## run every fast test; TESTS="not alone": the slow ones too
	python -m pytest -m "$(TESTS)" -n $(WORKERS) --dist worksteal

serve: $(READY) ## serve all packaged models on http://localhost:3000
	bentoml serve bento.service:Bestiary

ui: $(READY) ## browse runs, curves and models on http://localhost:5000
	python -c 'from stages.core.mlflow_store import ensure_database; ensure_database()' # a moved project's artifacts are found
	mlflow ui --backend-store-uri sqlite:///mlflow.db

bench: $(READY) ## measure the speed claims against their peers
	python -m benchmarks

cluster: $(CLUSTER) ## add what several machines need: Ray, submitit

# DVC runs in a repository only, and says so after minutes of set-up
repository:
	@git rev-parse --git-dir >/dev/null || grep -qsE 'no_scm *= *true' .dvc/config .dvc/config.local || \
		{ echo 'Bestiary needs a git repository: git init && git add -A && git commit -m start' >&2; exit 1; }

$(READY): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Bestiary needs Python 3.11–3.13, this is %d.%d: make PYTHON=python3.12 …" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r requirements.lock
	touch $@

$(CLUSTER): requirements.cluster.lock $(READY)
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --require-hashes -r requirements.cluster.lock
	touch $@
