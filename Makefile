# SPDX-License-Identifier: Apache-2.0
# Two commands: `make demo` shows a robot that listens, `make test` runs the tests.
# Both make .venv themselves, from the package index, and need nothing else but Python 3.10 to 3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETUP_FILES := setup.py setup.cfg pyproject.toml constraints.txt

.PHONY: demo test lint colcon clean

demo: $(VENV)/.demo
	$(BIN)/robot-face-gen demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

# Build and test the package as a ROS 2 workspace does, in a copy; without ROS 2 the messages are only parsed.
colcon: $(VENV)/.dev
	tools/colcon_check.sh $(abspath $(BIN))

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else f"Python {sys.version.split()[0]}: 3.10 to 3.13 is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

$(VENV)/.demo: $(SETUP_FILES) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[standalone,onnx]'
	touch $@

# The sources of rclpy are held against our stand-in. They lie apart: on the path they would hide it.
$(VENV)/.dev: $(SETUP_FILES) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	$(PIP) install --quiet --no-deps --upgrade --target $(VENV)/oracle -c constraints.txt rclpy-intellisense
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build install log demo_output
