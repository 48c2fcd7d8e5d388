# SPDX-License-Identifier: Apache-2.0
"""The topics of one speaker: face and embeddings in, reactions out."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from robot_face_gen.pipeline.embedding_contract import HopWatch
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.inbox import Inbox
from robot_face_gen.timing import EMBEDDING_RATE_HZ
from robot_face_gen.topics import EMBEDDING, FACE, REACTION_TOPIC
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

from .base_node import BaseNode
from .messages import from_reaction, to_embeddings, to_face_frame

if TYPE_CHECKING:
    from robot_face_gen.facial_reaction_model.sessions import Model
    from robot_face_gen.pipeline.speaker_session import SpeakerSession

STALL_S = 1.0

Push = partial[None]


class SpeakerInputs:
    """Subscribes, checks messages, and queues them for the worker that owns the session.

    Topics are in `namespace`; '' is the node's own. `received` is set after each message.
    """

    def __init__(
        self,
        node: BaseNode,
        namespace: str,
        model: Model,
        speaker: SpeakerSession,
        inbox: Inbox[Push],
        received: threading.Event,
    ) -> None:
        self._node, self._speaker, self._inbox, self._received = node, speaker, inbox, received
        self._health: Health = speaker.health
        self._encoder, self._dim = model.info.audio_encoder, model.config.audio_dim
        self._face_ns = 0  # arrival of the newest face
        self._hop = HopWatch(model.info.audio.get('hop_s'))
        prefix = f'{namespace}/' if namespace else ''
        node.subscribe(
            FaceFeatures, f'{prefix}{FACE[0]}', self._on_face, flow='frames_in',
            stall_s=STALL_S, health=self._health,
        )  # fmt: skip
        node.subscribe(
            AudioEmbedding, f'{prefix}{EMBEDDING[0]}', self._on_embedding, flow='embeddings_in',
            stall_s=STALL_S, health=self._health,
        )  # fmt: skip

    def _on_face(self, message: FaceFeatures) -> None:
        (frame, impossible), now_ns = to_face_frame(message), self._node.now_ns()
        if impossible:
            text = (
                f'openface/features: {impossible} infinite or impossibly large values in a frame '
                'are treated as missing'
            )
            self._health.count('impossible_values', impossible, trouble=text)
        self._face_ns = now_ns
        frame = replace(frame, stamp_ns=self._speaker.corrected('face', frame.stamp_ns, now_ns))
        self._compare_clocks(frame.stamp_ns, now_ns)
        self._queue(partial(self._speaker.push_face, frame, now_ns))

    def _on_embedding(self, message: AudioEmbedding) -> None:
        if self._encoder and message.encoder != self._encoder:
            text = (
                f'embeddings of encoder {message.encoder!r}, but the checkpoint was trained with '
                f'{self._encoder!r}: continuing with the face alone'
            )
            self._health.fail('encoder', text)
            self._health.count('foreign_embeddings')
            return
        self._health.mend('encoder')
        stamp_ns, data = to_embeddings(message, self._dim, EMBEDDING_RATE_HZ)
        if text := self._hop.see(len(data)):
            self._health.count('other_hop', trouble=text)
        now_ns = self._node.now_ns()
        stamp_ns = self._speaker.corrected('audio', stamp_ns, now_ns)
        if not 0 <= now_ns - self._face_ns < STALL_S * 1e9:  # else the stamps of the face decide
            self._compare_clocks(stamp_ns, now_ns)
        self._queue(partial(self._speaker.push_audio, stamp_ns, data, now_ns))

    def _compare_clocks(self, stamp_ns: int, now_ns: int) -> None:
        stamps = self._speaker.stamps
        if not stamps.arrived(stamp_ns, now_ns):
            return
        behind_s = stamps.offset_ns / 1e9
        self._health.fact('clock_offset_s', f'{behind_s:.3f}')
        text = (
            f'input stamps are {abs(behind_s):.1f} s '
            f'{"behind" if behind_s > 0 else "ahead of"} this clock (a bag without /clock, or '
            "another machine): using the sender's time"
            if behind_s
            else 'input stamps match this clock again'
        )
        self._health.count('clock_offsets', trouble=text)

    def _queue(self, push: Push) -> None:
        if dropped := self._inbox.put(push):
            self._health.drop(dropped, 'messages', 'the model is too slow')
        self._received.set()


class ReactionOutput:
    """Publishes the reactions of one speaker when they are due."""

    def __init__(self, node: BaseNode, namespace: str, speaker: SpeakerSession) -> None:
        self.speaker, self._frame = speaker, 0
        self._frame_id: str = node.parameters.frame_id
        prefix = f'{namespace}/' if namespace else ''
        self._publisher = node.advertise(
            FaceReaction,
            f'{prefix}{REACTION_TOPIC[0]}',
            flow='reactions_out',
            health=speaker.health,
        )

    def publish(self, now_ns: int) -> None:
        """Publish the reaction that is due, if there is one."""
        reaction = self.speaker.pop(now_ns)
        if reaction is None:
            return
        self._publisher.publish(
            from_reaction(
                reaction.face, self._frame, now_ns, reaction.source_stamp_ns, self._frame_id
            )
        )
        self.speaker.health.tick('reactions_out')
        self._frame += 1
