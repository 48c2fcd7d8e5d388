# SPDX-License-Identifier: Apache-2.0
"""The robot's nodes, declared once: launch arguments, and the nodes and parameters they select.

`launch/*.launch.py` turn this declaration into `launch_ros` nodes, `robot-face-gen bringup` into
child processes. Nothing here imports rclpy or launch.
"""

from __future__ import annotations

import difflib
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .viewers import TOPICS, VIEWERS, Viewer
from .yaml_file import parse_yaml

PACKAGE = 'robot_face_gen'
NODES = (
    'openface_node',
    'camera_face_node',
    'microphone_node',
    'whisper_node',
    'reaction_node',
    'reaction_server',
    'face_actuator_node',
    'face_screen_node',
    'face_view_node',
    'record_node',
    'replay_node',
)
RESPAWN_DELAY_S = 1.0
BAG_CLOCK_HZ = 100.0
BAG_SUFFIX = '.mcap'

FOLLOW = 'follow:'
CAMERA, VIDEO, IMAGE = 'camera:', 'video:', 'image:'  # sources of camera_face_node
MICROPHONE = 'microphone'
HRI = 'hri'
TOPIC = 'topic'
AUTO = 'auto'
_NOT_STARTED = ('', 'none')
_LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
_TRUE, _FALSE = ('true', '1'), ('false', '0')
_NAMESPACE = re.compile(r'/?([A-Za-z_]\w*(/[A-Za-z_]\w*)*)?', re.ASCII)
_OR_FILE = 'empty: the value in params_file'

Value = bool | int | float | str


def share_folder() -> Path:
    """The folder that holds `launch` and `config`: the source tree or the installed share folder.

    Raises:
        FileNotFoundError: Neither was found.
    """
    for parent in Path(__file__).resolve().parents:
        for folder in (parent, parent / 'share' / PACKAGE):
            if all((folder / name).is_file() for name in ('package.xml', 'config/bringup.yaml')):
                return folder
    raise FileNotFoundError(
        f'config/bringup.yaml of {PACKAGE} not found: expected it in the source tree or in '
        f'share/{PACKAGE} of the installation of {Path(__file__).parent}'
    )


@dataclass(frozen=True)
class Argument:
    """A launch argument; all values are strings, as launch passes them."""

    name: str
    default: str
    description: str


@dataclass(frozen=True)
class NodeSpec:
    """A node to start."""

    name: str  # Name of the node, of its executable and of its module in `robot_face_gen.nodes`
    params_file: str  # Absolute path of a parameter file
    namespace: str = ''  # Namespace of the node; '' is the root
    # Parameters that override the file
    parameters: Mapping[str, Value] = field(default_factory=dict)
    log_level: str = 'info'  # As after `--log-level`
    respawn: bool = False  # Whether the node is started again RESPAWN_DELAY_S after it has exited
    viewer: Viewer | None = None  # The program, if it is another package's
    arguments: tuple[str, ...] = ()  # Its command line
    remappings: tuple[tuple[str, str], ...] = ()  # Topics and what replaces them

    @property
    def full_name(self) -> str:
        """Namespace and name, such as '/robot1/reaction_node'."""
        return f'/{self.namespace}/{self.name}'.replace('//', '/')


class Values:
    """Launch arguments with typed access; errors name argument, value and what was expected."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A string without surrounding spaces."""
        return self._values[name].strip()

    def number(self, name: str) -> float | None:
        """A finite number; None if empty."""
        text = self.text(name)
        try:
            number = float(text) if text else None
        except ValueError:
            number = math.nan
        if number is not None and not math.isfinite(number):
            raise ValueError(f'{name}:={text}: expected a number')
        return number

    def truth(self, name: str) -> bool | None:
        """True or False; None if empty."""
        text = self.text(name).lower()
        if text not in ('', *_TRUE, *_FALSE):
            raise ValueError(f'{name}:={self.text(name)}: expected true or false')
        return text in _TRUE if text else None

    def file(self, name: str, prefix: str = '') -> str:
        """Absolute path of a file that exists; '' if empty. A prefix of the value is left out."""
        text = self.text(name).removeprefix(prefix)
        path = Path(text).expanduser()
        if (text or prefix) and not path.is_file():
            problem = 'is a folder; expected a file' if path.is_dir() else 'no such file'
            raise ValueError(f'{name}:={prefix}{text}: {problem if text else "expected a file"}')
        return text and _absolute(text)

    def path(self, name: str) -> str:
        """Absolute path of a file or folder that exists; '' if empty."""
        text = self.text(name)
        if text and not Path(text).expanduser().exists():
            raise ValueError(f'{name}:={text}: no such file or folder')
        return text and _absolute(text)

    def new_file(self, name: str, suffix: str) -> str:
        """Absolute path of a file that does not exist, in a folder that does; '' if empty."""
        text = self.text(name)
        path = Path(text).expanduser()
        if text and not text.endswith(suffix):
            raise ValueError(f'{name}:={text}: expected a name that ends in {suffix}')
        if text and path.exists():
            raise ValueError(f'{name}:={text}: exists; remove it or choose another name')
        if text and not path.absolute().parent.is_dir():
            raise ValueError(f'{name}:={text}: there is no folder {path.absolute().parent}')
        return text and _absolute(text)

    def namespace(self, name: str) -> str:
        """A ROS namespace; '' is the root."""
        text = self.text(name)
        if not _NAMESPACE.fullmatch(text):
            raise ValueError(
                f"{name}:={text}: expected a namespace: words of letters, digits and '_', not "
                "starting with a digit, separated by '/'"
            )
        return text

    def port(self, name: str) -> int | None:
        """A TCP port; None if empty."""
        text = self.text(name)
        if text and not (text.isdecimal() and int(text) < 65536):
            raise ValueError(f'{name}:={text}: expected a port, 0 to 65535')
        return int(text) if text else None

    def screen(self, name: str) -> bool:
        """Whether to start the screen: true, false, or auto."""
        if self.text(name).lower() == AUTO:
            return has_screen()
        try:
            return bool(self.truth(name))
        except ValueError:
            raise ValueError(f'{name}:={self.text(name)}: expected true, false or auto') from None

    def log_level(self, name: str) -> str:
        """A log level, or LOGGER:=LEVEL."""
        text = self.text(name)
        if text.rpartition(':=')[2].lower() not in _LOG_LEVELS:
            raise ValueError(f'{name}:={text}: expected one of {", ".join(_LOG_LEVELS)}')
        return text


@dataclass(frozen=True)
class Graph:
    """Nodes that are started together."""

    name: str  # As in `launch/NAME.launch.py`
    description: str  # One line
    arguments: tuple[Argument, ...]  # The launch arguments
    select: Callable[[Values], Iterator[NodeSpec]]  # Makes the nodes from complete arguments

    def remarks(self, given: Mapping[str, str]) -> list[str]:
        """What to tell the user before the nodes start; arguments as for `nodes`."""
        values = {**{argument.name: argument.default for argument in self.arguments}, **given}
        found = misspelt_nodes(values['params_file'])
        if values.get('screen', '').strip().lower() == AUTO and not has_screen():
            found.append(
                'face_screen_node is not started because aiohttp is not installed (pip install '
                "'robot_face_gen[screen]'; screen:=false hides this message)"
            )
        return found

    def nodes(self, given: Mapping[str, str]) -> list[NodeSpec]:
        """The nodes that the arguments select; arguments not given have their defaults.

        Raises:
            ValueError: An argument is unknown or its value is invalid; says what was expected.
        """
        known = [argument.name for argument in self.arguments]
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"; did you mean '{near[0]}'?" if near else ''
                raise ValueError(f"unknown argument '{name}'{hint} (known: {', '.join(known)})")
        defaults = {argument.name: argument.default for argument in self.arguments}
        return list(self.select(Values({**defaults, **given})))


def has_screen() -> bool:
    """Whether the web server of `face_screen_node` is installed."""
    return find_spec('aiohttp') is not None


def misspelt_nodes(params_file: str) -> list[str]:
    """Warnings about node names in a parameter file that nearly match one of ours.

    No node would read such an entry. Other names may belong to other packages and are ignored.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not valid YAML, or a key is given twice, of which nodes use the last.
    """
    try:
        tree = parse_yaml(Path(params_file).read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'params_file:={params_file}: {error}') from None
    found = []
    for path in dict.fromkeys(_node_names(tree)):
        name = path.rpartition('/')[2]
        near = difflib.get_close_matches(name, NODES, 1, cutoff=0.7)
        if name not in NODES and near:
            found.append(
                f"params_file:={params_file}: no node is named '{path}'; did you mean '{near[0]}'?"
            )
    return found


def _node_names(tree: Any, prefix: str = '') -> Iterator[str]:
    """Node names of a parameter file: keys, joined by '/', down to `ros__parameters`."""
    for key, branch in tree.items() if isinstance(tree, dict) else ():
        if key == 'ros__parameters':
            yield prefix
        else:
            yield from _node_names(branch, f'{prefix}/{str(key).strip("/")}')


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _given(parameters: Iterable[tuple[str, Value | None]]) -> dict[str, Value]:
    """Without the empty ones, whose values are left to the parameter file."""
    return {name: value for name, value in parameters if value not in ('', None)}  # type: ignore[misc]


def _common(values: Values) -> dict[str, Any]:
    """What all nodes of a graph have in common."""
    params_file = values.file('params_file')
    if not params_file:
        raise ValueError('params_file:=: expected a YAML file of parameters')
    return {'params_file': params_file, 'log_level': values.log_level('log_level')}


def _start_time(values: Values, *, simulated: bool) -> float | None:
    """One start time for all recorded sources, s since 1970; None: at once."""
    given, delay_s = values.number('start_time'), values.number('start_delay')
    # Simulated time is not known here: without start_time, sources start at once.
    if given or simulated:
        return given or None
    return time.time() + (delay_s or 0.0)


def _loop_period_s(values: Values) -> float | None:
    """One period for face and voice that are repeated, s: the length of the longer of the two.

    None without `loop:=true`, and where a file cannot be read: its node reports why.
    """
    sources = [values.text('openface'), _audio(values)]
    face, sound = (source.partition(':')[0] for source in sources)
    live = f'{face}:' in (FOLLOW, CAMERA, IMAGE) or face == HRI or sound in (MICROPHONE, TOPIC)
    if not values.truth('loop') or live or any(source in _NOT_STARTED for source in sources):
        return None
    from robot_face_gen.features.sound_file import sound_length_s

    try:
        if sources[0].startswith(VIDEO):
            from robot_face_gen.camera.sources import VideoFile

            face_s = VideoFile(values.file('openface', VIDEO)).duration_s
        else:
            from robot_face_gen.features.openface import OpenFaceFile

            face_s = OpenFaceFile(values.file('openface')).duration_s
        return round(max(face_s, sound_length_s(sources[1])), 3)
    except (OSError, ValueError):
        return None


def _audio(values: Values) -> str:
    """Source of the voice: a film, if that is the source of the face, has its own sound."""
    audio, openface = values.text('audio'), values.text('openface')
    if audio != AUTO:
        as_it_is = audio in _NOT_STARTED or audio.partition(':')[0] in (MICROPHONE, TOPIC)
        return audio if as_it_is else values.file('audio')
    if not openface.startswith(VIDEO):
        return MICROPHONE
    from robot_face_gen.camera.sources import VideoFile

    path = values.file('openface', VIDEO)
    try:
        return path if VideoFile(path).has_sound else 'none'
    except (OSError, ValueError) as error:
        raise ValueError(f'openface:={openface}: {error}') from None


def _bringup_nodes(values: Values) -> Iterator[NodeSpec]:
    use_respawn, namespace = bool(values.truth('use_respawn')), values.namespace('namespace')
    common = {**_common(values), 'namespace': namespace}
    bag = values.path('bag')
    given_sim_time = bool(values.truth('use_sim_time'))
    # A bag has its own time, which replay_node publishes.
    use_sim_time = given_sim_time or bool(bag)
    common_played = (
        ('speed', values.number('speed')),
        ('loop', values.truth('loop')),
        ('start_time', _start_time(values, simulated=given_sim_time and not bag)),
    )
    exit_at_end = values.truth('exit_at_end')
    played = (
        *common_played,
        ('loop_period_s', _loop_period_s(values)),
        ('exit_at_end', exit_at_end),
    )

    def node(name: str, *parameters: tuple[str, Value | None]) -> NodeSpec:
        given = {'use_sim_time': use_sim_time, **_given(parameters)}
        # A source that exits at the end of its file has finished: no respawn. A second recording
        # would not replace the first.
        ends = given.get('exit_at_end', False) or name == 'record_node'
        respawn = use_respawn and not ends
        return NodeSpec(name, parameters=given, respawn=respawn, **common)

    if record := values.new_file('record', BAG_SUFFIX):
        yield node('record_node', ('output', record))
    openface, audio = values.text('openface'), _audio(values)
    if bag:
        for name, value in (('openface', openface), ('audio', audio)):
            if value not in (*_NOT_STARTED, MICROPHONE):
                raise ValueError(f'{name}:={value}: the face and voice are those of bag:={bag}')
        openface = audio = 'none'
        yield node(
            'replay_node',
            ('use_sim_time', False),
            ('source', bag),
            ('topics', 'sources'),
            ('bag_namespace', values.namespace('bag_namespace')),
            ('clock_hz', BAG_CLOCK_HZ),
            ('exit_at_end', exit_at_end is not False),
            *common_played,
        )
    if openface.partition(':')[0] == HRI:
        yield node('openface_node', ('source', openface))
    elif openface.startswith(FOLLOW):
        path = openface[len(FOLLOW) :]
        if not path:
            raise ValueError(f'openface:={openface}: expected {FOLLOW}FILE')
        yield node('openface_node', ('source', FOLLOW + _absolute(path)))
    elif openface.startswith(VIDEO):
        film = values.file('openface', VIDEO)
        yield node('camera_face_node', ('source', VIDEO + film), *played)
    elif openface.startswith((CAMERA, IMAGE)):
        if openface in (CAMERA, IMAGE):
            what = 'NUMBER (or its path)' if openface == CAMERA else 'TOPIC'
            raise ValueError(f'openface:={openface}: expected {openface}{what}')
        yield node('camera_face_node', ('source', openface))
    elif openface not in _NOT_STARTED:
        yield node('openface_node', ('source', values.file('openface')), *played)
    if audio.partition(':')[0] == TOPIC and not audio.partition(':')[2]:
        raise ValueError(f'audio:={audio}: expected topic:NAME')
    if audio.partition(':')[0] in (MICROPHONE, TOPIC):
        yield node('microphone_node', ('source', audio))
    elif audio not in _NOT_STARTED:
        yield node('microphone_node', ('source', audio), *played)
    weights = values.text('whisper')
    is_file = Path(weights).expanduser().is_file()
    yield node(
        'whisper_node',
        ('weights', _absolute(weights) if is_file else weights),
        ('checkpoint', values.file('checkpoint')),
    )
    if values.truth('reaction') is not False:
        yield node(
            'reaction_node',
            ('checkpoint', values.file('checkpoint')),
            ('device', values.text('device')),
        )
    if values.text('actuators') not in _NOT_STARTED:
        yield node('face_actuator_node', ('actuators', values.file('actuators')))
    if values.screen('screen'):
        yield node(
            'face_screen_node',
            ('host', values.text('screen_host')),
            ('port', values.port('screen_port')),
        )
    started = [name for name in VIEWERS if values.truth(name)]
    view = values.truth('view')
    if bool(started) if view is None else view:
        yield node('face_view_node')
    for name in started:
        for viewer in VIEWERS[name]:
            try:
                viewer.path()
            except ValueError as error:
                raise ValueError(f'{name}:=true: {error}') from None
            yield NodeSpec(
                viewer.name,
                parameters={'use_sim_time': use_sim_time},
                viewer=viewer,
                arguments=viewer.arguments(share_folder() / 'config'),
                remappings=tuple((f'/{topic}', topic) for topic in TOPICS),
                **common,
            )


def _server_nodes(values: Values) -> Iterator[NodeSpec]:
    yield NodeSpec(
        'reaction_server',
        parameters={
            'use_sim_time': bool(values.truth('use_sim_time')),
            **_given(
                [
                    *((name, values.text(name)) for name in ('namespaces', 'device', 'backend')),
                    ('checkpoint', values.file('checkpoint')),
                ]
            ),
        },
        respawn=bool(values.truth('use_respawn')),
        **_common(values),
    )


_CHECKPOINT = Argument('checkpoint', '', f'Model file (safetensors); {_OR_FILE}')
_DEVICE = Argument('device', '', f'Device of the model: auto, cpu, cuda or cuda:N; {_OR_FILE}')


def _common_arguments() -> tuple[Argument, ...]:
    return (
        Argument(
            'params_file',
            str(share_folder() / 'config' / 'bringup.yaml'),
            'YAML file with the parameters of all nodes',
        ),
        Argument('use_sim_time', 'false', 'Use the time of /clock (simulation, bag)'),
        Argument('use_respawn', 'false', 'Restart a node when it has exited'),
        Argument('log_level', 'info', f'Log level of the nodes: {", ".join(_LOG_LEVELS)}'),
    )


def bringup_graph() -> Graph:
    """One robot: sources of face and voice, Whisper, reaction, screen."""
    return Graph(
        'bringup',
        'one robot: OpenFace and sound sources, Whisper, reaction, screen',
        (
            Argument('namespace', '', 'Namespace of all nodes and topics'),
            *_common_arguments(),
            Argument(
                'openface',
                'none',
                "Source of the speaker's face: camera:NUMBER (or its path), video:FILE, "
                'image:TOPIC, a recorded OpenFace CSV, follow:FILE for the CSV that '
                'FeatureExtraction is writing, hri or hri:ID (a face of ROS4HRI), or none '
                '(another node publishes it)',
            ),
            Argument(
                'audio',
                AUTO,
                "Source of the speaker's voice: microphone, microphone:NAME (or its number), a "
                'sound file, a film with sound, topic:NAME (audio_common_msgs), or none (another '
                "node publishes it); auto: the film's own sound with openface:=video:FILE, else "
                'the microphone',
            ),
            Argument(
                'bag',
                '',
                'A recorded bag whose face and voice are replayed on its own clock (/clock, '
                'use_sim_time), in place of openface and audio',
            ),
            Argument(
                'bag_namespace',
                '',
                'Namespace of the speaker in the bag; empty: the only one with a face or voice',
            ),
            Argument(
                'view',
                '',
                'Start face_view_node: both faces as images and markers; empty: with rviz or rqt',
            ),
            Argument('rviz', 'false', 'Start rviz2 with config/robot_face.rviz'),
            Argument('rqt', 'false', 'Start rqt with config/robot_face.perspective'),
            Argument('record', '', 'File (.mcap) to record this robot into; empty: no recording'),
            _CHECKPOINT,
            Argument(
                'reaction',
                'true',
                'Start reaction_node; false if a reaction_server serves this namespace',
            ),
            _DEVICE,
            Argument(
                'actuators',
                'none',
                'YAML file of the motors that face_actuator_node moves (docs/actuators.md), or '
                'none: the node is not started',
            ),
            Argument(
                'whisper',
                '',
                'Weights of the Whisper encoder: auto (as in the training of the checkpoint), a '
                f'name such as tiny.en, a .pt file, or untrained; {_OR_FILE}',
            ),
            Argument(
                'speed', '', f'Playback speed of recorded sources (1.0: real time); {_OR_FILE}'
            ),
            Argument('loop', '', f'Repeat recorded sources; {_OR_FILE}'),
            Argument(
                'start_time',
                '0.0',
                'Start time of recorded sources in s since 1970, the same for face and voice, '
                'which keeps them in sync; 0.0: start_delay from now (with use_sim_time: at once)',
            ),
            Argument(
                'start_delay',
                '8.0',
                'Seconds until recorded sources start, so that the other nodes have loaded their '
                'models',
            ),
            Argument(
                'exit_at_end',
                '',
                f'Exit the node of a recorded source at the end of its file; {_OR_FILE}',
            ),
            Argument(
                'screen',
                AUTO,
                'Start face_screen_node, which shows the face in web browsers: true, false or '
                'auto (if aiohttp is installed)',
            ),
            Argument(
                'screen_host',
                '',
                'Address that the pages are served on: 127.0.0.1 for this machine only, 0.0.0.0 '
                f'for the network; {_OR_FILE}',
            ),
            Argument('screen_port', '', f'TCP port of the pages, 0 for any free one; {_OR_FILE}'),
        ),
        _bringup_nodes,
    )


def reaction_server_graph() -> Graph:
    """One process that answers for many robots, each with a face and voice of its own."""
    return Graph(
        'reaction_server',
        'one reaction_server for many robots, each started with bringup reaction:=false',
        (
            *_common_arguments(),
            Argument('namespaces', '', f"The robots' namespaces, comma-separated; {_OR_FILE}"),
            _CHECKPOINT,
            _DEVICE,
            Argument(
                'backend',
                '',
                f'Inference backend: auto, eager, onnx, onnx-int8 or cuda-graph; {_OR_FILE}',
            ),
        ),
        _server_nodes,
    )


GRAPHS: dict[str, Callable[[], Graph]] = {
    'bringup': bringup_graph,
    'reaction_server': reaction_server_graph,
}


def format_arguments(graph: Graph) -> str:
    """The arguments of a graph, as `ros2 launch --show-args` lists them."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    for argument in graph.arguments:
        lines += [
            '',
            f"    '{argument.name}':",
            f'        {argument.description}',
            f"        (default: '{argument.default}')",
        ]
    return '\n'.join(lines)
