# make demo: the main job on the embedded corpus. make test: everything that is checked. Both build .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test fast lint coverage clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vos needs Python 3.11 or newer, found " + sys.version)'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python train.py hydra.run.dir=outputs/demo/$$(date +%Y-%m-%dT%H-%M-%S)
	$(BIN)/python synthesize.py run=$$(ls -td outputs/demo/*/ | head -n 1) n=100

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The whole suite with its coverage gates.
test: lint
	$(BIN)/python -m pytest --cov --cov-report=
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 --include='vos/density/*,vos/outliers/*,vos/scores.py,vos/losses.py,vos/metrics/*'

# The fast tier: under two minutes.
fast: $(STAMP)
	$(BIN)/python -m pytest -m 'not slow'

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage
