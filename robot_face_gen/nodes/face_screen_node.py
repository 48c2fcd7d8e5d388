# SPDX-License-Identifier: Apache-2.0
"""`face_screen_node`: shows the face in web browsers, and a page for inspection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType

from robot_face_gen.extras import require
from robot_face_gen.face.easing import FaceEaser
from robot_face_gen.screen.settings import ServerSettings
from robot_face_gen.screen.wire import LISTENER, SPEAKER, pack, pack_face
from robot_face_gen.timing import PERIOD_S
from robot_face_gen_msgs.msg import AudioChunk, FaceFeatures, FaceReaction

from .base_node import BaseNode, sensor_qos
from .messages import to_face_frame, to_ns, to_reaction, to_samples
from .parameter_panel import ParameterPanel
from .run import run
from .tables import AUDIO, FACE, REACTION_TOPIC, SCREEN, ScreenParameters

STALL_S = 2.0
LOOK_S = 0.5
OVERDUE_S = 0.1  # since the last reaction: from then on the node makes the frames itself
LEVEL_S = 0.08  # sound in one message to the page


class FaceScreenNode(BaseNode[ScreenParameters]):
    """Callbacks convert messages and hand them to the web server, which has its own thread.

    What only `/inspect` shows is subscribed to while such a page is open.
    """

    def __init__(self) -> None:
        super().__init__(SCREEN)
        require('aiohttp', 'screen')
        from robot_face_gen.screen.server import ScreenServer

        given = self.parameters
        settings = ServerSettings(
            host=given.host.strip(),
            port=given.port,
            skin=given.skin,
            colour=given.colour,
            control=given.control,
            allowed_hosts=tuple(n.strip() for n in given.allowed_hosts.split(',') if n.strip()),
            max_viewers=given.max_viewers,
        )
        self._easer, self._easing = FaceEaser(), threading.Lock()
        self._reacted_s = -OVERDUE_S
        self._loudness = (0.0, 0.0, 0)  # sum of squares, peak, samples
        self._extra: list[Any] = []  # subscriptions for /inspect
        self._server = ScreenServer(settings, self._log, lambda *words: self._panel.run(*words))
        self._panel = ParameterPanel(self, self._server.send_text)
        self.subscribe(
            FaceReaction, REACTION_TOPIC[0], self._on_reaction, flow='reactions', stall_s=STALL_S
        )
        # A steady clock: viewers come and go while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(LOOK_S, self._look, clock=steady)
        self._server.start(self._keep_moving)

    def destroy_node(self) -> None:
        """Disconnect the viewers and end."""
        if hasattr(self, '_server'):
            self._server.stop()
        super().destroy_node()

    def _log(self, level: str, text: str) -> None:
        # Two statements: rclpy refuses two levels from one line.
        if level == 'error':
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _on_reaction(self, message: FaceReaction) -> None:
        face = to_reaction(message)
        if source_ns := to_ns(message.source_stamp):
            self.health.latency('latency', (self.now_ns() - source_ns) / 1e9)
        now_s = time.monotonic()
        with self._easing:
            self._easer.update(face, now_s)
            self._reacted_s = now_s
        self._show()

    def _show(self) -> None:
        if not self._server.viewers:
            return
        now_s = time.monotonic()
        with self._easing:
            eased = self._easer.at(now_s)
        face = {
            'au': eased.action_units,
            'pose': eased.pose,
            'gaze': eased.gaze,
            'landmarks': eased.landmarks,
        }
        self._server.send_face(
            pack_face(LISTENER, face, now_s, flag=eased.fresh),
            lambda: pack_face(LISTENER, face, now_s, flag=eased.fresh, landmarks=True),
        )

    async def _keep_moving(self) -> None:
        """Send faces while no reactions arrive."""
        while True:
            overdue = time.monotonic() - self._reacted_s > OVERDUE_S
            if overdue:
                self._show()
            await asyncio.sleep(PERIOD_S if overdue and self._server.viewers else OVERDUE_S)

    def _look(self) -> None:
        """Follow the server's state; runs in the executor's thread, which owns subscriptions."""
        self.health.set_counters(self._server.counters)
        self.health.fact('viewers', self._server.viewers)
        self.health.fact('address', self._server.address or self._server.trouble)
        if self._server.trouble:
            self.health.fail('port', self._server.trouble, logged=True)
        else:
            self.health.mend('port')
        if not self._server.inspectors:
            while self._extra:
                self.destroy_subscription(self._extra.pop())
        elif not self._extra:
            self._extra = [
                self.create_subscription(FaceFeatures, FACE[0], self._on_face, sensor_qos(10)),
                self.create_subscription(AudioChunk, AUDIO[0], self._on_audio, sensor_qos(50)),
                self.create_subscription(
                    DiagnosticArray, '/diagnostics', self._on_diagnostics, 50
                ),
            ]
        if self._server.inspectors:
            self._panel.refresh()

    def _on_face(self, message: FaceFeatures) -> None:
        try:
            frame, _ = to_face_frame(message)
        except ValueError:  # reaction_node reports it
            return
        face = {
            'au': frame.au,
            'pose': frame.pose,
            'gaze': frame.gaze,
            'landmarks': frame.landmarks,
        }
        self._server.send_inspectors(
            pack_face(
                SPEAKER,
                face,
                time.monotonic(),
                flag=frame.success,
                confidence=frame.confidence,
                landmarks=True,
            )
        )

    def _on_audio(self, message: AudioChunk) -> None:
        try:
            _, _, samples, rate = to_samples(message)
        except ValueError:  # whisper_node reports it
            return
        energy, peak, count = self._loudness
        energy += float(np.dot(samples, samples))
        peak, count = max(peak, float(np.abs(samples).max())), count + samples.size
        if count >= LEVEL_S * rate:
            level = pack('level', rms=(energy / count) ** 0.5, peak=peak)
            self._server.send_text('level', level)
            energy, peak, count = 0.0, 0.0, 0
        self._loudness = energy, peak, count

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        statuses = [
            {
                'name': status.name,
                'level': int.from_bytes(status.level, 'little'),
                'message': status.message,
                'values': [[item.key, item.value] for item in status.values],
            }
            for status in message.status
        ]
        self._server.send_text('diagnostics', pack('diagnostics', statuses=statuses))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run(FaceScreenNode, args, table=SCREEN)
