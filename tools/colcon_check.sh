#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds and tests the package with colcon in a copy of the working tree, as a ROS 2 workspace would.
#
# usage: tools/colcon_check.sh BIN     BIN: folder of the virtual environment's programs
#
# Without ROS 2 only the ament_python package can be built. All tests run with `make test`; here a part of them shows
# that colcon finds, runs and counts them.
set -euo pipefail
bin=$1
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 tar c --ignore-failed-read 2>/dev/null | tar x -C "$copy"
cd "$copy"
export PATH="$bin:$PATH"
colcon list
listed=$(colcon list --names-only | sort | tr '\n' ' ')
[ "$listed" = 'robot_face_gen robot_face_gen_msgs ' ] || { echo "colcon list found: $listed"; exit 1; }
colcon build --base-paths .
for file in share/robot_face_gen/launch/bringup.launch.py share/robot_face_gen/config/bringup.yaml \
    lib/robot_face_gen/reaction_node share/ament_index/resource_index/packages/robot_face_gen; do
  [ -f "install/robot_face_gen/$file" ] || { echo "not installed: $file"; exit 1; }
done
set +u; . install/setup.sh; set -u
colcon test --base-paths . --return-code-on-test-failure --event-handlers console_direct+ \
  --pytest-args -q test/facial_reaction_model test/features/test_openface.py test/test_resources.py
colcon test-result --all
colcon test-result --all | grep -Eq '^Summary: [1-9][0-9]* tests' || { echo 'colcon counted no test'; exit 1; }
