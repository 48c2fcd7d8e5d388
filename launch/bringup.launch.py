# SPDX-License-Identifier: Apache-2.0
"""Starts the robot's listening face: sources of face and voice, Whisper, and the reaction.

With ROS 2: `ros2 launch robot_face_gen bringup.launch.py openface:=follow:/tmp/face.csv`.
Without: `robot-face-gen bringup openface:=face.csv audio:=voice.wav`.
"""

import time
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

# launch/ and config/ are neighbours, in the source tree as in the installed share folder.
PARAMS_FILE = Path(__file__).parent.parent / 'config' / 'bringup.yaml'

NOT_STARTED = ('', 'none')
FOLLOW = 'follow:'
MICROPHONE = 'microphone'

ARGUMENTS = (
    ('namespace', '', 'Namespace of all nodes and topics'),
    ('params_file', str(PARAMS_FILE), 'File with the parameters of all nodes'),
    ('use_sim_time', 'false', 'Take the time from /clock (simulation, bag) if true'),
    ('use_respawn', 'false', 'Start a node again when it has ended'),
    ('log_level', 'info', 'Log level of the nodes: debug, info, warn, error or fatal'),
    (
        'openface',
        'none',
        "Where the speaker's face comes from: a recorded OpenFace CSV, follow:FILE for the CSV "
        'that a running FeatureExtraction is writing, or none (another node publishes it)',
    ),
    (
        'audio',
        MICROPHONE,
        "Where the speaker's voice comes from: microphone, microphone:NAME (or its number), a WAV "
        'or FLAC file, or none (another node publishes it)',
    ),
    (
        'checkpoint',
        '',
        "The model's safetensors file; empty is what params_file says, in the end the weights "
        'that come with the package',
    ),
    (
        'reaction',
        'true',
        'Start a reaction_node; false where a reaction_server answers for this namespace',
    ),
    ('device', '', 'Where the model runs: auto, cpu or cuda; empty is what params_file says'),
    (
        'whisper',
        '',
        'Weights of the Whisper encoder: a name such as tiny, a .pt file, or untrained; empty is '
        'what params_file says',
    ),
    (
        'speed',
        '',
        'Pace of recorded sources as a multiple of their own; empty is what params_file says',
    ),
    ('loop', '', 'Begin a recorded source again at its end; empty is what params_file says'),
    (
        'start_time',
        '0.0',
        'When recorded sources begin, in seconds since 1970: the same for face and voice, so that '
        'they stay in step; 0.0 is start_delay from now (at once with use_sim_time)',
    ),
    (
        'start_delay',
        '8.0',
        'Seconds until recorded sources begin, so that the other nodes have loaded their models',
    ),
    (
        'exit_at_end',
        '',
        "End a recorded source's node at the end of its file; empty is what params_file says",
    ),
)


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=default, description=description)
                for name, default, description in ARGUMENTS
            ),
            # Threads that spin while they wait take the cores from the other nodes.
            SetEnvironmentVariable(
                'OMP_WAIT_POLICY', EnvironmentVariable('OMP_WAIT_POLICY', default_value='PASSIVE')
            ),
            OpaqueFunction(function=nodes),
        ]
    )


def nodes(context: LaunchContext) -> list[Node | LogInfo]:
    """The nodes that the arguments ask for."""
    played = {
        'speed': number(context, 'speed'),
        'loop': truth(context, 'loop'),
        'exit_at_end': truth(context, 'exit_at_end'),
        'start_time': start_time(context),
    }
    params_file = existing('params_file', text(context, 'params_file'))
    found: list[Node | LogInfo] = [LogInfo(msg=said) for said in misspelt_nodes(params_file)]
    openface = text(context, 'openface')
    if openface not in NOT_STARTED:
        recorded = not openface.startswith(FOLLOW)
        path = existing('openface', openface) if recorded else absolute(openface[len(FOLLOW) :])
        source = path if recorded else FOLLOW + path
        overrides = {'source': source, **(played if recorded else {})}
        found.append(node(context, 'openface_node', overrides))
    audio = text(context, 'audio')
    if audio not in NOT_STARTED:
        recorded = audio.partition(':')[0] != MICROPHONE
        source = existing('audio', audio) if recorded else audio
        overrides = {'source': source, **(played if recorded else {})}
        found.append(node(context, 'microphone_node', overrides))
    weights = text(context, 'whisper')
    is_file = Path(weights).expanduser().is_file()
    found.append(
        node(context, 'whisper_node', {'weights': absolute(weights) if is_file else weights})
    )
    if truth(context, 'reaction'):
        checkpoint = text(context, 'checkpoint')
        overrides = {
            'checkpoint': existing('checkpoint', checkpoint) if checkpoint else '',
            'device': text(context, 'device'),
        }
        found.append(node(context, 'reaction_node', overrides))
    return found


def node(context: LaunchContext, name: str, overrides: dict) -> Node:
    """A node; overrides that say nothing ('' and None) leave the value to params_file."""
    given = {key: value for key, value in overrides.items() if value not in ('', None)}
    # A source that ends at its file's end has done its work.
    respawn = bool(truth(context, 'use_respawn')) and not given.get('exit_at_end', False)
    return Node(
        package='robot_face_gen',
        executable=name,
        name=name,
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            existing('params_file', text(context, 'params_file')),
            {'use_sim_time': bool(truth(context, 'use_sim_time')), **given},
        ],
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
        output='screen',
        respawn=respawn,
        respawn_delay=2.0,
    )


def text(context: LaunchContext, name: str) -> str:
    return LaunchConfiguration(name).perform(context).strip()


def number(context: LaunchContext, name: str) -> float | None:
    said = text(context, name)
    try:
        return float(said) if said else None
    except ValueError:
        raise RuntimeError(f'{name}:={said}: expected a number') from None


def truth(context: LaunchContext, name: str) -> bool | None:
    said = text(context, name).lower()
    if said not in ('', 'true', '1', 'false', '0'):
        raise RuntimeError(f'{name}:={said}: expected true or false')
    return said in ('true', '1') if said else None


def start_time(context: LaunchContext) -> float | None:
    """One moment for all recorded sources, in seconds since 1970."""
    given = number(context, 'start_time')
    # Simulated time is not known here: without a start_time, sources begin at once.
    if given or truth(context, 'use_sim_time'):
        return given or None
    return time.time() + (number(context, 'start_delay') or 0.0)


def absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def existing(argument: str, path: str) -> str:
    if not Path(path).expanduser().is_file():
        raise RuntimeError(f'{argument}:={path}: there is no such file')
    return absolute(path)
