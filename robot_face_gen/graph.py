# SPDX-License-Identifier: Apache-2.0
"""The robot's nodes, declared once: launch arguments, and the nodes and parameters they select.

`launch/*.launch.py` turn this declaration into `launch_ros` nodes, `robot-face-gen bringup` into
child processes. Nothing here imports rclpy or launch.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .files import user_path
from .launch_arguments import AUTO, Argument, Values, absolute, bringup_arguments, server_arguments
from .resources import share_folder
from .sources import (
    CAMERA,
    FOLLOW,
    HRI,
    IMAGE,
    MICROPHONE,
    NOT_STARTED,
    TOPIC,
    VIDEO,
    loop_period_s,
    voice,
)
from .viewers import TOPICS, VIEWERS, Viewer
from .yaml_file import parse_yaml

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
RESPAWN_DELAY_S = 0.1
BAG_CLOCK_HZ = 100.0
BAG_SUFFIX = '.mcap'

Value = bool | int | float | str


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
    images: bool = False  # Whether it exchanges images with others
    remappings: tuple[tuple[str, str], ...] = ()  # Topics and what replaces them

    @property
    def full_name(self) -> str:
        """Namespace and name, such as '/robot1/reaction_node'."""
        return f'/{self.namespace}/{self.name}'.replace('//', '/')


@dataclass(frozen=True)
class Graph:
    """Nodes that are started together."""

    description: str  # One line
    arguments: tuple[Argument, ...]  # The launch arguments
    select: Callable[[Values], Iterator[NodeSpec]]  # Makes the nodes from complete arguments

    def remarks(self, given: Mapping[str, str]) -> list[str]:
        """What to tell the user before the nodes start; arguments as for `nodes`."""
        values = {**self._defaults(), **given}
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
        known = list(self._defaults())
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
                hint = f"; did you mean '{near[0]}'?" if near else ''
                raise ValueError(f"unknown argument '{name}'{hint} (known: {', '.join(known)})")
        return list(self.select(Values({**self._defaults(), **given})))

    def _defaults(self) -> dict[str, str]:
        return {argument.name: argument.default for argument in self.arguments}


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


def _given(parameters: Mapping[str, Value | None]) -> dict[str, Value]:
    """Without the empty ones, whose values are left to the parameter file."""
    return {name: value for name, value in parameters.items() if value is not None and value != ''}


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


def _bringup_nodes(values: Values) -> Iterator[NodeSpec]:
    use_respawn, namespace = bool(values.truth('use_respawn')), values.namespace('namespace')
    common = {**_common(values), 'namespace': namespace}
    bag = values.path('bag')
    given_sim_time = bool(values.truth('use_sim_time'))
    # A bag has its own time, which replay_node publishes.
    use_sim_time = given_sim_time or bool(bag)
    exit_at_end = values.truth('exit_at_end')
    common_played = {
        'speed': values.number('speed'),
        'loop': values.truth('loop'),
        'start_time': _start_time(values, simulated=given_sim_time and not bag),
    }
    played = {'loop_period_s': loop_period_s(values), 'exit_at_end': exit_at_end, **common_played}

    def node(name: str, **parameters: Value | None) -> NodeSpec:
        given = {'use_sim_time': use_sim_time, **_given(parameters)}
        # A source that exits at the end of its file has finished: no respawn. A second recording
        # would not replace the first.
        ends = given.get('exit_at_end', False) or name == 'record_node'
        respawn = use_respawn and not ends
        images = name == 'face_view_node' or str(given.get('source')).startswith(IMAGE)
        return NodeSpec(name, parameters=given, respawn=respawn, images=images, **common)

    if record := values.new_file('record', BAG_SUFFIX):
        yield node('record_node', output=record)
    openface, audio = values.text('openface'), voice(values)
    if bag:
        for name, value in (('openface', openface), ('audio', audio)):
            if value not in (*NOT_STARTED, MICROPHONE):
                raise ValueError(f'{name}:={value}: the face and voice are those of bag:={bag}')
        openface = audio = 'none'
        yield node(
            'replay_node',
            **{**common_played, 'exit_at_end': exit_at_end is not False},
            use_sim_time=False,
            source=bag,
            topics='sources',
            bag_namespace=values.namespace('bag_namespace'),
            clock_hz=BAG_CLOCK_HZ,
        )
    if openface.partition(':')[0] == HRI:
        yield node('openface_node', source=openface)
    elif openface.startswith(FOLLOW):
        if openface == FOLLOW:
            raise ValueError(f'openface:={openface}: expected {FOLLOW}FILE')
        yield node('openface_node', source=FOLLOW + absolute(openface.removeprefix(FOLLOW)))
    elif openface.startswith(VIDEO):
        yield node('camera_face_node', source=VIDEO + values.file('openface', VIDEO), **played)
    elif openface.startswith((CAMERA, IMAGE)):
        if openface in (CAMERA, IMAGE):
            what = 'NUMBER (or its path)' if openface == CAMERA else 'TOPIC'
            raise ValueError(f'openface:={openface}: expected {openface}{what}')
        yield node('camera_face_node', source=openface)
    elif openface not in NOT_STARTED:
        yield node('openface_node', source=values.file('openface'), **played)
    kind, _, name = audio.partition(':')
    if kind == TOPIC and not name:
        raise ValueError(f'audio:={audio}: expected topic:NAME')
    if audio not in NOT_STARTED:
        is_live = kind in (MICROPHONE, TOPIC)
        yield node('microphone_node', source=audio, **({} if is_live else played))
    weights, checkpoint = values.text('whisper'), values.file('checkpoint')
    is_file = user_path(weights).is_file()
    yield node(
        'whisper_node', weights=absolute(weights) if is_file else weights, checkpoint=checkpoint
    )
    if values.truth('reaction') is not False:
        yield node('reaction_node', checkpoint=checkpoint, device=values.text('device'))
    if values.text('actuators') not in NOT_STARTED:
        yield node('face_actuator_node', actuators=values.file('actuators'))
    if values.truth('screen', auto=has_screen()):
        host, port = values.text('screen_host'), values.port('screen_port')
        yield node('face_screen_node', host=host, port=port)
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
                images=True,
                arguments=viewer.arguments(share_folder() / 'config'),
                remappings=tuple((f'/{topic}', topic) for topic in TOPICS),
                **common,
            )


def _server_nodes(values: Values) -> Iterator[NodeSpec]:
    parameters = {name: values.text(name) for name in ('namespaces', 'device', 'backend')}
    parameters['checkpoint'] = values.file('checkpoint')
    yield NodeSpec(
        'reaction_server',
        parameters={'use_sim_time': bool(values.truth('use_sim_time')), **_given(parameters)},
        respawn=bool(values.truth('use_respawn')),
        **_common(values),
    )


# By name, as in `launch/NAME.launch.py`.
GRAPHS: dict[str, Callable[[], Graph]] = {
    'bringup': lambda: Graph(
        'one robot: OpenFace and sound sources, Whisper, reaction, screen',
        bringup_arguments(),
        _bringup_nodes,
    ),
    'reaction_server': lambda: Graph(
        'one reaction_server for many robots, each started with bringup reaction:=false',
        server_arguments(),
        _server_nodes,
    ),
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
