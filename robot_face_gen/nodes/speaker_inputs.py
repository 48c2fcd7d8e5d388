# SPDX-License-Identifier: Apache-2.0
"""What a node hears of one speaker: the face, and the voice's embeddings."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from robot_face_gen.pipeline.embedding_contract import EMBEDDINGS_HZ, HopWatch
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.inbox import Inbox
from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures

from .base_node import BaseNode
from .messages import to_embeddings, to_face_frame

if TYPE_CHECKING:
    from robot_face_gen.facial_reaction_model.sessions import Model
    from robot_face_gen.pipeline.speaker_session import FaceLane

STALL_S = 1.0

Push = partial[None]


class SpeakerInputs:
    """Subscribes, checks, and hands over to whoever fills the lane.

    Args:
        node: whose subscriptions they are.
        namespace: of the topics; '' is the node's own.
        model: what its embeddings have to be.
        lane: of the speaker.
        inbox: of the speaker, for the thread that owns the lane.
        come: set when something lies in it.
    """

    def __init__(
        self,
        node: BaseNode,
        namespace: str,
        model: Model,
        lane: FaceLane,
        inbox: Inbox[Push],
        come: threading.Event,
    ) -> None:
        self._node, self._lane, self._inbox, self._come = node, lane, inbox, come
        self._health: Health = lane.health
        self._where = f'{namespace}: ' if namespace else ''
        self._encoder, self._dim = model.info.audio_encoder, model.config.audio_dim
        self._face_ns = 0  # when a face came last
        self._hop = HopWatch(model.info.audio.get('hop_s'))
        prefix = f'{namespace}/' if namespace else ''
        node.subscribe(
            FaceFeatures, f'{prefix}openface/features', self._on_face, flow='frames_in',
            stall_s=STALL_S, health=self._health,
        )  # fmt: skip
        node.subscribe(
            AudioEmbedding, f'{prefix}whisper/embedding', self._on_embedding, flow='embeddings_in',
            stall_s=STALL_S, health=self._health,
        )  # fmt: skip

    def _on_face(self, message: FaceFeatures) -> None:
        (frame, impossible), now_ns = to_face_frame(message), self._node.now_ns()
        if impossible:
            text = (
                f'openface/features: {impossible} infinite or impossibly large values in a frame '
                'are treated as missing'
            )
            logged = self._node.warn(f'{self._where}values', f'{self._where}{text}')
            self._health.count('impossible_values', impossible, trouble=text, logged=logged)
        self._face_ns = now_ns
        self._compare_clocks(frame.stamp_ns, now_ns)
        self._hand_over(partial(self._lane.push_face, frame, now_ns))

    def _on_embedding(self, message: AudioEmbedding) -> None:
        if self._encoder and message.encoder != self._encoder:
            text = (
                f'the embeddings are of encoder {message.encoder!r}, the checkpoint was trained '
                f'with {self._encoder!r}: the face goes on without sound'
            )
            logged = self._node.warn(f'{self._where}encoder', f'{self._where}{text}')
            self._health.fail('encoder', text, logged=logged)
            self._health.count('foreign_embeddings')
            return
        self._health.mend('encoder')
        stamp_ns, data = to_embeddings(message, self._dim, EMBEDDINGS_HZ)
        if text := self._hop.see(len(data)):
            self._health.count('other_hop', trouble=text, logged=True)
            self._node.warn_once(f'{self._where}hop', f'{self._where}{text}')
        now_ns = self._node.now_ns()
        if not 0 <= now_ns - self._face_ns < STALL_S * 1e9:  # else the face tells the time
            self._compare_clocks(stamp_ns, now_ns)
        self._hand_over(partial(self._lane.push_audio, stamp_ns, data, EMBEDDINGS_HZ, now_ns))

    def _compare_clocks(self, stamp_ns: int, now_ns: int) -> None:
        stamps = self._lane.stamps
        if not stamps.arrived(stamp_ns, now_ns):
            return
        behind_s = stamps.offset_ns / 1e9
        self._health.fact('clock_offset_s', f'{behind_s:.3f}')
        text = (
            f'the stamps that come are {abs(behind_s):.1f} s '
            f'{"behind" if behind_s > 0 else "ahead of"} the clock (a bag without its clock, or '
            'another machine?): the session goes by theirs'
            if behind_s
            else 'the stamps that come are in the time of the clock again'
        )
        logged = self._node.warn(f'{self._where}clock', f'{self._where}{text}')
        self._health.count('clock_offsets', trouble=text, logged=logged)

    def _hand_over(self, push: Push) -> None:
        if dropped := self._inbox.put(push):
            self._health.count('dropped', dropped, trouble=f'{dropped} messages dropped: overload')
        self._come.set()
