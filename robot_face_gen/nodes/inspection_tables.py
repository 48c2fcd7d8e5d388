# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes that show, record and replay the graph."""

from __future__ import annotations

from dataclasses import dataclass

from robot_face_gen.screen.settings import COLOURS, CONTROL, SKINS
from robot_face_gen.topics import AUDIO, FACE, REACTION_TOPIC

from .parameter_table import ParameterTable, filled, not_negative, parameter


def _not_empty_list(value: str) -> str:
    names = [name.strip() for name in value.split(',')]
    return '' if all(names) else 'expected a word or names separated by commas'


def _mcap(value: str) -> str:
    return '' if not value or value.endswith('.mcap') else 'expected a name that ends in .mcap'


@dataclass(frozen=True, kw_only=True)
class ViewParameters:
    """Publishes both faces as images and markers, while there are subscribers."""

    image_size_px: int = parameter(
        480, 'Width and height of the images', unit='px', between=(64, 1080), settable=True
    )
    crop_m: float = parameter(
        0.22,
        "Side of the robot's face crop among the markers; 0.22 gives the size of a person's face",
        unit='m',
        between=(0.02, 5.0),
        settable=True,
    )
    publish_tf: bool = parameter(
        True,
        'Publish static transforms from base_frame to the frames of both faces; false where the '
        "robot's description has these frames",
    )
    base_frame: str = parameter(
        'base_link', 'Frame at the middle of the face', check=filled('a name')
    )
    camera_height_m: float = parameter(
        0.15,
        'Height of the camera above base_frame, looking forward',
        unit='m',
        between=(-5.0, 5.0),
    )


@dataclass(frozen=True, kw_only=True)
class RecordParameters:
    """Writes topics of the robot into a bag (MCAP); the file has its name when it is complete."""

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
        check=not_negative,
    )  # fmt: skip
    min_free_mb: int = parameter(
        200,
        'The recording is completed and ends when the disk has less free space',
        unit='MB',
        between=(0, 1_000_000),
    )


@dataclass(frozen=True, kw_only=True)
class ReplayParameters:
    """Publishes the messages of a bag, with /clock if asked for."""

    source: str = parameter(
        'recording.mcap', 'A bag: a folder, an .mcap or a .db3 file', check=filled('a name')
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
    speed: float = parameter(1.0, 'Playback speed (1.0 = real time)', between=(0.1, 20.0))
    loop: bool = parameter(False, 'Start again at the end')
    clock_hz: float = parameter(
        0.0,
        'Rate of /clock with the time of the bag, for nodes with use_sim_time; 0.0: no /clock',
        unit='Hz',
        between=(0.0, 1000.0),
    )
    start_time: float = parameter(
        0.0,
        'Start time by the clock of the system; 0.0 starts at once',
        unit='s since 1970',
        check=not_negative,
    )
    delay_s: float = parameter(
        1.0, 'Time before the first message, so that subscribers find the topics', unit='s',
        between=(0.0, 600.0),
    )  # fmt: skip
    exit_at_end: bool = parameter(True, 'Exit at the end of the bag')


@dataclass(frozen=True, kw_only=True)
class ScreenParameters:
    """Shows the face in web browsers, and a page for inspection."""

    host: str = parameter(
        '127.0.0.1',
        'Address to listen on; 0.0.0.0 opens the pages to the network',
        check=filled('an address'),
    )
    port: int = parameter(8090, 'TCP port; 0: any free one', between=(0, 65535))
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
    max_viewers: int = parameter(8, 'Pages that may be open at a time', between=(1, 100))


VIEW = ParameterTable(
    'face_view_node',
    ViewParameters,
    listens=(FACE, REACTION_TOPIC),
    publishes=(
        ('robot_face/image', 'sensor_msgs/msg/Image'),
        ('speaker/image', 'sensor_msgs/msg/Image'),
        ('robot_face/markers', 'visualization_msgs/msg/MarkerArray'),
    ),
)
RECORD = ParameterTable('record_node', RecordParameters)
REPLAY = ParameterTable('replay_node', ReplayParameters)
SCREEN = ParameterTable(
    'face_screen_node', ScreenParameters, listens=(REACTION_TOPIC, FACE, AUDIO)
)
