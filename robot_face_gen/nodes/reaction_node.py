"""`reaction_node`: answers the speaker's face and voice with a listener's, evenly at 25 Hz."""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

from .base_node import BaseNode
from .inbox import Inbox
from .made_by import EMBEDDINGS_HZ, HopWatch
from .messages import from_reaction, to_embeddings, to_face_frame
from .run import run
from .stamp_clock import StampClock
from .tables import REACTION

if TYPE_CHECKING:
    from .reaction_engine import ReactionEngine

INBOX = 500  # messages; the worker empties it at least each time the model has answered
IDLE_S = 0.02  # how often the timeline is asked for frames that have waited long enough
STALL_S = 1.0


class ReactionNode(BaseNode):
    """Callbacks check and hand over; one worker runs the engine, another plays its answers out."""

    def __init__(self) -> None:
        super().__init__(REACTION)
        from .reaction_setup import make_engine  # torch: after rclpy, so that Ctrl-C ends it well

        self._engine: ReactionEngine = make_engine(self.parameters, self.health, self.get_logger())
        self._encoder = self._engine.manager.model.info.audio_encoder
        self._hop = HopWatch(self._engine.manager.model.info.audio.get('hop_s'))
        self._dim = self._engine.manager.model.config.audio_dim
        self._inbox: Inbox[partial[None]] = Inbox(INBOX)
        self._answered = threading.Event()
        self._stamps = StampClock()
        self._face_ns = 0
        self._publisher = self.advertise(FaceReaction, 'robot_face/reaction', flow='reactions_out')
        self.subscribe(
            FaceFeatures, 'openface/features', self._on_face, flow='frames_in', stall_s=STALL_S
        )
        self.subscribe(
            AudioEmbedding,
            'whisper/embedding',
            self._on_embedding,
            flow='embeddings_in',
            stall_s=STALL_S,
        )
        self.start_worker(self._answer, 'model')
        self.start_worker(self._play_out, 'playout')

    def on_change(self, changes: dict[str, Any]) -> None:
        """Take over what can be changed while running."""
        self._engine.configure(**changes)

    def _on_face(self, message: FaceFeatures) -> None:
        frame, now_ns = to_face_frame(message), self.now_ns()
        self._face_ns = now_ns
        self._compare_clocks(frame.stamp_ns, now_ns)
        self._hand_over(partial(self._engine.push_face, frame, self._stamps.time_ns(now_ns)))

    def _on_embedding(self, message: AudioEmbedding) -> None:
        if self._encoder and message.encoder != self._encoder:
            text = (
                f'the embeddings are of encoder {message.encoder!r}, the checkpoint was trained '
                f'with {self._encoder!r}: the face goes on without sound'
            )
            self.health.fail('encoder', text, logged=self.warn('encoder', text))
            self.health.count('foreign_embeddings')
            return
        self.health.mend('encoder')
        stamp_ns, data = to_embeddings(message, self._dim, EMBEDDINGS_HZ)
        if text := self._hop.see(len(data)):
            self.health.count('other_hop', trouble=text, logged=True)
            self.warn_once('hop', text)
        now_ns = self.now_ns()
        if not 0 <= now_ns - self._face_ns < STALL_S * 1e9:  # else the face tells the time
            self._compare_clocks(stamp_ns, now_ns)
        now_ns = self._stamps.time_ns(now_ns)
        self._hand_over(partial(self._engine.push_audio, stamp_ns, data, EMBEDDINGS_HZ, now_ns))

    def _compare_clocks(self, stamp_ns: int, now_ns: int) -> None:
        if not self._stamps.arrived(stamp_ns, now_ns):
            return
        behind_s = self._stamps.offset_ns / 1e9
        self.health.fact('clock_offset_s', f'{behind_s:.3f}')
        text = (
            f'the stamps that come are {abs(behind_s):.1f} s '
            f'{"behind" if behind_s > 0 else "ahead of"} the clock (a bag without its clock, or '
            'another machine?): the session goes by theirs'
            if behind_s
            else 'the stamps that come are in the time of the clock again'
        )
        self.health.count('clock_offsets', trouble=text, logged=self.warn('clock', text))

    def _hand_over(self, push: partial[None]) -> None:
        if dropped := self._inbox.put(push):
            self.health.count('dropped', dropped, trouble=f'{dropped} messages dropped: overload')

    def _answer(self) -> None:
        while not self.stopping.is_set():
            try:
                for push in self._inbox.take_all(IDLE_S):
                    push()
                if self._engine.step(self._stamps.time_ns(self.now_ns())):
                    self._answered.set()
            except ValueError as error:  # the session is as it was: go on with the next frames
                logged = self.warn('refused', f'the model refused its input: {error}')
                self.health.count('refused', trouble=str(error), logged=logged)

    def _play_out(self) -> None:
        frame, frame_id = 0, self.parameters['frame_id']
        while not self.stopping.is_set():
            due_ns, now_ns = self._engine.next_due_ns, self.now_ns()
            if due_ns is None:
                self._answered.wait(STALL_S)
                self._answered.clear()
                continue
            # Never for long: a newer answer can be due earlier, after a jump of the clock.
            due_ns += self._stamps.offset_ns
            if not self.sleep_until(min(due_ns, now_ns + round(IDLE_S * 1e9))):
                return
            now_ns = self.now_ns()
            reaction = self._engine.pop(self._stamps.time_ns(now_ns))
            if reaction is not None:
                self._publisher.publish(
                    from_reaction(reaction.face, frame, now_ns, reaction.source_stamp_ns, frame_id)
                )
                self.health.tick('reactions_out')
                frame += 1


def main() -> int:
    """Run the node."""
    return run(ReactionNode, table=REACTION)


if __name__ == '__main__':
    sys.exit(main())
