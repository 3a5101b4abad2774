# The README's commands: make serve, make test. What CI runs: make check.
.POSIX:
PYTHON = python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: serve setup dev test coverage over-postgresql lint types docs dist client completions check evidence bench lock photographs

serve: setup
	@exec $(BIN)/keystead serve

setup: .venv/.runtime

dev: .venv/.dev

# The first interpreter that is new enough; PYTHON=... goes before the others.
.venv/.runtime: requirements/build.txt requirements/runtime.txt pyproject.toml
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then break; fi; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "error: no Python 3.11 or newer found" >&2; \
	    echo "hint: make PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	echo "installing into .venv" >&2; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear .venv
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.venv/.dev: .venv/.runtime requirements/dev.txt
	@echo "installing the tests' tools into .venv" >&2
	@$(PIP) install --no-build-isolation --require-hashes -r requirements/dev.txt
	@touch $@

# Files of tests go to as many workers as there are processors, up to four; what measures time comes after them.
BESIDE = -m "not alone" --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
ALONE = -m alone

test: dev
	$(BIN)/python -m pytest $(BESIDE)
	$(BIN)/python -m pytest $(ALONE)

coverage: dev
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(BESIDE)
	$(BIN)/python -m coverage run -m pytest $(ALONE)
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

# Not --quiet: that keeps warnings from mkdocs itself, and with them its strictness.
docs: dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Hatchling names them as it builds: the wheel and the source distribution.
dist: setup
	@rm -rf dist
	@$(BIN)/python -m hatchling build --directory dist
	@cd dist && sha256sum *.whl *.tar.gz | tee SHA256SUMS

# One file for hosts that only call a server, with its hash.
client: setup
	@$(BIN)/python -m pyz.build build/keystead-client.pyz

# Completions and man pages anew: in keystead/cli/completions, and under the environment's share/.
completions: setup
	@$(PIP) install --no-build-isolation --no-deps --editable .

# What is not about one kind of store, over PostgreSQL.
over-postgresql: dev
	TEST_STORE=postgresql $(BIN)/python -m pytest $(BESIDE) tests/operations tests/unit/api tests/interop

# The suite of `make test` runs in `coverage`, under measurement.
check: lint types docs coverage over-postgresql

# Every page of the console, in its languages, light and dark, narrow and wide; needs chromium and fonts-noto-cjk.
photographs: dev
	@$(BIN)/python -m tests.browser.photographs build/photographs

# The harnesses with their long counts.
evidence: dev
	TEST_EVIDENCE=1 $(BIN)/python -m pytest -m 'crash or fuzz' --durations=0

# Needs wrk (Debian: apt-get install wrk). BENCH takes options, e.g. BENCH="--only keystead --rounds 1".
bench: setup build/peers/.installed
	@$(BIN)/python -m bench $(BENCH)

# What Keystead is compared with has an environment of its own.
build/peers/.installed: requirements/bench.txt
	@$(BIN)/python -m venv --clear build/peers
	@echo "installing what the benchmark compares with into build/peers" >&2
	@build/peers/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/bench.txt
	@touch $@

# What projects install beside Keystead, as wheels, so that tests make environments without a network.
build/projects/.made: requirements/build.txt requirements/extras.txt requirements/projects.txt
	@rm -rf build/projects
	@$(PYTHON) -m venv build/projects/maker
	@build/projects/maker/bin/python -m pip --quiet --disable-pip-version-check install --require-hashes -r requirements/build.txt
	@for locked in "-r requirements/build.txt -r requirements/projects.txt" "-r requirements/extras.txt"; do \
	    build/projects/maker/bin/python -m pip --quiet --disable-pip-version-check wheel --no-deps --no-build-isolation \
	        --require-hashes --wheel-dir build/projects $$locked || exit 1; \
	done
	@rm -rf build/projects/maker
	@touch $@

# New versions of everything; needs uv.
lock:
	cd requirements && for name in build runtime extras dev bench scan clients projects; do \
	    uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-header --no-annotate --quiet --output-file $$name.txt $$name.in || exit 1; \
	done
