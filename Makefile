# `make help` lists the targets.  The first one you run builds .venv; nothing has to be installed before.
PYTHON  ?= python3
EXTRAS  ?= dev
PROFILE ?= smoke
PARAMS  ?=
OUT     ?= out
ARGS    ?=
# processes that train at once: a GPU is not shared
WORKERS ?= $(if $(findstring cuda,$(EXTRAS)),1,2)

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/installed-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help setup table1 test proofs docs check export readme devices mutants pins clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Settings: PYTHON=python3.12, EXTRAS=dev,cuda (GPU), PROFILE=laptop, OUT=folder, ARGS=\"-m 'not slow'\" (for pytest), PARAMS=\"-p dtype bfloat16\" (for table1)"

# A changed requirement or pin makes the stamp too old.  setuptools comes first, pinned like the rest, and builds without
# isolation: an isolated build would fetch whatever version is newest today.
$(VENV)/installed-%: settings.ini setup.py pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(MAKE) --no-print-directory $(VENV)
	@echo "installing [$*] into $(VENV), about two minutes"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[$*]'
	@touch $@

# an unfinished or orphaned one is thrown away; another Python: make clean, then make PYTHON=...
.PHONY: $(VENV)
$(VENV):
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed: make PYTHON=python3.11 ...' if sys.version_info < (3, 11) else 0)"
	$(PYTHON) -m venv --clear $(VENV)

setup: $(STAMP) ## the virtual environment alone

table1: $(STAMP) ## Table 1 of the paper, at PROFILE smoke on a CPU, into OUT
	$(BIN)/pc-precision run table1 --profile $(PROFILE) --results $(OUT)/results --out $(OUT) --workers $(WORKERS) $(PARAMS)
	@cat $(OUT)/table1.md

test: $(STAMP) ## what everything must fulfil, minutes on two cores; `make proofs` runs the rest
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not site" $(ARGS)

proofs: $(STAMP) ## notebooks in fresh kernels, kills, races, clusters, the site, and a sample of the mutants
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow or site" $(ARGS)
	$(BIN)/python tests/mutants.py --only energy.py precision.py

docs: $(VENV)/installed-$(EXTRAS),docs ## the site, from committed outputs, into _docs/ (open _docs/index.html)
	$(BIN)/python docs/gather.py
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html -c docs docs/_pages _docs

check: $(STAMP) ## notebooks and modules in step? (starts from committed files)
	@git diff --quiet || { echo "make check overwrites exported files: commit or stash your changes first"; exit 1; }
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	git --no-pager diff --exit-code --stat
	@test -z "$$(git ls-files --others --exclude-standard pc_precision)" || { echo "an exported module is not committed"; exit 1; }

export: $(STAMP) ## notebooks -> pc_precision/
	$(BIN)/nbdev_export

readme: $(STAMP) ## index.ipynb -> README.md
	$(BIN)/python tools/readme.py

# an environment of its own: the compilers for accelerators are an extra, and where they are JAX would look for their devices
devices: ## the paper's programs, compiled for an H100 and a TPU that are not here, into results/devices/ (an hour)
	@$(MAKE) --no-print-directory VENV=.venv-devices EXTRAS=devices setup
	.venv-devices/bin/python tools/devices.py $(ARGS)

mutants: $(STAMP) ## break the library on purpose: the tests must notice every time
	$(BIN)/python tests/mutants.py

pins: $(STAMP) ## resolve settings.ini anew -> constraints.txt (needs python3.11 and python3.12)
	$(BIN)/python tools/pins.py python3.11 python3.12

clean: ## delete .venv, .venv-devices and caches; what runs left in OUT stays
	rm -rf $(VENV) .venv-devices build dist *.egg-info .pytest_cache _docs docs/_pages _proc jupyter_execute
	find . -name __pycache__ -prune -exec rm -rf {} +
