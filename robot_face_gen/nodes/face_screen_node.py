# SPDX-License-Identifier: Apache-2.0
"""`face_screen_node`: shows the face in web browsers, and a page for inspection."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import asdict
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from robot_face_gen.extras import require
from robot_face_gen.face.easing import FaceEaser
from robot_face_gen.screen.settings import ServerSettings
from robot_face_gen.screen.wire import LISTENER, pack_face
from robot_face_gen.timing import PERIOD_S
from robot_face_gen.topics import REACTION_TOPIC
from robot_face_gen_msgs.msg import FaceReaction

from .base_node import BaseNode
from .inspection_tables import SCREEN, ScreenParameters
from .inspector_topics import InspectorTopics
from .messages import to_ns, to_reaction
from .parameter_panel import ParameterPanel

STALL_S = 2.0
LOOK_S = 0.5
OVERDUE_S = 0.1  # since the last reaction: from then on the node makes the frames itself
RECORDING_S = 3.0  # since the last report of a recording node


class FaceScreenNode(BaseNode[ScreenParameters]):
    """Callbacks convert messages and hand them to the web server, which has its own thread.

    What only `/inspect` shows is subscribed to while such a page is open.
    """

    def __init__(self) -> None:
        super().__init__(SCREEN)
        require('aiohttp', 'screen')
        from robot_face_gen.screen.server import ScreenServer

        names = self.parameters.allowed_hosts.split(',')
        given: dict[str, Any] = {
            **asdict(self.parameters),
            'host': self.parameters.host.strip(),
            'allowed_hosts': tuple(name.strip() for name in names if name.strip()),
        }
        self._easer, self._easing = FaceEaser(), threading.Lock()
        self._reacted_s = -OVERDUE_S
        self._diagnostics: Any = None  # subscription while any page is open
        self._recording_s, self._shows_recording = -RECORDING_S, False
        self._server = ScreenServer(
            ServerSettings(**given), self._log, lambda *words: self._panel.run(*words)
        )
        self._inspector_topics = InspectorTopics(self, self._server)
        self._panel = ParameterPanel(self, self._server.send_text)
        self.subscribe(
            FaceReaction, REACTION_TOPIC[0], self._on_reaction, flow='reactions', stall_s=STALL_S
        )
        self.every(LOOK_S, self._look)
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
            self.health.fail('port', self._server.trouble)
        else:
            self.health.mend('port')
        self._show_recording()
        if self._server.viewers and self._diagnostics is None:
            self._diagnostics = self.create_subscription(
                DiagnosticArray, '/diagnostics', self._on_diagnostics, 50
            )
        elif not self._server.viewers and self._diagnostics is not None:
            self.destroy_subscription(self._diagnostics)
            self._diagnostics = None
        self._inspector_topics.follow(self._server.inspectors > 0)
        if self._server.inspectors:
            self._panel.refresh()

    def _show_recording(self) -> None:
        """Tell the viewers that they are recorded."""
        is_recording = time.monotonic() - self._recording_s < RECORDING_S
        if is_recording != self._shows_recording:
            self._shows_recording = is_recording
            text = 'recording' if is_recording else ''
            self._server.send_text('note', text=text, remember=True, to_all=True)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if any(item.key == 'recording' for item in status.values):
                self._recording_s = time.monotonic()
        if not self._server.inspectors:
            return
        statuses = [
            {
                'name': status.name,
                'level': int.from_bytes(status.level, 'little'),
                'message': status.message,
                'values': [[item.key, item.value] for item in status.values],
            }
            for status in message.status
        ]
        self._server.send_text('diagnostics', statuses=statuses)


PROGRAM = FaceScreenNode, SCREEN
