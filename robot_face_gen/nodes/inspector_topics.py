# SPDX-License-Identifier: Apache-2.0
"""What only the page `/inspect` shows: the speaker's face and the sound level."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_face_gen.screen.wire import SPEAKER, pack_face
from robot_face_gen.topics import AUDIO, FACE
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures

from .base_node import sensor_qos
from .messages import to_face_frame, to_samples

if TYPE_CHECKING:
    from rclpy.node import Node

    from robot_face_gen.screen.server import ScreenServer

LEVEL_S = 0.08  # sound in one message to the page


class InspectorTopics:
    """Subscriptions that exist while they are needed; bad messages are left to other nodes."""

    def __init__(self, node: Node, server: ScreenServer) -> None:
        self._node, self._server = node, server
        self._subscriptions: list[Any] = []
        self._loudness = (0.0, 0.0, 0)  # sum of squares, peak, samples

    def follow(self, wanted: bool) -> None:
        """Subscribe or stop; runs in the executor's thread, which owns subscriptions."""
        if wanted and not self._subscriptions:
            subscribe = self._node.create_subscription
            self._subscriptions = [
                subscribe(FaceFeatures, FACE[0], self._on_face, sensor_qos(10)),
                subscribe(AudioChunk, AUDIO[0], self._on_audio, sensor_qos(50)),
            ]
        while self._subscriptions and not wanted:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _on_face(self, message: FaceFeatures) -> None:
        try:
            frame, _ = to_face_frame(message)
        except ValueError:
            return
        self._server.send_inspectors(
            pack_face(
                SPEAKER,
                frame.branches,
                time.monotonic(),
                flag=frame.success,
                confidence=frame.confidence,
                landmarks=True,
            )
        )

    def _on_audio(self, message: AudioChunk) -> None:
        try:
            _, _, samples, rate = to_samples(message)
        except ValueError:
            return
        energy, peak, count = self._loudness
        energy += float(np.dot(samples, samples))
        peak, count = max(peak, float(np.abs(samples).max())), count + samples.size
        if count >= LEVEL_S * rate:
            self._server.send_text('level', rms=(energy / count) ** 0.5, peak=peak)
            energy, peak, count = 0.0, 0.0, 0
        self._loudness = energy, peak, count
