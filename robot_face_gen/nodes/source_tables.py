# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes that publish a face or a voice."""

from __future__ import annotations

from dataclasses import dataclass

from robot_face_gen.sources import CAMERA, IMAGE, MICROPHONE, VIDEO
from robot_face_gen.topics import AUDIO, CAMERA_INFO, FACE, PICTURES

from .parameter_table import ParameterTable, filled, not_negative, parameter


def _picture_source(value: str) -> str:
    kind, _, name = value.partition(':')
    known = f'{kind}:' in (CAMERA, VIDEO, IMAGE) and name.strip()
    return '' if known else f'expected {CAMERA}NUMBER, {VIDEO}FILE or {IMAGE}TOPIC'


@dataclass(frozen=True, kw_only=True)
class PlayedParameters:
    """Parameters of the nodes whose source may be a recording."""

    speed: float = parameter(1.0, 'Playback speed (1.0 = real time)', between=(0.1, 20.0))
    start_time: float = parameter(
        0.0,
        'Start time of a recording by the clock of the node; the same value keeps several sources '
        'in sync; 0.0 starts at once',
        unit='s since 1970',
        check=not_negative,
    )
    loop: bool = parameter(False, 'Repeat a recording')
    loop_period_s: float = parameter(
        0.0,
        'Length of one round of a repeated recording, at least its own length (0.0); the same '
        'value keeps face and voice in sync, bringup sets it to the longer of the two',
        unit='s of the recording',
        check=not_negative,
    )
    exit_at_end: bool = parameter(False, 'Exit at the end of a recording')


@dataclass(frozen=True, kw_only=True)
class OpenFaceParameters(PlayedParameters):
    """Publishes OpenFace frames: a recorded CSV in real time, or a CSV that is being written."""

    source: str = parameter(
        'openface.csv',
        "A recorded CSV, 'follow:' and the CSV that FeatureExtraction is writing, or 'hri' or "
        "'hri:' and a face's id: a face that ROS4HRI (hri_msgs) tracks",
        check=filled('a source'),
    )
    frame_id: str = parameter('camera_optical_frame', 'Frame of the messages: optical (REP 103)')
    poll_s: float = parameter(
        0.01, 'Interval at which a followed CSV is read', unit='s', between=(0.001, 1.0)
    )
    hri_full_intensity: float = parameter(
        1.0, "Intensity in hri_msgs/FacialActionUnits that is OpenFace's 5", between=(0.01, 100.0)
    )


@dataclass(frozen=True, kw_only=True)
class CameraParameters(PlayedParameters):
    """Tracks a person's face in the pictures of a camera, a film or a topic."""

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
        640, "Requested from a camera; 0: the driver's choice", unit='pixels', between=(0, 7680)
    )
    height: int = parameter(
        480, "Requested from a camera; 0: the driver's choice", unit='pixels', between=(0, 4320)
    )
    rate: float = parameter(
        30.0, "Requested from a camera; 0.0: the driver's choice", unit='Hz', between=(0.0, 240.0)
    )
    field_of_view: float = parameter(
        0.0,
        "Horizontal, of a camera without camera_info; 0.0: OpenFace's assumption, 65 degrees at "
        '4:3',
        unit='degrees',
        between=(0.0, 170.0),
    )
    threads: int = parameter(1, 'Threads of the networks', between=(1, 64))
    retry_s: float = parameter(
        1.0,
        'Time until a missing camera is tried again; doubles up to 10 s',
        unit='s',
        between=(0.1, 60.0),
    )


@dataclass(frozen=True, kw_only=True)
class MicrophoneParameters(PlayedParameters):
    """Publishes the sound of a microphone, or of a recording in real time."""

    source: str = parameter(
        MICROPHONE,
        "'microphone' (the default one), 'microphone:' and its name or number, 'topic:' and a "
        'topic of audio_common_msgs, or a file: sound or a film with sound',
        check=filled('a source'),
    )
    frame_id: str = parameter('microphone', 'Frame of the messages')
    sample_rate: int = parameter(
        16000,
        'Sample rate requested from a microphone; a file keeps its own',
        unit='Hz',
        between=(8000, 192000),
    )
    chunk_s: float = parameter(0.02, 'Sound in one message', unit='s', between=(0.005, 1.0))
    retry_s: float = parameter(
        1.0, 'Time between attempts to open a missing microphone', unit='s', between=(0.1, 60.0)
    )


OPENFACE = ParameterTable('openface_node', OpenFaceParameters, publishes=(FACE,))
CAMERA_FACE = ParameterTable(
    'camera_face_node', CameraParameters, listens=(PICTURES, CAMERA_INFO), publishes=(FACE,)
)
MICROPHONE_TABLE = ParameterTable('microphone_node', MicrophoneParameters, publishes=(AUDIO,))
