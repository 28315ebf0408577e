# Needs Python >= 3.11, make and a package index (or a folder of wheels), nothing else.
#   make demo     install the core and run the demonstration (no torch)
#   make test     install everything that is tested and run the tests
# PIP_ARGS goes to pip, for example PIP_ARGS="--find-links wheels" for CPU builds of torch.
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
BUNDLE_EXTRAS ?= view,pacs
# a file goes to one process: what its tests share is made once
PYTEST_ARGS ?= -n 2 --dist loadfile -p no:randomly
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)

.PHONY: demo check test test-cost test-random test-often test-slow fuzz faults bench benchmark docs clean release bundle

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) -e ".[train,codecs,fast,science,view,pacs,cluster,sign,dev]"
	touch $@ $(VENV)/.core

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[docs]"
	touch $@

# Apart: napari brings plug-ins of pytest, which would be loaded in every run of the tests.
$(VENV)/napari/.done: constraints.txt | $(VENV)/.dev
	$(BIN)/python -m venv $(VENV)/napari
	$(VENV)/napari/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS) "napari[pyqt6]"
	touch $@

demo: $(VENV)/.core
	$(BIN)/coldray demo -o coldray-demo

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/architecture
	$(BIN)/python .ci/audit.py

test: $(VENV)/.dev
	$(BIN)/pytest $(PYTEST_ARGS) -m "not slow"

# The same, and what it cost in core-seconds, in all and by test; the mark is 500.
test-cost: $(VENV)/.dev
	$(BIN)/python .ci/cost.py --out benchmarks/results/tests.json

# The same tests in random order with other examples of each law; the seed stands in the first lines and repeats it with
# -p randomly --randomly-seed=N.
test-random: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" --hypothesis-profile=search

# Five random orders, detached, in several locales and time zones, each beside two busy loops; core-seconds of each.
# OFTEN_ARGS="--logs FOLDER" keeps what was said, and goes on after the runs that passed there.
test-often: $(VENV)/.dev
	$(BIN)/python .ci/often.py --out benchmarks/results/often.json $(OFTEN_ARGS)

test-slow: $(VENV)/.dev $(VENV)/napari/.done
	NAPARI=$(abspath $(VENV))/napari/bin/python $(BIN)/pytest $(PYTEST_ARGS) -m slow

# Mutated files through every reader of what others made; FUZZ_ARGS="--seconds 1800 --random-state 1" for longer and others.
fuzz: $(VENV)/.dev
	$(BIN)/python benchmarks/fuzz.py $(FUZZ_ARGS)

# Writes, flushes, renames and readings all over thirteen commands fail, or are the last thing they do.
faults: $(VENV)/.dev
	$(BIN)/python benchmarks/faults.py --out benchmarks/results/faults.json

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/judge.py

# The paper's comparison, small: at most 15 minutes on two free cores. BENCHMARK_ARGS=--full for all of it (five times that).
benchmark: $(VENV)/.core
	$(BIN)/coldray benchmark paper -o coldray-benchmark $(BENCHMARK_ARGS)

docs: $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# Sdist, wheel, and a list of the packages it was tested with (CycloneDX).
release: check test docs
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/cyclonedx-py requirements constraints.txt --pyproject pyproject.toml --mc-type library --output-reproducible -o dist/coldray.cdx.json

# For a machine without a network, of the kind that makes it: wheels, tried in an environment of their own, and their licences.
bundle:
	rm -rf dist/bundle dist/.tried
	$(PYTHON) -m venv dist/.tried
	dist/.tried/bin/python -m pip wheel --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS) -w dist/bundle/wheels ".[$(BUNDLE_EXTRAS)]"
	dist/.tried/bin/python -m pip install --quiet --disable-pip-version-check --no-index --find-links dist/bundle/wheels "coldray[$(BUNDLE_EXTRAS)]"
	dist/.tried/bin/coldray model verify
	dist/.tried/bin/coldray --licenses | grep -v '^ ' > dist/bundle/LICENSES.txt
	cp LICENSE CHANGELOG.md dist/bundle
	echo 'python -m pip install --no-index --find-links wheels "coldray[$(BUNDLE_EXTRAS)]"' > dist/bundle/INSTALL.txt
	cd dist && .tried/bin/python -m zipfile -c coldray-bundle.zip bundle
	rm -rf dist/.tried

clean:
	rm -rf docs/_build dist coldray-demo coldray-benchmark .pytest_cache .mypy_cache .ruff_cache
