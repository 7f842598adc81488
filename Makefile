# `make demo` starts the page, `make test` runs every check. Both first make .venv and install what they need into it.
#
#   make demo PYTHON=python3.12     another Python than the first suitable one on PATH
#   make test ARGS='-k photos -x'   arguments for pytest

VENV := .venv
BIN := $(VENV)/bin
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal
ARGS :=
COMMA := ,
CANDIDATES := $(or $(PYTHON),python3.12 python3.11 python3)

NO_PYTHON = No suitable Python among: $(CANDIDATES). Python 3.11 or newer with its venv module is needed. Install it \
	(Debian and Ubuntu: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.12

TORCH_PAIR_BROKEN = torch and torchvision do not fit together, see above. Usually torch was built for the CPU only \
	(its version ends in +cpu) and torchvision for CUDA; both have to come from the same place. Remove what makes pip \
	choose such a torch (see "pip config list" and the PIP_ variables of "env"), then: make clean, and run this again.

NO_CHROMIUM = There is no "chromium" command, and it could not be installed (that takes apt-get, and root or sudo \
	without a password). Install Chromium for the browser tests; Debian: apt-get install chromium

# The package in editable mode with the options $(1); dependency groups need a pip of 2025. PyPI's torchvision wheels are
# linked against CUDA's half of torch: with a CPU-only torch the install succeeds and the first import fails, so that is
# tried here. --no-compile saves half a minute, as most modules are never imported.
define install
@echo "Installing into $(VENV); the first time that takes minutes (it is some 6 GB on Linux, most of it torch)."
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile 'pip>=25.1'
@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable $(1)
@$(BIN)/python -c 'import torch, torchvision; torchvision.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5)' || { \
	$(BIN)/python -m pip list 2>/dev/null | grep '^torch' >&2; \
	echo '$(TORCH_PAIR_BROKEN)' >&2; exit 1; }
@touch $@
endef

.PHONY: help demo test lint chromium clean

help:
	@echo 'make demo    start the page'
	@echo 'make test    run every check: lint, types, tests, tests in a browser'
	@echo 'make lint    run the linter, the format check and the type checker'
	@echo 'make clean   remove .venv and all caches of the tools'

demo: $(VENV)/.demo
	@$(BIN)/python app.py

test: lint chromium
	@if command -v chromium >/dev/null; then $(PYTEST) $(ARGS); \
	else $(PYTEST) -m 'not browser' $(ARGS) && echo 'THE BROWSER TESTS DID NOT RUN. $(NO_CHROMIUM)' >&2; fi

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Without Chromium a person is told and goes on; continuous integration (CI=true) fails.
chromium:
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo='sudo -n'; fi; \
	if command -v apt-get >/dev/null && $$sudo true 2>/dev/null; then \
		echo 'Installing Chromium for the browser tests.'; \
		$$sudo apt-get update -qq; \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation \
			</dev/null && exit 0; \
	fi; \
	echo '$(NO_CHROMIUM)' >&2; [ "$$CI" != true ]

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist

$(BIN)/python:
	@for python in $(CANDIDATES); do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making $(VENV) with $$python."; exec $$python -m venv --clear $(VENV); \
		fi; \
	done; \
	echo '$(NO_PYTHON)' >&2; exit 1

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(call install,'.[demo]')

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(call install,'.[batch$(COMMA)demo$(COMMA)evaluate]' --group dev)
	@touch $(VENV)/.demo
