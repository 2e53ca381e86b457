# make setup         the environment, .venv, from the lock file
# make repair        the main job on the embedded faces; on your own model: MODEL= CLEAN= [TEST=] [POISONED=] [OUT=] [ARGS=]
# make test          the tests that are not large; some of them, whatever their size, with TESTS=data/hdf5_test.py
# make test-all      all tests
# make lint          style, types, and whether the BUILD files say what the imports say
# make device-test   the detector in environments that hold what a device has, and no TensorFlow
# make lock          new lock files from requirements*.in
# make clean         removes everything that make made

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install --disable-pip-version-check --only-binary=:all:
RUNTIME := $(VENV)/.runtime-is-installed
CHECKERS := $(VENV)/.checkers-are-installed
# One process a core, each with one thread, since two that wait for each other cost more than they bring; each file stays
# in one process, since its tests share what they trained.
SHARED_OUT := --numprocesses=auto --dist=loadfile --no-loadscope-reorder
PYTEST := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/python -m pytest

.PHONY: setup repair test test-all lint device-test lock clean
.DELETE_ON_ERROR:

setup: $(RUNTIME)

repair: $(RUNTIME)
	$(BIN)/python -m pipeline.repair $(if $(OUT),--out_dir='$(OUT)') $(if $(MODEL),--model='$(MODEL)') \
	  $(if $(CLEAN),--clean_data='$(CLEAN)') $(if $(TEST),--test_data='$(TEST)') \
	  $(foreach file,$(POISONED),--poisoned_data='$(file)') $(ARGS)

test: $(CHECKERS)
	$(PYTEST) $(if $(TESTS),--large $(TESTS),$(SHARED_OUT))

test-all: $(CHECKERS)
	$(PYTEST) --large $(SHARED_OUT)

lint: $(CHECKERS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/python -m bazel.build_files --check

device-test: $(RUNTIME)
	$(BIN)/python -m testing.device_case $(VENV)/device-case
	for requirements in requirements-device requirements-device-litert; do \
	  $(PYTHON) -m venv --clear .venv-device && \
	  .venv-device/bin/python $(INSTALL) --quiet -r $$requirements.txt && \
	  .venv-device/bin/python -m testing.device_check $(VENV)/device-case || exit 1; \
	done

$(RUNTIME): requirements.txt
	@command -v $(PYTHON) >/dev/null || \
	  { echo "GoodNet needs Python 3.11: $(PYTHON) is not on the PATH (or say make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3.11-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(INSTALL) --require-hashes -r requirements.txt
	touch $@

$(CHECKERS): $(RUNTIME) requirements-dev.txt
	$(BIN)/python $(INSTALL) --require-hashes -r requirements-dev.txt
	touch $@

# Only PyPI's packages and hashes go into the lock files, whatever indexes this machine's pip knows besides.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python $(INSTALL) pip-tools==7.6.2
	for file in requirements requirements-dev requirements-gpu; do \
	  env -u PIP_FIND_LINKS -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
	  .venv-lock/bin/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-emit-trusted-host --output-file=$$file.txt $$file.in || exit 1; \
	done

clean:
	rm -rf $(VENV) .venv-* .mypy_cache .pytest_cache .ruff_cache build goodnet.egg-info
