# SPDX-License-Identifier: Apache-2.0
"""The parameters of every node, as `config/bringup.yaml` and the README show them.

`python -m robot_face_gen.nodes.tables yaml` prints config/bringup.yaml, `... markdown` the tables
of the README.
"""

from __future__ import annotations

import re
import sys

from .parameter_table import ParameterTable, Row

FOLLOW = 'follow:'
MICROPHONE = 'microphone'
INT_MAX = 2**31 - 1
# Topics and their types.
FACE = ('openface/features', 'robot_face_gen_msgs/msg/FaceFeatures')
AUDIO = ('audio', 'robot_face_gen_msgs/msg/AudioChunk')
EMBEDDING = ('whisper/embedding', 'robot_face_gen_msgs/msg/AudioEmbedding')
REACTION_TOPIC = ('robot_face/reaction', 'robot_face_gen_msgs/msg/FaceReaction')
BACKENDS = ('auto', 'eager', 'onnx', 'onnx-int8')
MODEL_BACKENDS = (*BACKENDS, 'cuda-graph')


def _not_empty(value: str) -> str:
    return '' if value.strip() else 'expected a source'


def _whole_steps(value: float) -> str:
    return '' if abs(value * 50.0 - round(value * 50.0)) < 1e-6 else 'expected a multiple of 0.02'


def _backend(value: str) -> str:
    return '' if value in BACKENDS else f'expected {", ".join(BACKENDS)}'


def _model_backend(value: str) -> str:
    return '' if value in MODEL_BACKENDS else f'expected {", ".join(MODEL_BACKENDS)}'


def namespaces(value: str) -> list[str]:
    """The names in a list of namespaces.

    Raises:
        ValueError: there is none, one is none, or one comes twice.
    """
    names = [name.strip() for name in value.split(',')]
    for name in names:
        if not re.fullmatch(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', name, re.ASCII):
            raise ValueError(f'{name!r} is no namespace: expected names separated by commas')
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'{twice!r} comes twice')
    return names


def _namespaces(value: str) -> str:
    try:
        namespaces(value)
    except ValueError as error:
        return str(error)
    return ''


def _not_negative(value: float) -> str:
    return '' if value >= 0.0 else 'expected 0.0 or a time'


_PLAYED = (
    Row('speed', 1.0, 'Pace of a recording, as a multiple of its own', low=0.1, high=20.0),
    Row(
        'start_time',
        0.0,
        'When a recording begins, by the clock; give several sources the same one to keep them in '
        'step; 0.0 is at once',
        unit='s since 1970',
        check=_not_negative,
    ),
    Row('loop', False, 'Begin a recording again at its end'),
    Row(
        'loop_period_s',
        0.0,
        'Length of a round with loop; 0.0 and less than the length of the recording: its length. '
        'Give face and voice the same one to keep them in step (bringup does so)',
        unit='s of the recording',
        check=_not_negative,
    ),
    Row('exit_at_end', False, 'End the node at the end of a recording'),
)

OPENFACE = ParameterTable(
    'openface_node',
    'brings the frames of OpenFace in: a recorded CSV at its own pace, or one still being written',
    (
        Row(
            'source',
            'openface.csv',
            "A recorded CSV, or 'follow:' and the CSV that FeatureExtraction is writing",
            check=_not_empty,
        ),
        *_PLAYED,
        Row('frame_id', 'camera_optical_frame', 'Frame of the messages: optical (REP 103)'),
        Row(
            'poll_s',
            0.01,
            'How often a followed CSV is looked at for new rows',
            unit='s',
            low=0.001,
            high=1.0,
        ),
    ),
    publishes=(FACE,),
)

MICROPHONE_TABLE = ParameterTable(
    'microphone_node',
    'publishes the sound of a microphone, or of a recording as if it were one',
    (
        Row(
            'source',
            MICROPHONE,
            "'microphone' (the default one), 'microphone:' and its name or number, or a WAV or "
            'FLAC file',
            check=_not_empty,
        ),
        *_PLAYED,
        Row('frame_id', 'microphone', 'Frame of the messages'),
        Row(
            'sample_rate',
            16000,
            'Rate asked of a microphone; a file keeps its own',
            unit='Hz',
            low=8000,
            high=192000,
        ),
        Row('chunk_s', 0.02, 'Sound in one message', unit='s', low=0.005, high=1.0),
        Row(
            'retry_s',
            1.0,
            'Pause before a microphone that is not there is tried again',
            unit='s',
            low=0.1,
            high=60.0,
        ),
    ),
    publishes=(AUDIO,),
)

WHISPER = ParameterTable(
    'whisper_node',
    'turns sound into Whisper embeddings, 50 a second',
    (
        Row(
            'weights',
            'untrained',
            "'untrained' (fixed random weights, no download; what the shipped checkpoint knows), "
            "a Whisper model's name such as 'tiny', or the path of a .pt file in Whisper's format",
            check=_not_empty,
        ),
        Row(
            'hop_s',
            0.04,
            'New embeddings are made each time so much sound has come; whole 20 ms steps',
            unit='s',
            low=0.02,
            high=1.0,
            check=_whole_steps,
        ),
        Row(
            'context_s',
            2.0,
            'Sound that the encoder sees, the newest included',
            unit='s',
            low=0.2,
            high=30.0,
            check=_whole_steps,
        ),
        Row(
            'settle_s',
            0.0,
            'Sound after an embedding that the encoder waits for: steadier, later',
            unit='s',
            low=0.0,
            high=1.0,
            check=_whole_steps,
        ),
        Row(
            'device',
            'cpu',
            'Where the encoder runs: auto, cpu, cuda or cuda:N; auto takes CUDA '
            'where there is one',
        ),
        Row(
            'backend',
            'auto',
            'What computes: eager (torch), onnx (ONNX Runtime on a CPU: equal, faster), onnx-int8 '
            '(8-bit weights: faster still, not quite equal); auto takes onnx where it can',
            check=_backend,
        ),
        Row('threads', 1, "Threads on a CPU; 0 is the backend's choice", low=0, high=64),
        Row(
            'max_queue_s',
            1.0,
            'Sound that waits at most while the encoder is busy; older is dropped and counted',
            unit='s',
            low=0.1,
            high=30.0,
        ),
    ),
    listens=(AUDIO,),
    publishes=(EMBEDDING,),
)

REACTION = ParameterTable(
    'reaction_node',
    "answers the speaker's face and voice with a listener's face, 25 times a second",
    (
        Row(
            'checkpoint',
            '',
            "A model's safetensors file; '' is the one that comes with the package, or, where "
            'none does, an untrained model',
        ),
        Row(
            'device',
            'auto',
            'Where the model runs: auto, cpu, cuda or cuda:N; auto takes CUDA where there is one',
        ),
        Row(
            'backend',
            'auto',
            'What computes: eager (torch), onnx (ONNX Runtime on a CPU: equal, faster), onnx-int8 '
            '(8-bit weights: faster still, not quite equal), cuda-graph (a step recorded on a '
            'CUDA device); auto takes onnx on a CPU where it can',
            check=_model_backend,
        ),
        Row('threads', 1, "Threads on a CPU; 0 is the backend's choice", low=0, high=64),
        Row(
            'hop',
            1,
            'Frames that the model answers at a time: more cost less and come later',
            unit='frames of 40 ms',
            low=1,
            high=16,
            settable=True,
        ),
        Row(
            'temperature',
            1.0,
            'How freely the reaction varies; 0.0 always gives the same to the same speaker',
            low=0.0,
            high=2.0,
            settable=True,
        ),
        Row(
            'seed',
            -1,
            'Makes a session repeatable; -1 is another one each time',
            low=-1,
            high=INT_MAX,
        ),
        Row(
            'min_confidence',
            0.7,
            'A face that the tracker believes less than this is taken as not seen',
            low=0.0,
            high=1.0,
            settable=True,
        ),
        Row(
            'max_wait_s',
            0.08,
            'How much longer than usual a frame waits for its face or sound before it is answered '
            'without',
            unit='s',
            low=0.0,
            high=2.0,
        ),
        Row(
            'max_playout_delay_s',
            0.2,
            "How long after the speaker's frame an answer is held back at most, so that all leave "
            'evenly; a hop adds what it costs',
            unit='s',
            low=0.0,
            high=2.0,
        ),
        Row(
            'max_backlog_s',
            1.0,
            'Frames that wait at most while the model is busy; older are dropped and counted',
            unit='s',
            low=0.1,
            high=30.0,
        ),
        Row('frame_id', 'robot_face', 'Frame of the messages'),
    ),
    listens=(FACE, EMBEDDING),
    publishes=(REACTION_TOPIC,),
)

SERVER = ParameterTable(
    'reaction_server',
    'serves the faces of many robots from one process, as a reaction_node in each namespace would',
    (
        Row(
            'namespaces',
            'robot1, robot2',
            "The robots' namespaces, separated by commas; relative to the server's own",
            check=_namespaces,
        ),
        *(row for row in REACTION.rows if row.name != 'hop'),
        Row(
            'max_gather_s',
            0.01,
            "How long a frame that is ready waits for other faces' frames: a step costs nearly "
            'the same for one as for all',
            unit='s',
            low=0.0,
            high=0.04,
            settable=True,
        ),
    ),
    listens=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.listens),
    publishes=tuple((f'NAMESPACE/{topic}', kind) for topic, kind in REACTION.publishes),
)

TABLES = (OPENFACE, MICROPHONE_TABLE, WHISPER, REACTION, SERVER)

_HEADER = """\
# Every parameter of every node with its default. In brackets: unit, what is allowed, and
# 'settable' where it can be changed while the node runs (ros2 param set). Launch arguments win
# over this file.
"""


def bringup_yaml() -> str:
    """The text of config/bringup.yaml."""
    return '\n'.join((_HEADER, *(table.yaml() for table in TABLES)))


def markdown() -> str:
    """The tables of all nodes for the README."""
    return '\n'.join(table.markdown() for table in TABLES)


if __name__ == '__main__':
    print({'yaml': bringup_yaml, 'markdown': markdown}[sys.argv[1]](), end='')
