# SPDX-License-Identifier: Apache-2.0
"""Faces from ROS4HRI (REP 155): the landmarks and action units of one tracked face."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.foreign_face import hri_action_units, hri_landmarks
from robot_face_gen.layout import BRANCHES

from .base_node import BaseNode
from .messages import capture_time

TRACKED = '/humans/faces/tracked'
STALL_S = 1.0


class HriSource:
    """Follows one face: `face_id`, or ('') the first of the list until it is not tracked any more.

    Landmarks and action units of one image are joined by their stamps. `full_intensity` is what
    OpenFace's intensity of 5 is in FacialActionUnits.

    Raises:
        ImportError: hri_msgs is not installed.
    """

    def __init__(
        self,
        node: BaseNode,
        face_id: str,
        full_intensity: float,
        publish: Callable[[FaceFrame, str], None],
    ) -> None:
        try:
            from hri_msgs.msg import FacialActionUnits, FacialLandmarks, IdsList
        except ImportError as error:
            raise ImportError(
                f'source = hri needs the package hri_msgs ({error}): '
                'apt install ros-$ROS_DISTRO-hri-msgs'
            ) from None
        self._node, self._publish, self._full_intensity = node, publish, full_intensity
        self._kinds = {'landmarks': FacialLandmarks, 'facs': FacialActionUnits}
        self._wanted, self._face_id = face_id, ''
        self._subscriptions: dict[str, Any] = {}
        self._forget()
        if face_id:
            self._follow(face_id)
        else:
            node.subscribe(IdsList, TRACKED, self._on_tracked, flow='lists_in', stall_s=60.0)

    def _forget(self) -> None:
        self._parts: dict[str, Any] = {}  # of the image whose stamp is _stamp_ns
        self._stamp_ns = 0
        self._heard_s: dict[str, float] = {}

    def _on_tracked(self, message: Any) -> None:
        if self._face_id not in message.ids:
            self._follow(message.ids[0] if message.ids else '')

    def _follow(self, face_id: str) -> None:
        for part, subscription in self._subscriptions.items():
            self._node.unsubscribe(subscription, f'{part}_in')
        self._subscriptions.clear()
        self._forget()
        self._face_id = face_id
        self._node.health.fact('face_id', face_id)
        if not face_id:
            return
        self._node.get_logger().info(f'follows the face {face_id}')
        for part, kind in self._kinds.items():
            self._subscriptions[part] = self._node.subscribe(
                kind,
                f'/humans/faces/{face_id}/{part}',
                partial(self._on_part, part),
                flow=f'{part}_in',
                stall_s=STALL_S if part == 'landmarks' else 3600.0,
            )

    def _on_part(self, part: str, message: Any) -> None:
        stamp_ns = capture_time(message.header)
        value: Any
        if part == 'landmarks':
            points = np.array([(p.x, p.y, p.c) for p in message.landmarks], np.float32)
            width, height = int(message.width), int(message.height)
            value = *hri_landmarks(points.reshape(-1, 3), width, height), width, height
        else:
            value = hri_action_units(
                np.array(message.intensity), np.array(message.confidence), self._full_intensity
            )
        now_s = time.monotonic()
        self._heard_s[part] = now_s
        if stamp_ns != self._stamp_ns:
            self._flush()
            if stamp_ns < self._stamp_ns:
                self._node.health.count('late_parts')
                return
            self._stamp_ns = stamp_ns
        self._parts[part] = (value, message.header.frame_id)
        # Wait for the other part of this image only while it comes at all.
        expected = {name for name, at_s in self._heard_s.items() if now_s - at_s < STALL_S}
        if expected <= set(self._parts):
            self._flush()

    def _flush(self) -> None:
        """Publish what has come of the image."""
        parts, self._parts = self._parts, {}
        if not parts:
            return
        values = {name: np.full(size, np.nan, np.float32) for name, size in BRANCHES.items()}
        confidence, width, height = 1.0, 0, 0
        if 'landmarks' in parts:
            values['landmarks'], confidence, width, height = parts['landmarks'][0]
        if 'facs' in parts:
            values['au'] = parts['facs'][0]
        frame = FaceFrame(
            stamp_ns=self._stamp_ns,
            confidence=confidence,
            success=True,
            image_width=width,
            image_height=height,
            **values,
        )
        self._publish(frame, next(iter(parts.values()))[1])
