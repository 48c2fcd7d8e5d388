# SPDX-License-Identifier: Apache-2.0
"""`python -m robot_face_gen.nodes reaction_node --ros-args ...` starts a node."""

import sys

from robot_face_gen.graph import NODES
from robot_face_gen.nodes.program import start

name = sys.argv[1] if len(sys.argv) > 1 else ''
if name not in NODES:
    sys.exit(f'{name!r} is not a node: expected one of {", ".join(NODES)}')
sys.exit(start(name, sys.argv[2:]))
