# SPDX-License-Identifier: Apache-2.0
"""Starts one process that answers for many robots, each in its namespace.

With ROS 2: `ros2 launch robot_face_gen reaction_server.launch.py namespaces:=robot1,robot2`.
Without: `robot-face-gen bringup --launch-file reaction_server.launch.py namespaces:=robot1`.
Each robot brings its own face and voice: `bringup.launch.py namespace:=robot1 reaction:=false`.
"""

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from robot_face_gen.nodes.params_file import misspelt_nodes

PARAMS_FILE = Path(__file__).parent.parent / 'config' / 'bringup.yaml'

FROM_FILE = 'empty is what params_file says'
# Those that are parameters of the server under the same name.
PARAMETERS = (
    ('namespaces', f"The robots' namespaces, separated by commas; {FROM_FILE}"),
    ('checkpoint', f"The model's safetensors file; {FROM_FILE}"),
    ('device', f'Where the model runs: auto, cpu or cuda; {FROM_FILE}'),
    ('backend', f'What computes: auto, eager, onnx, onnx-int8 or cuda-graph; {FROM_FILE}'),
)
ARGUMENTS = (
    ('params_file', str(PARAMS_FILE), 'File with the parameters of all nodes'),
    ('use_sim_time', 'false', 'Take the time from /clock (simulation, bag) if true'),
    ('use_respawn', 'false', 'Start the server again when it has ended'),
    ('log_level', 'info', 'Log level: debug, info, warn, error or fatal'),
    *((name, '', description) for name, description in PARAMETERS),
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, default, description in ARGUMENTS
            ),
            SetEnvironmentVariable(
                'OMP_WAIT_POLICY', EnvironmentVariable('OMP_WAIT_POLICY', default_value='PASSIVE')
            ),
            OpaqueFunction(function=server),
        ]
    )


def server(context: LaunchContext) -> list[Node | LogInfo]:
    """The one node."""
    said = {name: LaunchConfiguration(name).perform(context).strip() for name, *_ in ARGUMENTS}
    truths = {name: said[name].lower() for name in ('use_sim_time', 'use_respawn')}
    for name, value in truths.items():
        if value not in ('true', '1', 'false', '0'):
            raise RuntimeError(f'{name}:={value}: expected true or false')
    for name in ('params_file', 'checkpoint'):
        if said[name] and not Path(said[name]).expanduser().is_file():
            raise RuntimeError(f'{name}:={said[name]}: there is no such file')
        said[name] = said[name] and str(Path(said[name]).expanduser().absolute())
    given = {name: said[name] for name, _ in PARAMETERS if said[name]}
    return [
        *(LogInfo(msg=told) for told in misspelt_nodes(said['params_file'])),
        Node(
            package='robot_face_gen',
            executable='reaction_server',
            name='reaction_server',
            parameters=[
                said['params_file'],
                {'use_sim_time': truths['use_sim_time'] in ('true', '1'), **given},
            ],
            arguments=['--ros-args', '--log-level', said['log_level']],
            output='screen',
            respawn=truths['use_respawn'] in ('true', '1'),
            respawn_delay=2.0,
        ),
    ]
