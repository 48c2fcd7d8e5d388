# SPDX-License-Identifier: Apache-2.0
"""`reaction_node`: answers the speaker's face and voice with a listener's, evenly at 25 Hz."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.inbox import Inbox

from .base_node import SIM_POLL_S, SLEEP_S, BaseNode
from .speaker_topics import Push, ReactionOutput, SpeakerInputs
from .tables import REACTION, ModelParameters

if TYPE_CHECKING:
    from robot_face_gen.pipeline.engine import ReactionEngine

Answering = TypeVar('Answering', bound=ModelParameters)
INBOX = 500  # messages; the worker empties it after each step of the model
IDLE_S = 0.02  # interval at which the timeline is checked for frames that have waited long enough


class AnsweringNode(BaseNode[Answering]):
    """Callbacks check messages and queue them; one worker runs the engine, another publishes."""

    _engine: ReactionEngine | None = None

    def serve(self, namespaces: Sequence[str], healths: Sequence[Health], gather_s: float) -> None:
        """Load the model and start to answer the speakers in these namespaces ('' is the own)."""
        from .reaction_setup import make_engine  # after rclpy, so that Ctrl-C ends a long import

        engine = make_engine(
            self.parameters, self.health, healths, self.get_logger(), max_gather_s=gather_s
        )
        self._received, self._answered = threading.Event(), threading.Event()
        self._inboxes: list[Inbox[Push]] = []
        outputs = []
        for namespace, speaker in zip(namespaces, engine.speakers, strict=True):
            outputs.append(ReactionOutput(self, namespace, speaker))
            inbox: Inbox[Push] = Inbox(INBOX)  # one each: a speaker cannot fill another's
            self._inboxes.append(inbox)
            model = engine.sessions.model
            SpeakerInputs(self, namespace, model, speaker, inbox, self._received)
        self._engine = engine
        self.start_worker(lambda: self._answer(engine), 'model')
        self.start_worker(lambda: self._play_out(outputs), 'playout')

    def on_change(self, changes: dict[str, Any]) -> None:
        """Apply parameters that were changed while running."""
        if self._engine is not None:
            self._engine.configure(**changes)

    def destroy_node(self) -> None:
        """Wake the workers and end."""
        self.stopping.set()
        if self._engine is not None:
            self._answered.set()
        super().destroy_node()

    def _answer(self, engine: ReactionEngine) -> None:
        while not self.stopping.is_set():
            self._received.wait(IDLE_S)
            self._received.clear()
            for push in (push for inbox in self._inboxes for push in inbox.take_all(0.0)):
                try:
                    push()
                except ValueError as error:
                    self.health.count('refused', trouble=f'input refused: {error}')
            if engine.step(self.now_ns()):
                self._answered.set()

    def _play_out(self, outputs: list[ReactionOutput]) -> None:
        while not self.stopping.is_set():
            now_ns = self.now_ns()
            # Also before the oldest is due: the playout finds out here that the clock has jumped.
            for output in outputs:
                output.publish(now_ns)
            due = (output.speaker.next_due_ns for output in outputs)
            due_ns = min((each for each in due if each is not None), default=None)
            if due_ns is not None and due_ns <= now_ns:
                continue
            wait_s = SLEEP_S if due_ns is None else min((due_ns - now_ns) / 1e9, SLEEP_S)
            if due_ns is not None and self.get_parameter('use_sim_time').value:
                wait_s = SIM_POLL_S
            self._answered.wait(wait_s)
            self._answered.clear()


class ReactionNode(AnsweringNode[ModelParameters]):
    """One speaker, one listener."""

    def __init__(self) -> None:
        super().__init__(REACTION)
        self.serve([''], [self.health], gather_s=0.0)


PROGRAM = ReactionNode, REACTION
