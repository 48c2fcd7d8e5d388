# SPDX-License-Identifier: Apache-2.0
"""Sound from a topic of audio_common_msgs, in both packages of this name.

ros-drivers/audio_common publishes bytes, raw or encoded (`AudioData`, `AudioDataStamped`), and
describes them on the topic `audio_info` beside it; mgonzs13/audio_common publishes samples
(`AudioStamped`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robot_face_gen.features.audio_source import AudioBlock
from robot_face_gen.features.capture_clock import CaptureClock
from robot_face_gen.features.raw_sound import SoundDecoder, mono
from robot_face_gen.timing import SECOND_NS
from robot_face_gen.tools.topic import message_class

from .base_node import BaseNode, fell_back
from .messages import check_rate

PACKAGE = 'audio_common_msgs'
LOOK_S = 0.5
STALL_S = 1.0
DEPTH = 50
_JUMP_NS = 2 * SECOND_NS
# PortAudio's numbers of sample formats: field of AudioData, full scale, zero.
_FORMATS = {
    1: ('float32_data', 1.0, 0.0),
    2: ('int32_data', 2.0**31, 0.0),
    8: ('int16_data', 2.0**15, 0.0),
    16: ('int8_data', 2.0**7, 0.0),
    32: ('uint8_data', 2.0**7, 2.0**7),
}


class AudioTopic:
    """Subscribes when the topic appears; its type says which package it is of.

    The times of the sound are those of its arrival: the stamps of AudioDataStamped are not times
    of the day.
    """

    def __init__(
        self, node: BaseNode, topic: str, publish: Callable[[AudioBlock, str], None]
    ) -> None:
        self._node, self._publish = node, publish
        self._topic = node.resolve_topic_name(topic)
        self._decoder: SoundDecoder | None = None
        self._described: tuple = ()
        self._clock: CaptureClock | None = None
        self._rate = self._position = self._arrived_ns = 0
        node.health.add_flow('chunks_in', self._topic, STALL_S)
        self._timer = node.every(LOOK_S, self._look)

    def _look(self) -> None:
        kinds = dict(self._node.get_topic_names_and_types()).get(self._topic)
        if not kinds:
            return
        callbacks = {
            f'{PACKAGE}/msg/AudioData': lambda message: self._on_bytes(message, ''),
            f'{PACKAGE}/msg/AudioDataStamped': lambda message: self._on_bytes(
                message.audio, message.header.frame_id
            ),
            f'{PACKAGE}/msg/AudioStamped': self._on_samples,
        }
        try:
            if kinds[0] not in callbacks:
                raise ValueError(f'has type {kinds[0]}: expected one of {", ".join(callbacks)}')
            kind = message_class(kinds[0])
            if not kinds[0].endswith('AudioStamped'):
                self._subscribe(
                    message_class(f'{PACKAGE}/msg/AudioInfo'),
                    f'{self._topic.rpartition("/")[0]}/audio_info',
                    self._on_info,
                    'infos_in',
                )
            self._subscribe(kind, self._topic, callbacks[kinds[0]], 'chunks_in')
        except ValueError as error:
            self._node.health.fail('audio_topic', f'{self._topic}: {error}')
            return
        self._node.health.mend('audio_topic')
        self._node.get_logger().info(f'{self._topic}: {kinds[0]}')
        self._node.destroy_timer(self._timer)

    def _subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], flow: str
    ) -> None:
        # AudioInfo comes every 5 s.
        stall_s = STALL_S if flow == 'chunks_in' else 60.0
        self._node.subscribe(kind, topic, callback, flow=flow, stall_s=stall_s, depth=DEPTH)

    def _on_info(self, message: Any) -> None:
        described = (
            message.coding_format,
            message.sample_format,
            int(message.channels),
            int(message.sample_rate),
        )
        if described != self._described:
            self._decoder = SoundDecoder(*described)
            self._described = described
            self._node.health.fact('format', ' '.join(map(str, described)))

    def _on_bytes(self, message: Any, frame_id: str) -> None:
        if self._decoder is None:  # until the first AudioInfo
            self._node.health.count('without_format')
            return
        samples = self._decoder.push(np.asarray(message.data, np.uint8).tobytes())
        self._put(samples, self._decoder.sample_rate, frame_id)

    def _on_samples(self, message: Any) -> None:
        info, data = message.audio.info, message.audio.audio_data
        if info.format not in _FORMATS:
            raise ValueError(
                f'format = {info.format}: expected one of {", ".join(map(str, _FORMATS))}'
            )
        field, full_scale, zero = _FORMATS[info.format]
        samples = mono(np.array(getattr(data, field)), int(info.channels), full_scale, zero)
        self._put(samples, int(info.rate), message.header.frame_id)

    def _put(self, samples: np.ndarray, rate: int, frame_id: str) -> None:
        if not len(samples):
            return
        check_rate(rate)
        now_ns = self._node.now_ns()
        jumped = fell_back(self._arrived_ns, now_ns) or now_ns - self._arrived_ns > _JUMP_NS
        if self._clock is None or rate != self._rate or jumped:
            self._clock, self._rate, self._position = CaptureClock(rate), rate, 0
        self._arrived_ns = now_ns
        first, at_ns = self._clock.place(self._position, len(samples), now_ns)
        self._position += len(samples)
        self._publish(AudioBlock(at_ns, first, samples, rate), frame_id)
