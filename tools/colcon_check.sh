#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds both packages with colcon in a copy of the working tree, as a ROS 2 workspace would, and tests them.
#
# usage: tools/colcon_check.sh BIN     BIN: folder of the virtual environment's programs
#
# Uses the ROS 2 that is sourced; otherwise ament and rosidl from the wheels in the virtual environment.
# `make test` runs all tests; the part that runs here uses the messages that colcon built.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(cd "$1" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/src"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar c --ignore-failed-read 2>/dev/null |
  tar x -C "$copy/src"
export PATH="$bin:$PATH"

if [ -z "${AMENT_PREFIX_PATH:-}" ] || [ -z "${ROS_DISTRO:-}" ]; then
  # A prefix for CMake: a copy of the wheels' CMake files, without include folders of the machine that built
  # the wheels, and without the messages that pip installed.
  prefix=$copy/ros
  venv=$(dirname "$bin")
  mkdir "$prefix"
  touch "$prefix/local_setup.sh"  # colcon takes it as the mark of a prefix
  cp -r "$venv/share" "$prefix/share"
  ln -s "$venv/bin" "$venv/include" "$venv/lib" "$prefix"
  rm -rf "$prefix"/share/robot_face_gen* "$prefix"/share/ament_index/resource_index/*/robot_face_gen*
  grep -rlZ --include='*.cmake' '"/opt/python' "$prefix/share" |
    xargs -0 sed -i 's|INTERFACE_INCLUDE_DIRECTORIES "/opt/python[^"]*"|INTERFACE_INCLUDE_DIRECTORIES ""|'
  export AMENT_PREFIX_PATH=$prefix CMAKE_PREFIX_PATH=$prefix
fi

cd "$copy/src"
listed=$(colcon list | cut -f 1,3 | sort | tr '\t\n' ' ,')
[ "$listed" = 'robot_face_gen (ros.ament_python),robot_face_gen_msgs (ros.ament_cmake),' ] ||
  { echo "colcon list found: $listed"; exit 1; }
colcon build --cmake-args -G Ninja -DBUILD_TESTING=OFF \
  "-DPython3_EXECUTABLE=$bin/python"
for file in robot_face_gen/share/robot_face_gen/launch/bringup.launch.py \
    robot_face_gen/share/robot_face_gen/config/bringup.yaml \
    robot_face_gen/lib/robot_face_gen/reaction_node \
    robot_face_gen/share/ament_index/resource_index/packages/robot_face_gen \
    robot_face_gen_msgs/share/robot_face_gen_msgs/msg/FaceReaction.msg; do
  [ -f "install/$file" ] || { echo "not installed: $file"; exit 1; }
done

# Tests of the messages fail if they are not those in this folder.
export ROBOT_FACE_GEN_MESSAGES_FROM=$PWD/install
# colcon's scripts do not quote the path of Python, which may contain a space: give them the base Python.
COLCON_PYTHON_EXECUTABLE=$("$bin/python" -c 'import sys; print(sys._base_executable)')
export COLCON_PYTHON_EXECUTABLE
set +u; . install/setup.sh; set -u
unset COLCON_PYTHON_EXECUTABLE
colcon test --packages-select robot_face_gen --return-code-on-test-failure --event-handlers console_direct+ \
  --pytest-args -q test/msgs test/nodes/test_messages.py test/facial_reaction_model/test_model.py \
  test/features/test_openface.py test/test_resources.py test/test_ament_linters.py
colcon test-result --all
colcon test-result --all | grep -Eq '^Summary: [1-9][0-9]* tests' || { echo 'colcon counted no test'; exit 1; }
