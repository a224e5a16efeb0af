# `make help` lists the targets.  The first one that you run builds .venv; you need to install nothing before.
PYTHON  ?= python3
EXTRAS  ?= dev
PROFILE ?= smoke
PARAMS  ?=
OUT     ?= out
ARGS    ?=
PAGE    ?=
# how many processes train at once: one on a GPU, because processes should not share it, else two
WORKERS ?= $(if $(findstring cuda,$(EXTRAS)),1,2)

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/installed-$(EXTRAS)
# training needs no extra: without a word on EXTRAS, whatever is installed serves
TRAIN := $(if $(filter file,$(origin EXTRAS)),$(firstword $(wildcard $(VENV)/installed-*) $(VENV)/installed-base),$(STAMP))

.DEFAULT_GOAL := help
.PHONY: help setup table1 test proofs docs check export readme devices mutants pins clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Settings: PYTHON=python3.12, EXTRAS=dev,cuda (GPU), PROFILE=laptop, OUT=folder, PAGE=docs/start.md (for docs), ARGS=\"-m 'not slow'\" (for pytest), PARAMS=\"-p dtype bfloat16\" (for table1)"

# If a requirement or a pin changes, the stamp is too old and make installs again.  For another Python: make clean, then make PYTHON=...
$(VENV)/installed-%: settings.ini setup.py pyproject.toml constraints.txt
	@$(PYTHON) tools/install.py $(VENV) $*

setup: $(STAMP) ## make the virtual environment and nothing else

table1: $(TRAIN) ## train and show Table 1 of the paper (PROFILE: smoke, on a CPU), into OUT
	$(BIN)/pc-precision run table1 --profile $(PROFILE) --results $(OUT)/results --out $(OUT) --workers $(WORKERS) $(PARAMS)
	@cat $(OUT)/table1.md

test: $(STAMP) ## run the fast tests, minutes on two cores (`make proofs` runs the others)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not site" $(ARGS)

proofs: $(STAMP) ## run the slow tests: notebooks in fresh kernels, killed runs, races, clusters, the site, and some mutants
	XLA_FLAGS= $(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or site" $(ARGS)
	$(BIN)/python tests/mutants.py --only energy.py

docs: $(VENV)/installed-$(EXTRAS),docs ## build the site from committed outputs into _docs/, or with PAGE=nbs/04_energy.ipynb one page
	$(BIN)/python docs/builder.py $(PAGE)

check: $(STAMP) ## check that notebooks and modules agree (commit or stash your changes first)
	@git diff --quiet || { echo "make check overwrites exported files: commit or stash your changes first"; exit 1; }
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	git --no-pager diff --exit-code --stat
	@test -z "$$(git ls-files --others --exclude-standard pc_precision)" || { echo "an exported module is not committed"; exit 1; }

export: $(STAMP) ## write the modules in pc_precision/ from the notebooks
	$(BIN)/nbdev_export

readme: $(STAMP) ## write README.md from index.ipynb
	$(BIN)/python tools/readme.py

# This target has an environment of its own: where the compilers for accelerators are installed, JAX would look for the devices.
devices: ## compile the paper's programs for an H100 and a TPU without having them, into results/devices/ (an hour)
	@$(MAKE) --no-print-directory VENV=.venv-devices EXTRAS=devices setup
	.venv-devices/bin/python tools/devices.py $(ARGS)

mutants: $(STAMP) ## break the library on purpose and check that the tests notice every time
	$(BIN)/python tests/mutants.py

pins: $(STAMP) ## resolve settings.ini anew and write constraints.txt (needs python3.11 and python3.12)
	$(BIN)/python tools/pins.py python3.11 python3.12

clean: ## delete .venv, .venv-devices and caches; what runs left in OUT stays
	rm -rf $(VENV) .venv-devices build dist *.egg-info .pytest_cache _docs docs/_made _proc jupyter_execute
	find . -name __pycache__ -prune -exec rm -rf {} +
