# SPDX-License-Identifier: Apache-2.0
"""The parameters and topics of every node.

`python -m robot_face_gen.nodes.tables yaml > config/bringup.yaml` and `... markdown >
docs/parameters.md` write the generated files.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from robot_face_gen.facial_reaction_model.config import MAX_TEMPERATURE
from robot_face_gen.launch_arguments import NAMESPACE
from robot_face_gen.models.backends import AUTO, BACKENDS, CPU_BACKENDS
from robot_face_gen.timing import MAX_WAIT_S
from robot_face_gen.topics import AUDIO, EMBEDDING, FACE, REACTION_TOPIC, STOP_TOPIC

from .inspection_tables import RECORD, REPLAY, SCREEN, VIEW
from .parameter_table import ParameterTable, filled, parameter
from .source_tables import CAMERA_FACE, MICROPHONE_TABLE, OPENFACE

INT_MAX = 2**31 - 1
TRAINED = -1.0  # a time of `whisper_node`: as in the training of the checkpoint


def _whole_steps(value: float) -> str:
    if value >= 0.0 and abs(value * 50.0 - round(value * 50.0)) < 1e-6:
        return ''
    return '' if value == TRAINED else f'expected a multiple of 0.02, or {TRAINED}'


def _steps_not_0(value: float) -> str:
    return _whole_steps(value) if value else f'expected at least 0.02, or {TRAINED}'


def namespaces(value: str) -> list[str]:
    """The names in a comma-separated list of namespaces.

    Raises:
        ValueError: the list is empty, or a name is invalid or appears twice.
    """
    names = [name.strip() for name in value.split(',')]
    for name in names:
        if not name.strip('/') or not NAMESPACE.fullmatch(name):
            raise ValueError(f'{name!r} is not a namespace: expected names separated by commas')
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'{twice!r} appears twice')
    return names


def _namespaces(value: str) -> str:
    try:
        namespaces(value)
    except ValueError as error:
        return str(error)
    return ''


@dataclass(frozen=True, kw_only=True)
class WhisperParameters:
    """Turns sound into Whisper embeddings, 50 a second."""

    checkpoint: str = parameter(
        '',
        'Model file (safetensors) of the reaction, which was trained with certain embeddings; '
        "'': the shipped one",
    )
    weights: str = parameter(
        AUTO,
        "'auto' (those that the checkpoint was trained with), a Whisper model's name such as "
        "'tiny.en', the path of a .pt file in Whisper's format, or 'untrained' (fixed random "
        'weights, no download)',
        check=filled('a source'),
    )
    hop_s: float = parameter(
        TRAINED,
        'Sound between two runs of the encoder, a multiple of 20 ms; -1.0: as in the training',
        unit='s',
        between=(TRAINED, 1.0),
        check=_steps_not_0,
    )
    context_s: float = parameter(
        TRAINED,
        'Sound that the encoder sees, the newest included; -1.0: as in the training',
        unit='s',
        between=(TRAINED, 30.0),
        check=_steps_not_0,
    )
    settle_s: float = parameter(
        TRAINED,
        'Sound after an embedding that the encoder waits for: more accurate, but later; -1.0: as '
        'in the training',
        unit='s',
        between=(TRAINED, 1.0),
        check=_whole_steps,
    )
    device: str = parameter(
        'cpu', 'Device of the encoder: auto, cpu, cuda or cuda:N; auto uses CUDA if available'
    )
    backend: str = parameter(
        'auto',
        'Inference backend: eager (torch), onnx (ONNX Runtime on a CPU: same results, faster), '
        'onnx-int8 (8-bit weights: faster, slightly different results); auto uses onnx if '
        'possible',
        choices=(AUTO, *CPU_BACKENDS),
    )
    threads: int = parameter(1, 'Threads on a CPU; 0: chosen by the backend', between=(0, 64))
    max_queue_s: float = parameter(
        1.0,
        'Longest queue of sound while the encoder is busy; older sound is dropped and counted',
        unit='s',
        between=(0.1, 30.0),
    )


@dataclass(frozen=True, kw_only=True)
class ModelParameters:
    """Answers the speaker's face and voice with a listener's face, 25 times a second."""

    checkpoint: str = parameter(
        '', "Model file (safetensors); '': the shipped one, or an untrained model if none ships"
    )
    device: str = parameter(
        'auto', 'Device of the model: auto, cpu, cuda or cuda:N; auto uses CUDA if available'
    )
    backend: str = parameter(
        'auto',
        'Inference backend: eager (torch), onnx (ONNX Runtime on a CPU: same results, faster), '
        'onnx-int8 (8-bit weights: faster, slightly different results), cuda-graph (a recorded '
        'step on a CUDA device); auto uses onnx on a CPU if possible',
        choices=(AUTO, *BACKENDS),
    )
    threads: int = parameter(1, 'Threads on a CPU; 0: chosen by the backend', between=(0, 64))
    temperature: float = parameter(
        1.0,
        'Scale of the random variation; at 0.0 the same input always gives the same reaction',
        between=(0.0, MAX_TEMPERATURE),
        settable=True,
    )
    seed: int = parameter(
        -1, 'Makes a session repeatable; -1: a new seed each time', between=(-1, INT_MAX)
    )
    min_confidence: float = parameter(
        0.7,
        'Frames with a lower confidence are treated as missing',
        between=(0.0, 1.0),
        settable=True,
    )
    max_wait_s: float = parameter(
        MAX_WAIT_S,
        'How much longer than usual a frame waits for its face or sound before it is answered '
        'without',
        unit='s',
        between=(0.0, 2.0),
    )
    max_playout_delay_s: float = parameter(
        0.2,
        "Longest delay of an answer after the speaker's frame, used to publish at even intervals; "
        'a longer hop adds to it',
        unit='s',
        between=(0.0, 2.0),
    )
    max_backlog_s: float = parameter(
        1.0,
        'Longest queue of frames while the model is busy; older frames are dropped and counted',
        unit='s',
        between=(0.1, 30.0),
    )
    hop: int = parameter(
        1,
        'Frames that the model answers at a time: more frames cost less CPU and add latency',
        unit='frames of 40 ms',
        between=(1, 16),
        settable=True,
    )
    frame_id: str = parameter('robot_face', 'Frame of the messages')


@dataclass(frozen=True, kw_only=True)
class ServerParameters(ModelParameters):
    """Serves the faces of many robots from one process, like a reaction_node in each namespace."""

    namespaces: str = parameter(
        'robot1, robot2',
        "The robots' namespaces, separated by commas; relative to the server's own",
        check=_namespaces,
    )
    max_gather_s: float = parameter(
        0.01,
        "How long a frame waits for other faces' frames: one step costs nearly the same for one "
        'face as for all',
        unit='s',
        between=(0.0, 0.04),
        settable=True,
    )


@dataclass(frozen=True, kw_only=True)
class ActuatorParameters:
    """Moves the motors of a face and neck; the file of actuators names the topics it publishes."""

    actuators: str = parameter(
        '', "File that declares the actuators; '': the shipped config/actuators.yaml"
    )
    rate_hz: float = parameter(50.0, 'Commands per second', unit='Hz', between=(10.0, 200.0))
    timeout_s: float = parameter(
        0.3,
        'Without a reaction for this long, the face eases to an attentive neutral one that blinks',
        unit='s',
        between=(0.1, 5.0),
    )
    ease_s: float = parameter(
        1.0, 'Duration of the transition to the neutral face', unit='s', between=(0.1, 10.0)
    )
    enabled: bool = parameter(
        True, 'Whether it moves from the start; false: after the service ~/enable was called'
    )
    joint_states: str = parameter(
        '',
        'Topic of measured joint positions from which the motion starts (such as /joint_states); '
        "'': it starts from the neutral positions",
    )


WHISPER = ParameterTable(
    'whisper_node', WhisperParameters, listens=(AUDIO,), publishes=(EMBEDDING,)
)
REACTION = ParameterTable(
    'reaction_node', ModelParameters, listens=(FACE, EMBEDDING), publishes=(REACTION_TOPIC,)
)
SERVER = ParameterTable(
    'reaction_server',
    ServerParameters,
    listens=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.listens),
    publishes=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.publishes),
)
ACTUATOR = ParameterTable(
    'face_actuator_node', ActuatorParameters, listens=(REACTION_TOPIC, STOP_TOPIC)
)
TABLES = (
    OPENFACE,
    CAMERA_FACE,
    MICROPHONE_TABLE,
    WHISPER,
    REACTION,
    SERVER,
    ACTUATOR,
    SCREEN,
    VIEW,
    RECORD,
    REPLAY,
)

_HEADER = """\
# Every parameter of every node with its default. In brackets: unit, allowed values, and
# 'settable' if it can be changed while the node runs (ros2 param set). Launch arguments
# override this file.
"""


def bringup_yaml() -> str:
    """The text of config/bringup.yaml."""
    return '\n'.join((_HEADER, *(table.yaml() for table in TABLES)))


def markdown() -> str:
    """The text of docs/parameters.md."""
    return '\n'.join(('# Parameters\n', *(table.markdown() for table in TABLES)))


if __name__ == '__main__':
    print({'yaml': bringup_yaml, 'markdown': markdown}[sys.argv[1]](), end='')
