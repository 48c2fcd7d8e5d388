# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes that show, record and replay the graph."""

from __future__ import annotations

from dataclasses import dataclass

from .parameter_table import ParameterTable, parameter
from .topics import FACE, REACTION_TOPIC


def _not_empty_list(value: str) -> str:
    names = [name.strip() for name in value.split(',')]
    return '' if all(names) else 'expected a word or names separated by commas'


def _not_negative(value: float) -> str:
    return '' if value >= 0.0 else 'expected 0.0 or a time'


def _mcap(value: str) -> str:
    return '' if not value or value.endswith('.mcap') else 'expected a name that ends in .mcap'


def _name(value: str) -> str:
    return '' if value.strip() else 'expected a name'


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """Parameters of `face_view_node`."""

    image_size_px: int = parameter(
        480, 'Width and height of the images', unit='px', low=64, high=1080, settable=True
    )
    crop_m: float = parameter(
        0.22,
        "Side of the robot's face crop among the markers; 0.22 gives the size of a person's face",
        unit='m',
        low=0.02,
        high=5.0,
        settable=True,
    )
    publish_tf: bool = parameter(
        True,
        'Publish static transforms from base_frame to the frames of both faces; false where the '
        "robot's description has these frames",
    )
    base_frame: str = parameter('base_link', 'Frame at the middle of the face', check=_name)
    camera_height_m: float = parameter(
        0.15,
        'Height of the camera above base_frame, looking forward',
        unit='m',
        low=-5.0,
        high=5.0,
    )


@dataclass(frozen=True, kw_only=True)
class RecordParameters:
    """Parameters of `record_node`."""

    output: str = parameter(
        '',
        "File to write (.mcap); '': recording_DATE-TIME.mcap in the working folder",
        check=_mcap,
    )
    topics: str = parameter(
        'robot',
        "'robot' (topics of this package and joint commands in the node's namespace and below, "
        "/diagnostics, /rosout, /tf, /tf_static), 'all', or names separated by commas",
        check=_not_empty_list,
    )
    duration_s: float = parameter(
        0.0, 'Length of the recording; 0.0: until the node is stopped', unit='s',
        check=_not_negative,
    )  # fmt: skip
    min_free_mb: int = parameter(
        200,
        'The recording is completed and ends when the disk has less free space',
        unit='MB',
        low=0,
        high=1_000_000,
    )


@dataclass(frozen=True, kw_only=True)
class ReplayParameters:
    """Parameters of `replay_node`."""

    source: str = parameter(
        'recording.mcap', 'A bag: a folder, an .mcap or a .db3 file', check=_name
    )
    topics: str = parameter(
        'all',
        "'all' (with their recorded names), 'sources' (face and sound of one speaker, below the "
        "node's namespace), or names separated by commas",
        check=_not_empty_list,
    )
    bag_namespace: str = parameter(
        '', "Namespace in the bag, for 'sources'; '': the only one that has a face or sound"
    )
    speed: float = parameter(1.0, 'Playback speed (1.0 = real time)', low=0.1, high=20.0)
    loop: bool = parameter(False, 'Start again at the end')
    clock_hz: float = parameter(
        0.0,
        'Rate of /clock with the time of the bag, for nodes with use_sim_time; 0.0: no /clock',
        unit='Hz',
        low=0.0,
        high=1000.0,
    )
    start_time: float = parameter(
        0.0,
        'Start time by the clock of the system; 0.0 starts at once',
        unit='s since 1970',
        check=_not_negative,
    )
    delay_s: float = parameter(
        1.0, 'Time before the first message, so that subscribers find the topics', unit='s',
        low=0.0, high=600.0,
    )  # fmt: skip
    exit_at_end: bool = parameter(True, 'Exit at the end of the bag')


VIEW = ParameterTable(
    'face_view_node',
    'publishes both faces as images and markers, while somebody subscribes to them',
    ViewParameters,
    listens=(FACE, REACTION_TOPIC),
    publishes=(
        ('robot_face/image', 'sensor_msgs/msg/Image'),
        ('speaker/image', 'sensor_msgs/msg/Image'),
        ('robot_face/markers', 'visualization_msgs/msg/MarkerArray'),
    ),
)
RECORD = ParameterTable(
    'record_node',
    'writes the topics of the robot into a bag (MCAP); the file has its name when it is complete',
    RecordParameters,
)
REPLAY = ParameterTable(
    'replay_node',
    'publishes the messages of a bag, with /clock if asked for',
    ReplayParameters,
)
