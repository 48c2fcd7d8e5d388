# SPDX-License-Identifier: Apache-2.0
"""Thin ROS 2 adapters: parameters, messages to arrays and back, diagnostics; the work is below.

Importing this package makes rclpy importable, ROS 2's own or the one in its place.
"""

import os
import signal
import sys

from robot_face_gen.ros_runtime import activate


def end_quietly(*_: object) -> None:
    """Ctrl-C while a node's program is still importing, which takes a second: no traceback."""
    os._exit(0)


# `run` makes it a KeyboardInterrupt again. Not where somebody else's program imports this.
_program = os.path.basename(sys.argv[0]) if getattr(sys, 'argv', None) else ''
if (_program == '-m' or _program.endswith(('_node', '_server'))) and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, end_quietly)

activate()

# Several processes share few cores: idle OpenMP threads must sleep, not spin. torch reads it.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
