# SPDX-License-Identifier: Apache-2.0
"""Starts one process that answers for many robots, each in its namespace.

ros2 launch robot_face_gen reaction_server.launch.py namespaces:=robot1,robot2

Each robot has a face and voice of its own: bringup.launch.py namespace:=robot1 reaction:=false.
The nodes and arguments are declared in `robot_face_gen.graph`.
"""

from launch import LaunchDescription
from robot_face_gen.graph import GRAPHS
from robot_face_gen.tools.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    return launch_description(GRAPHS['reaction_server']())
