# Two commands matter: `make demo` (no download of weights) and `make test`. Both make .venv themselves.
VENV := .venv
BIN := $(VENV)/bin
# The first Python that can carry the key-point models (3.11 or 3.12); set PYTHON=... to choose.
FIND_PYTHON = for p in "$(PYTHON)" python3.11 python3.12 python3 python; do \
	[ -n "$$p" ] && "$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && exit 0; done; \
	echo 'Fleximo needs Python 3.11 or 3.12 (its key-point models stop at 3.12). Install one, or say: make PYTHON=/path/to/python3.11' >&2; exit 1
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-core test-backend test-quality test-blender test-application test-window guide-pictures lint bench bench-gpu moves-sheet addon clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@python=$$($(FIND_PYTHON)) && echo "Making $(VENV) with $$($$python --version)" && $$python -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@ $(VENV)/installed

demo: $(VENV)/installed
	@echo "Downloaded: Python packages only (see pyproject.toml); no model weights."
	@$(BIN)/fleximo demo

test: test-core test-backend test-blender test-quality

test-core: $(VENV)/installed-test
	$(PYTEST) fleximo tests/fleximo tests/test_house.py

test-backend: $(VENV)/installed-test
	$(PYTEST) backend tests/backend tests/journeys

# On each of Blender's Python modules, side by side; a module whose Python is not here is named and left out.
test-blender: $(VENV)/installed-test
	$(BIN)/python tests/blender/run_on_wheels.py

# In the application, without and with a window; where there is none and none can be had it says so.
test-application: $(VENV)/installed-test
	tests/blender/run_in_application.sh

# Needs the application itself, Xvfb, xdotool and ImageMagick; says so where they are not there.
test-window: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python tests/blender/run_in_window.py build/window

# What the user guide shows, from the last run of the window tests.
guide-pictures: $(VENV)/installed-test
	$(BIN)/python tests/blender/guide_pictures.py build/window

test-quality: $(VENV)/installed-test
	$(PYTEST) tests/quality

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/fleximo bench --people tests/data/people --blender tests.blender.figures -o bench-results

bench-gpu: $(VENV)/installed-test
	$(BIN)/python -m backend.evaluate.gpu_bench -o bench-results

moves-sheet: $(VENV)/installed-test
	$(BIN)/python -m backend.evaluate.moves_sheet docs/images/moves.png

addon: $(VENV)/installed
	$(BIN)/python build_addon.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
