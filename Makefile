# Everything that a developer runs. POSIX make only, so that GNU make (any age) and BSD make agree.
#
# All of it works from a fresh clone: the first target that needs Python makes ./.venv and installs
# into it with pip; a second run finds the stamp files below and starts at once; a changed
# pyproject.toml or constraints.txt installs again. Nothing outside this folder is written.
#
#   make test PYTHON=/path/to/python3.12    uses that Python
#   make clean                              removes what was made

# The first of these that runs is taken: a name on the path may be there and fail, as a shim does.
PYTHON = python3.14 python3.13 python3.12 python3.11 python3
# More than the two cores of a small machine: many tests wait.
WORKERS = 3
# Options of `python -m benchmarks`; --help lists them.
BENCH =
# For each target.
FUZZ_SECONDS = 60
FUZZ_TARGETS =
# For each of SOAK_VENDORS (s3, swift, qiniu; none is all); python -m tests.soak --help lists SOAK's options.
SOAK_SECONDS = 600
SOAK_VENDORS =
SOAK =

VENV = .venv
RUN = $(VENV)/bin/python
# The cache of pip stays in the tree as well. What the tools stand on is pinned too: a new release of
# one of a hundred packages must not break a build of yesterday.
PIP = PIP_CACHE_DIR="$$PWD/$(VENV)/pip-cache" PIP_USER=0 $(RUN) -m pip --disable-pip-version-check
INSTALL = $(PIP) install --quiet --constraint constraints.txt

.PHONY: help demo test lint unittest docs conformance matrix bench fuzz soak coverage constraints clean
.NOTPARALLEL:

help:
	@echo "make demo      store this repository's files and read them back"
	@echo "make test      everything that must hold: lint, types, tests, documentation"
	@echo "make lint      ruff and mypy only"
	@echo "make docs      the documentation, into build/docs/index.html"
	@echo "make conformance  all of the contract on every driver, wrapped and in pairs; an hour"
	@echo "make matrix    which driver has which capability, from a run of the conformance suite"
	@echo "make bench     speed, side by side with other libraries (BENCH=--quick: two minutes of it)"
	@echo "make fuzz      hostile servers, guided by coverage; FUZZ_SECONDS=60 for each of FUZZ_TARGETS"
	@echo "make soak      threads and tasks over connections that break; SOAK_SECONDS=600 for each of SOAK_VENDORS"
	@echo "make coverage  which lines the tests run"
	@echo "make constraints  the newest packages that the tools may stand on, into constraints.txt"
	@echo "make clean     remove what was made"

demo: $(VENV)/base
	@$(RUN) demo/demo.py

test: lint unittest docs

lint: $(VENV)/dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

unittest: $(VENV)/dev
	$(RUN) -m pytest -n $(WORKERS) --dist worksteal

docs: $(VENV)/dev
	$(RUN) -m sphinx -b html -W --keep-going -q docs build/docs
	@echo "The documentation is build/docs/index.html"

conformance: $(VENV)/dev
	$(RUN) -m pytest -q -n $(WORKERS) --dist worksteal tests/conformance/whole.py tests/soak/whole.py

matrix: $(VENV)/dev
	$(RUN) -m pytest -q -n $(WORKERS) --dist worksteal --write-evidence
	$(RUN) docs/generate_matrix.py

bench: $(VENV)/bench
	$(RUN) -m benchmarks $(BENCH)

fuzz: $(VENV)/fuzz
	$(RUN) -m tests.fuzz run $(FUZZ_TARGETS) --seconds $(FUZZ_SECONDS) --out build/fuzz

soak: $(VENV)/dev
	@mkdir -p build
	$(RUN) -m tests.soak $(SOAK_VENDORS) --seconds $(SOAK_SECONDS) --json build/soak.json $(SOAK)

coverage: $(VENV)/dev
	$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest
	$(RUN) -m coverage combine -q
	$(RUN) -m coverage report

# Atheris is another one for each Python, so that pyproject.toml pins it.
constraints:
	rm -rf $(VENV)
	: > constraints.txt
	$(MAKE) $(VENV)/dev $(VENV)/bench
	$(PIP) freeze --exclude-editable > constraints.txt
	@touch $(VENV)/base $(VENV)/dev $(VENV)/bench

clean:
	rm -rf $(VENV) build dist demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

$(VENV)/base: pyproject.toml constraints.txt
	@found=; \
	for python in $(PYTHON); do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "cloudstore needs Python 3.11 or newer with venv (Debian: apt install python3-venv)." >&2; \
	    echo "None of these is one: $(PYTHON). Name yours: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	if ! $(RUN) -m pip --version >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$found"; \
	    rm -rf $(VENV) && "$$found" -m venv $(VENV); \
	fi
	@$(PIP) install --quiet --upgrade pip
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/dev: $(VENV)/base
	@echo "Installing the tools for tests and documentation"
	@$(INSTALL) --group test --group docs
	@touch $@

$(VENV)/bench: $(VENV)/base
	@echo "Installing what is measured against"
	@$(INSTALL) --group bench
	@touch $@

$(VENV)/fuzz: $(VENV)/dev
	@echo "Installing the fuzzer"
	@$(INSTALL) --group fuzz
	@touch $@
