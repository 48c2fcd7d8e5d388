# SPDX-License-Identifier: Apache-2.0
"""What the server and its pages say to each other over the WebSocket.

Server to page, binary, little endian:
    uint8    kind: LISTENER or SPEAKER
    uint8    flag: 1 if the listener's face is fresh, or if the tracker found the speaker's face
    uint16   0
    float32  confidence of the tracker, 0..1 (LISTENER: 1)
    float64  time on a monotonic clock of the node, s
    float32  x 24: action units (18), pose (4), gaze (2); NaN: missing
    float32  x 136: landmarks, x0..x67 then y0..y67 (`/inspect` only)
Server to page, text: JSON objects with a `type`.
Page to server, text: one JSON object, see `read_command`.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robot_face_gen.files import parse_json

LISTENER, SPEAKER = 1, 2
_HEAD = struct.Struct('<BBHfd')
MAX_COMMAND_BYTES = 1024
_LONGEST_WORD = 128


def pack_face(
    kind: int,
    face: Mapping[str, np.ndarray],
    time_s: float,
    *,
    flag: bool,
    confidence: float = 1.0,
    landmarks: bool = False,
) -> bytes:
    """A face (au (18,), pose (4,), gaze (2,), landmarks (136,)) as a binary message.

    The kind is LISTENER or SPEAKER, the time on a monotonic clock; `flag`: fresh, or found by the
    tracker. `landmarks`: whether to append them.
    """
    names = ('au', 'pose', 'gaze', 'landmarks') if landmarks else ('au', 'pose', 'gaze')
    values = np.concatenate([face[name] for name in names]).astype('<f4')
    return _HEAD.pack(kind, flag, 0, confidence, time_s) + values.tobytes()


def pack(kind: str, **values: Any) -> str:
    """A JSON message. Numbers that are not finite become null: JSON has none of them."""
    return json.dumps({'type': kind, **_finite(values)}, allow_nan=False, separators=(',', ':'))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


@dataclass(frozen=True)
class Command:
    """What a page asks for."""

    kind: str  # 'set' or 'enable'
    node: str  # name of the node whose parameter is set
    name: str  # of the parameter
    value: bool | int | float | str  # of the parameter, or whether to enable


def read_command(text: str) -> Command:
    """Parse a page's message: {"type": "set", "node", "name", "value"} or {"type": "enable", ...}.

    Raises:
        ValueError: not such a message; says what was expected.
    """
    try:
        data = parse_json(text)
    except ValueError:
        raise ValueError('expected JSON') from None
    if not isinstance(data, dict):
        raise ValueError('expected a JSON object')
    kind, value = data.get('type'), data.get('value')
    if kind == 'enable':
        if not isinstance(value, bool):
            raise ValueError(f'value = {_short(value)}: expected true or false')
        return Command('enable', '', '', value)
    if kind != 'set':
        raise ValueError(f'type = {_short(kind)}: expected set or enable')
    node, name = data.get('node'), data.get('name')
    for field, word in (('node', node), ('name', name)):
        if not isinstance(word, str) or not 0 < len(word) <= _LONGEST_WORD:
            raise ValueError(f'{field} = {_short(word)}: expected a name')
    if not isinstance(value, (bool, int, float, str)) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        raise ValueError(f'value = {_short(value)}: expected a number, a text, true or false')
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f'value = {_short(value)}: expected a 64-bit integer')
    return Command('set', str(node), str(name), value)


def _short(value: object) -> str:
    return repr(value)[:60]
