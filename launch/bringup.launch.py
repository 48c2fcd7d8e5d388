# SPDX-License-Identifier: Apache-2.0
"""Starts one robot: sources of face and voice, Whisper, reaction.

ros2 launch robot_face_gen bringup.launch.py openface:=follow:/tmp/face.csv

The nodes and arguments are declared in `robot_face_gen.graph`; `robot-face-gen bringup` starts
the same nodes where no `ros2` command is installed.
"""

from launch import LaunchDescription
from robot_face_gen.graph import GRAPHS
from robot_face_gen.tools.launch_description import launch_description


def generate_launch_description() -> LaunchDescription:
    return launch_description(GRAPHS['bringup']())
