# make app    the app on the demo store, at http://127.0.0.1:$(PORT)
# make test   every check: lint, format, tests
# make setup  what both share: the environment in .venv

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

.PHONY: app test setup
app: setup
	@echo "BrainAlign at http://127.0.0.1:$(PORT)"
	@$(BIN)/python -m streamlit run app.py --server.port $(PORT) --server.headless $(if $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname)),false,true)

test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

setup: .venv/ready

# torch comes first and pinned, so that a plain machine gets one build of it and a machine that has it keeps it
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "BrainAlign needs Python 3.11 or newer; try: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint constraints.txt
	@touch $@
