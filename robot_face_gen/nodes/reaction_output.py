# SPDX-License-Identifier: Apache-2.0
"""Publishes one listener's reactions when they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robot_face_gen_msgs.msg import FaceReaction

from .base_node import BaseNode
from .messages import from_reaction

if TYPE_CHECKING:
    from robot_face_gen.pipeline.speaker_session import FaceLane


class ReactionOutput:
    """A publisher for a lane.

    Args:
        node: whose publisher it is.
        namespace: of the topic; '' is the node's own.
        lane: whose answers are published.
    """

    def __init__(self, node: BaseNode, namespace: str, lane: FaceLane) -> None:
        self._node, self._lane, self._frame = node, lane, 0
        self._frame_id: str = node.parameters.frame_id
        prefix = f'{namespace}/' if namespace else ''
        self._publisher = node.advertise(
            FaceReaction, f'{prefix}robot_face/reaction', flow='reactions_out', health=lane.health
        )

    @property
    def due_ns(self) -> int | None:
        """When the next one is due; None while there is none."""
        return self._lane.next_due_ns

    def publish(self, now_ns: int) -> None:
        """Publish what is due."""
        reaction = self._lane.pop(now_ns)
        if reaction is None:
            return
        self._publisher.publish(
            from_reaction(
                reaction.face, self._frame, now_ns, reaction.source_stamp_ns, self._frame_id
            )
        )
        self._lane.health.tick('reactions_out')
        self._frame += 1
