# SPDX-License-Identifier: Apache-2.0
# Two commands: `make demo` shows a robot that listens, `make test` runs the tests.
# Both make a virtual environment from the package index alone, and need nothing but Python 3.10 to 3.13.
#
# Where a ROS 2 is sourced, its rclpy is used, in a virtual environment of its own (.venv-jazzy); otherwise
# ROS 2 comes from the package index too, and the messages are built with g++ (or $CXX, or the ziglang wheel).
PYTHON ?= python3
ROS := $(if $(AMENT_PREFIX_PATH),$(ROS_DISTRO))
VENV := .venv$(ROS:%=-%)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SETUP_FILES := setup.py setup.cfg pyproject.toml constraints.txt
MESSAGE_FILES := $(wildcard robot_face_gen_msgs/msg/*.msg robot_face_gen_msgs/*.py robot_face_gen_msgs/tf2_msgs/*/*) \
  $(addprefix robot_face_gen_msgs/,msg package.xml pyproject.toml)
# Of `make test`: graphs wait much, so that two cores are busy with four.
JOBS ?= 4
# Of `make test-faults`: how often each fault is tried, and graphs at a time; REPORT=docs/reliability.md writes what
# was seen.
FAULT_TRIES ?= 20
FAULT_JOBS ?= 2
REPORT ?=
# Of `make mutants`: folders or files of the package, number of changes, seed of the sample.
ROOMS ?= pipeline features face facial_reaction_model
COUNT ?= 240
SEED ?= 0
comma := ,
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-annotate \
  -c constraints.txt
ROS_EXTRA := $(if $(ROS),,$(comma)ros)
AMENT_EXTRA := $(if $(ROS),,$(comma)ament)

# The ROS wheels set it to recognise their own processes; inherited from another virtual environment, it misleads them.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE
# Without it, every process of a test compiles the package and the tests anew.
unexport PYTHONDONTWRITEBYTECODE

# What `make demo` installs, and the files with the hashes of all of it.
DEMO_EXTRAS := camera,onnx,screen
LOCKS := requirements-build.txt requirements-demo.txt

.PHONY: demo test test-faults fuzz mutants models lint lock colcon clean
.NOTPARALLEL:

# Without ROS 2 or the messages, the demo runs the same pipeline in one process.
demo: $(VENV)/.messages
	$(BIN)/robot-face-gen demo --download $(ARGS)

test: REQUIRED := --required
test: $(VENV)/.dev $(VENV)/.messages
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder -m 'not linter and not faults' $(ARGS)

# What the tests of the camera need; they are skipped without it.
models: $(VENV)/.dev
	$(BIN)/robot-face-gen models get face-landmarker

# Kill, stop, disturb and starve a running graph, for about an hour and a half.
test-faults: REQUIRED := --required
test-faults: $(VENV)/.dev $(VENV)/.messages
	FAULT_TRIES=$(FAULT_TRIES) FAULT_REPORT=$(REPORT) $(BIN)/python -m pytest test/faults test/bench/test_graph.py \
	  -n $(FAULT_JOBS) --dist loadfile $(ARGS)

# Change the code in COUNT places, one at a time, and see whether a test fails; about an hour.
mutants: $(VENV)/.dev
	$(BIN)/python tools/mutate.py $(ROOMS) --count $(COUNT) --seed $(SEED) $(if $(REPORT),--report $(REPORT)) $(ARGS)

# Search for inputs that break a reader, with coverage as the guide: FUZZ_S seconds for each target. Linux.
FUZZ_S ?= 60
FUZZ_TARGETS ?=
fuzz: REQUIRED := --required
fuzz: $(VENV)/.dev $(VENV)/.messages
	$(PIP) install --quiet -c constraints.txt -e '.[fuzz]'
	$(BIN)/python test/fuzz/run_atheris.py $(FUZZ_TARGETS) --seconds $(FUZZ_S) $(if $(REPORT),--report $(REPORT)) $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Write the files with the hashes anew, for all supported versions of Python; uv does it.
lock: $(VENV)/.dev
	$(PIP) install --quiet uv
	echo setuptools | $(LOCK) -o requirements-build.txt -
	$(LOCK) --extra ros $(foreach extra,$(subst $(comma), ,$(DEMO_EXTRAS)),--extra $(extra)) -o requirements-demo.txt setup.py

# Build and test both packages as a ROS 2 workspace does, in a copy.
colcon: $(VENV)/.colcon
	tools/colcon_check.sh $(BIN)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else f"Python {sys.version.split()[0]}: 3.10 to 3.13 is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

# Only files whose hashes are listed; where a ROS 2 is sourced, its own packages are not in such a list.
$(VENV)/.demo: $(SETUP_FILES) $(LOCKS) | $(BIN)/python
ifeq ($(ROS),)
	$(PIP) install --quiet --require-hashes -r requirements-build.txt
	$(PIP) install --quiet --require-hashes --no-build-isolation -r requirements-demo.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
else
	$(PIP) install --quiet -c constraints.txt -e '.[$(DEMO_EXTRAS)]'
endif
	touch $@

$(VENV)/.dev: $(SETUP_FILES) | $(BIN)/python
	$(PIP) install --quiet -c constraints.txt -e '.[dev$(ROS_EXTRA)]'
	touch $@ $(VENV)/.demo

$(VENV)/.colcon: $(VENV)/.dev
	$(PIP) install --quiet -c constraints.txt -e '.[dev,colcon$(ROS_EXTRA)$(AMENT_EXTRA)]'
	touch $@

$(VENV)/.messages: $(MESSAGE_FILES) constraints.txt tools/install_messages.py | $(VENV)/.demo
	@$(BIN)/python tools/install_messages.py $@ $(REQUIRED)

clean:
	rm -rf .venv .venv-* build install log demo_output
