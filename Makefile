# The README's commands: make serve, make test. What CI runs: make check.
.POSIX:
PYTHON = python3
BIN = .venv/bin

.PHONY: serve setup test check lint types docs dev evidence

serve: setup
	@exec $(BIN)/keystead serve

setup: .venv/.runtime

dev: .venv/.dev

.venv/.runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: keystead needs Python 3.11 or newer; $(PYTHON) is older" >&2; \
	    echo "hint: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

test: dev
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=95
	$(BIN)/python -m coverage report --fail-under=100 \
	    --include='keystead/domain/*,keystead/crypto/*,keystead/access/*,keystead/api/*'

lint: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: dev
	$(BIN)/mypy
	$(BIN)/pyright

docs: dev
	$(BIN)/mkdocs build --strict --quiet

check: lint types docs test

evidence: dev
	KEYSTEAD_EVIDENCE=1 $(BIN)/python -m pytest -m 'crash or fuzz' --durations=0
