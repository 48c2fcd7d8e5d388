# SPDX-License-Identifier: Apache-2.0
"""The launch arguments of each graph, and typed access to their values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .files import user_path
from .resources import share_folder

AUTO = 'auto'
NAMESPACE = re.compile(r'/?([A-Za-z_]\w*(/[A-Za-z_]\w*)*)?', re.ASCII)
_LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
_TRUE, _FALSE = ('true', '1'), ('false', '0')
_OR_FILE = 'empty: the value in params_file'


@dataclass(frozen=True)
class Argument:
    """A launch argument; all values are strings, as launch passes them."""

    name: str
    default: str
    description: str


def absolute(path: str) -> str:
    """A path that holds in any working folder.

    Raises:
        ValueError: it is no UTF-8; parameters of ROS 2 are.
    """
    found = str(user_path(path).absolute())
    try:
        found.encode()
    except UnicodeEncodeError:
        raise ValueError(f'{found}: the name is no UTF-8, which ROS 2 needs: rename it') from None
    return found


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

    def truth(self, name: str, *, auto: bool | None = None) -> bool | None:
        """True or False; None if empty; `auto` for 'auto', where that is allowed."""
        text = self.text(name).lower()
        if text == AUTO and auto is not None:
            return auto
        if text not in ('', *_TRUE, *_FALSE):
            words = 'true or false' if auto is None else 'true, false or auto'
            raise ValueError(f'{name}:={self.text(name)}: expected {words}')
        return text in _TRUE if text else None

    def file(self, name: str, prefix: str = '') -> str:
        """Absolute path of a file that exists; '' if empty. A prefix of the value is left out."""
        text = self.text(name).removeprefix(prefix)
        path = user_path(text)
        if (text or prefix) and not path.is_file():
            problem = 'is a folder; expected a file' if path.is_dir() else 'no such file'
            raise ValueError(f'{name}:={prefix}{text}: {problem if text else "expected a file"}')
        return text and absolute(text)

    def path(self, name: str) -> str:
        """Absolute path of a file or folder that exists; '' if empty."""
        text = self.text(name)
        if text and not user_path(text).exists():
            raise ValueError(f'{name}:={text}: no such file or folder')
        return text and absolute(text)

    def new_file(self, name: str, suffix: str) -> str:
        """Absolute path of a file that does not exist, in a folder that does; '' if empty."""
        text = self.text(name)
        path = user_path(text)
        if text and not text.endswith(suffix):
            raise ValueError(f'{name}:={text}: expected a name that ends in {suffix}')
        if text and path.exists():
            raise ValueError(f'{name}:={text}: exists; remove it or choose another name')
        if text and not path.absolute().parent.is_dir():
            raise ValueError(f'{name}:={text}: there is no folder {path.absolute().parent}')
        return text and absolute(text)

    def namespace(self, name: str) -> str:
        """A ROS namespace; '' is the root."""
        text = self.text(name)
        if not NAMESPACE.fullmatch(text):
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

    def log_level(self, name: str) -> str:
        """A log level, or LOGGER:=LEVEL."""
        text = self.text(name)
        if text.rpartition(':=')[2].lower() not in _LOG_LEVELS:
            raise ValueError(f'{name}:={text}: expected one of {", ".join(_LOG_LEVELS)}')
        return text


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


def bringup_arguments() -> tuple[Argument, ...]:
    """Of one robot."""
    return (
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
        Argument('speed', '', f'Playback speed of recorded sources (1.0: real time); {_OR_FILE}'),
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
    )


def server_arguments() -> tuple[Argument, ...]:
    """Of a server for many robots."""
    return (
        *_common_arguments(),
        Argument('namespaces', '', f"The robots' namespaces, comma-separated; {_OR_FILE}"),
        _CHECKPOINT,
        _DEVICE,
        Argument(
            'backend',
            '',
            f'Inference backend: auto, eager, onnx, onnx-int8 or cuda-graph; {_OR_FILE}',
        ),
    )
