# SPDX-License-Identifier: Apache-2.0
"""The graphs of `robot_face_gen.graph` for ROS 2's launch; imported by `launch/*.launch.py`."""

from __future__ import annotations

import os

from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription  # type: ignore[attr-defined]
from robot_face_gen.graph import RESPAWN_DELAY_S, Graph, NodeSpec
from robot_face_gen.resources import PACKAGE

from .ros import child_environment


def launch_description(graph: Graph) -> LaunchDescription:
    """A launch description that declares the arguments and starts the nodes they select."""

    def select(context: LaunchContext) -> list[Node | LogInfo]:
        names = [argument.name for argument in graph.arguments]
        given = {name: LaunchConfiguration(name).perform(context) for name in names}
        nodes = map(_launch_node, graph.nodes(given))
        return [*(LogInfo(msg=text) for text in graph.remarks(given)), *nodes]

    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name, default_value=argument.default, description=argument.description
                )
                for argument in graph.arguments
            ),
            OpaqueFunction(function=select),
        ]
    )


def _launch_node(node: NodeSpec) -> Node:
    viewer = node.viewer
    return Node(
        package=viewer.package if viewer else PACKAGE,
        executable=viewer.executable if viewer else node.name,
        name=node.name,
        namespace=node.namespace,
        parameters=[*([] if viewer else [node.params_file]), dict(node.parameters)],
        remappings=list(node.remappings),
        arguments=[*node.arguments, '--ros-args', '--log-level', node.log_level],
        output='screen',
        additional_env={
            name: value
            for name, value in child_environment(images=node.images).items()
            if os.environ.get(name) != value
        },
        respawn=node.respawn,
        respawn_delay=RESPAWN_DELAY_S,
    )
