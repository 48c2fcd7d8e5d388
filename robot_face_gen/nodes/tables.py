# SPDX-License-Identifier: Apache-2.0
"""The parameters and topics of every node.

`python -m robot_face_gen.nodes.tables yaml > config/bringup.yaml`, `... markdown >
docs/parameters.md` and `... sros2 > config/sros2_policy.xml` write the generated files.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from robot_face_gen.facial_reaction_model.config import MAX_TEMPERATURE
from robot_face_gen.models.backends import AUTO, BACKENDS, CPU_BACKENDS
from robot_face_gen.screen.settings import COLOURS, CONTROL, SKINS
from robot_face_gen.timing import MAX_WAIT_S

from .inspection_tables import RECORD, REPLAY, VIEW
from .parameter_table import ParameterTable, parameter
from .security_policy import sros2_policy
from .topics import (
    AUDIO,
    CAMERA_INFO,
    EMBEDDING,
    FACE,
    PICTURES,
    REACTION_TOPIC,
    STOP_TOPIC,
)  # fmt: skip

FOLLOW = 'follow:'
CAMERA, VIDEO, IMAGE = 'camera:', 'video:', 'image:'
MICROPHONE = 'microphone'
HRI = 'hri'
TOPIC = 'topic'
INT_MAX = 2**31 - 1
TRAINED = -1.0  # a time of `whisper_node`: as in the training of the checkpoint


def _not_empty(value: str) -> str:
    return '' if value.strip() else 'expected a source'


def _host(value: str) -> str:
    return '' if value.strip() else 'expected an address'


def _whole_steps(value: float) -> str:
    if value >= 0.0 and abs(value * 50.0 - round(value * 50.0)) < 1e-6:
        return ''
    return '' if value == TRAINED else f'expected a multiple of 0.02, or {TRAINED}'


def _steps_not_0(value: float) -> str:
    return _whole_steps(value) if value else f'expected at least 0.02, or {TRAINED}'


def _picture_source(value: str) -> str:
    kind, _, name = value.partition(':')
    known = f'{kind}:' in (CAMERA, VIDEO, IMAGE) and name.strip()
    return '' if known else f'expected {CAMERA}NUMBER, {VIDEO}FILE or {IMAGE}TOPIC'


def _not_negative(value: float) -> str:
    return '' if value >= 0.0 else 'expected 0.0 or a time'


def namespaces(value: str) -> list[str]:
    """The names in a comma-separated list of namespaces.

    Raises:
        ValueError: the list is empty, or a name is invalid or appears twice.
    """
    names = [name.strip() for name in value.split(',')]
    for name in names:
        if not re.fullmatch(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', name, re.ASCII):
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
class PlayedParameters:
    """Parameters of the nodes whose source may be a recording."""

    speed: float = parameter(1.0, 'Playback speed (1.0 = real time)', low=0.1, high=20.0)
    start_time: float = parameter(
        0.0,
        'Start time of a recording by the clock of the node; the same value keeps several sources '
        'in sync; 0.0 starts at once',
        unit='s since 1970',
        check=_not_negative,
    )
    loop: bool = parameter(False, 'Repeat a recording')
    loop_period_s: float = parameter(
        0.0,
        'Length of one round of a repeated recording, at least its own length (0.0); the same '
        'value keeps face and voice in sync, bringup sets it to the longer of the two',
        unit='s of the recording',
        check=_not_negative,
    )
    exit_at_end: bool = parameter(False, 'Exit at the end of a recording')


@dataclass(frozen=True, kw_only=True)
class OpenFaceParameters(PlayedParameters):
    """Parameters of `openface_node`."""

    source: str = parameter(
        'openface.csv',
        "A recorded CSV, 'follow:' and the CSV that FeatureExtraction is writing, or 'hri' or "
        "'hri:' and a face's id: a face that ROS4HRI (hri_msgs) tracks",
        check=_not_empty,
    )
    frame_id: str = parameter('camera_optical_frame', 'Frame of the messages: optical (REP 103)')
    poll_s: float = parameter(
        0.01, 'Interval at which a followed CSV is read', unit='s', low=0.001, high=1.0
    )
    hri_full_intensity: float = parameter(
        1.0,
        "Intensity in hri_msgs/FacialActionUnits that is OpenFace's 5",
        low=0.01,
        high=100.0,
    )


@dataclass(frozen=True, kw_only=True)
class CameraParameters(PlayedParameters):
    """Parameters of `camera_face_node`."""

    source: str = parameter(
        'camera:0',
        "'camera:' and its number or path, 'video:' and a film, or 'image:' and a topic of "
        'sensor_msgs/Image (CompressedImage if its name ends in compressed)',
        check=_picture_source,
    )
    frame_id: str = parameter(
        'camera_optical_frame',
        'Frame of the messages: optical (REP 103); of an image topic, that of the image',
    )
    width: int = parameter(
        640, "Requested from a camera; 0: the driver's choice", unit='pixels', low=0, high=7680
    )
    height: int = parameter(
        480, "Requested from a camera; 0: the driver's choice", unit='pixels', low=0, high=4320
    )
    rate: float = parameter(
        30.0, "Requested from a camera; 0.0: the driver's choice", unit='Hz', low=0.0, high=240.0
    )
    field_of_view: float = parameter(
        0.0,
        "Horizontal, of a camera without camera_info; 0.0: OpenFace's assumption, 65 degrees at "
        '4:3',
        unit='degrees',
        low=0.0,
        high=170.0,
    )
    threads: int = parameter(1, 'Threads of the networks', low=1, high=64)
    retry_s: float = parameter(
        1.0,
        'Time until a missing camera is tried again; doubles up to 10 s',
        unit='s',
        low=0.1,
        high=60.0,
    )


@dataclass(frozen=True, kw_only=True)
class MicrophoneParameters(PlayedParameters):
    """Parameters of `microphone_node`."""

    source: str = parameter(
        MICROPHONE,
        "'microphone' (the default one), 'microphone:' and its name or number, 'topic:' and a "
        'topic of audio_common_msgs, or a file: sound or a film with sound',
        check=_not_empty,
    )
    frame_id: str = parameter('microphone', 'Frame of the messages')
    sample_rate: int = parameter(
        16000,
        'Sample rate requested from a microphone; a file keeps its own',
        unit='Hz',
        low=8000,
        high=192000,
    )
    chunk_s: float = parameter(0.02, 'Sound in one message', unit='s', low=0.005, high=1.0)
    retry_s: float = parameter(
        1.0, 'Time between attempts to open a missing microphone', unit='s', low=0.1, high=60.0
    )


@dataclass(frozen=True, kw_only=True)
class WhisperParameters:
    """Parameters of `whisper_node`."""

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
        check=_not_empty,
    )
    hop_s: float = parameter(
        TRAINED,
        'Sound between two runs of the encoder, a multiple of 20 ms; -1.0: as in the training',
        unit='s',
        low=TRAINED,
        high=1.0,
        check=_steps_not_0,
    )
    context_s: float = parameter(
        TRAINED,
        'Sound that the encoder sees, the newest included; -1.0: as in the training',
        unit='s',
        low=TRAINED,
        high=30.0,
        check=_steps_not_0,
    )
    settle_s: float = parameter(
        TRAINED,
        'Sound after an embedding that the encoder waits for: more accurate, but later; -1.0: as '
        'in the training',
        unit='s',
        low=TRAINED,
        high=1.0,
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
    threads: int = parameter(1, 'Threads on a CPU; 0: chosen by the backend', low=0, high=64)
    max_queue_s: float = parameter(
        1.0,
        'Longest queue of sound while the encoder is busy; older sound is dropped and counted',
        unit='s',
        low=0.1,
        high=30.0,
    )


@dataclass(frozen=True, kw_only=True)
class ModelParameters:
    """Parameters of the nodes that run the reaction model."""

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
    threads: int = parameter(1, 'Threads on a CPU; 0: chosen by the backend', low=0, high=64)
    temperature: float = parameter(
        1.0,
        'Scale of the random variation; at 0.0 the same input always gives the same reaction',
        low=0.0,
        high=MAX_TEMPERATURE,
        settable=True,
    )
    seed: int = parameter(
        -1, 'Makes a session repeatable; -1: a new seed each time', low=-1, high=INT_MAX
    )
    min_confidence: float = parameter(
        0.7,
        'Frames with a lower confidence are treated as missing',
        low=0.0,
        high=1.0,
        settable=True,
    )
    max_wait_s: float = parameter(
        MAX_WAIT_S,
        'How much longer than usual a frame waits for its face or sound before it is answered '
        'without',
        unit='s',
        low=0.0,
        high=2.0,
    )
    max_playout_delay_s: float = parameter(
        0.2,
        "Longest delay of an answer after the speaker's frame, used to publish at even intervals; "
        'a longer hop adds to it',
        unit='s',
        low=0.0,
        high=2.0,
    )
    max_backlog_s: float = parameter(
        1.0,
        'Longest queue of frames while the model is busy; older frames are dropped and counted',
        unit='s',
        low=0.1,
        high=30.0,
    )
    hop: int = parameter(
        1,
        'Frames that the model answers at a time: more frames cost less CPU and add latency',
        unit='frames of 40 ms',
        low=1,
        high=16,
        settable=True,
    )
    frame_id: str = parameter('robot_face', 'Frame of the messages')


@dataclass(frozen=True, kw_only=True)
class ReactionParameters(ModelParameters):
    """Parameters of `reaction_node`."""


@dataclass(frozen=True, kw_only=True)
class ServerParameters(ModelParameters):
    """Parameters of `reaction_server`."""

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
        low=0.0,
        high=0.04,
        settable=True,
    )


@dataclass(frozen=True, kw_only=True)
class ActuatorParameters:
    """Parameters of `face_actuator_node`."""

    actuators: str = parameter(
        '', "File that declares the actuators; '': the shipped config/actuators.yaml"
    )
    rate_hz: float = parameter(50.0, 'Commands per second', unit='Hz', low=10.0, high=200.0)
    timeout_s: float = parameter(
        0.3,
        'Without a reaction for this long, the face eases to an attentive neutral one that blinks',
        unit='s',
        low=0.1,
        high=5.0,
    )
    ease_s: float = parameter(
        1.0, 'Duration of the transition to the neutral face', unit='s', low=0.1, high=10.0
    )
    enabled: bool = parameter(
        True, 'Whether it moves from the start; false: after the service ~/enable was called'
    )
    joint_states: str = parameter(
        '',
        'Topic of measured joint positions from which the motion starts (such as /joint_states); '
        "'': it starts from the neutral positions",
    )


@dataclass(frozen=True, kw_only=True)
class ScreenParameters:
    """Parameters of `face_screen_node`."""

    host: str = parameter(
        '127.0.0.1',
        'Address to listen on; 0.0.0.0 opens the pages to the network',
        check=_host,
    )
    port: int = parameter(8090, 'TCP port; 0: any free one', low=0, high=65535)
    skin: str = parameter(
        SKINS[0], 'Appearance; a page chooses its own with ?skin=', choices=SKINS
    )
    colour: str = parameter(
        COLOURS[0], 'Colour; a page chooses its own with ?colour=', choices=COLOURS
    )
    control: str = parameter(
        CONTROL[0],
        'Who may change parameters and switch the actuators on the page /inspect: local (viewers '
        'on this machine), all or none',
        choices=CONTROL,
    )
    allowed_hosts: str = parameter(
        '',
        'Further host names of this machine, separated by commas; requests to other names are '
        'refused',
    )
    max_viewers: int = parameter(8, 'Pages that may be open at a time', low=1, high=100)


OPENFACE = ParameterTable(
    'openface_node',
    'publishes OpenFace frames: a recorded CSV in real time, or a CSV that is being written',
    OpenFaceParameters,
    publishes=(FACE,),
)
CAMERA_FACE = ParameterTable(
    'camera_face_node',
    "tracks a person's face in the pictures of a camera, a film or a topic",
    CameraParameters,
    listens=(PICTURES, CAMERA_INFO),
    publishes=(FACE,),
)
MICROPHONE_TABLE = ParameterTable(
    'microphone_node',
    'publishes the sound of a microphone, or of a recording in real time',
    MicrophoneParameters,
    publishes=(AUDIO,),
)
WHISPER = ParameterTable(
    'whisper_node',
    'turns sound into Whisper embeddings, 50 a second',
    WhisperParameters,
    listens=(AUDIO,),
    publishes=(EMBEDDING,),
)
REACTION = ParameterTable(
    'reaction_node',
    "answers the speaker's face and voice with a listener's face, 25 times a second",
    ReactionParameters,
    listens=(FACE, EMBEDDING),
    publishes=(REACTION_TOPIC,),
)
SERVER = ParameterTable(
    'reaction_server',
    'serves the faces of many robots from one process, as a reaction_node in each namespace would',
    ServerParameters,
    listens=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.listens),
    publishes=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.publishes),
)
ACTUATOR = ParameterTable(
    'face_actuator_node',
    'moves the motors of a face and neck; the file of actuators names the topics it publishes',
    ActuatorParameters,
    listens=(REACTION_TOPIC, STOP_TOPIC),
)
SCREEN = ParameterTable(
    'face_screen_node',
    'shows the face in web browsers, and a page for inspection',
    ScreenParameters,
    listens=(REACTION_TOPIC, FACE, AUDIO),
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
    texts = {'yaml': bringup_yaml, 'markdown': markdown, 'sros2': lambda: sros2_policy(TABLES)}
    print(texts[sys.argv[1]](), end='')
