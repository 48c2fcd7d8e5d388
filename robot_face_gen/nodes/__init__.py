"""Thin ROS 2 adapters: parameters, messages to arrays and back, diagnostics; the work is below.

Importing this package makes rclpy importable, ROS 2's own or the one in its place.
"""

import os

from robot_face_gen.ros_runtime import activate

activate()

# Several processes share few cores: idle OpenMP threads must sleep, not spin. torch reads it.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
