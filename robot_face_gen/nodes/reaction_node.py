# SPDX-License-Identifier: Apache-2.0
"""`reaction_node`: answers the speaker's face and voice with a listener's, evenly at 25 Hz."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from robot_face_gen.pipeline.inbox import Inbox

from .base_node import BaseNode
from .parameter_table import ParameterTable
from .reaction_output import ReactionOutput
from .run import run
from .speaker_inputs import Push, SpeakerInputs
from .tables import REACTION, ModelParameters, ReactionParameters

if TYPE_CHECKING:
    from robot_face_gen.facial_reaction_model.sessions import Model
    from robot_face_gen.pipeline.speaker_session import FaceLane

Answering = TypeVar('Answering', bound=ModelParameters)
INBOX = 500  # messages; the worker empties it at least each time the model has answered
IDLE_S = 0.02  # how often the timeline is asked for frames that have waited long enough
IDLE_NS = round(IDLE_S * 1e9)


class Engine(Protocol):
    """What answers."""

    @property
    def configure(self) -> Callable[..., None]:
        """Take over changed parameters, by name."""
        ...

    def step(self, now_ns: int) -> int:
        """Answer what is complete; the number of frames answered."""
        ...


class AnsweringNode(BaseNode[Answering]):
    """Callbacks check and hand over; one worker runs an engine, another plays its answers out."""

    def __init__(self, table: ParameterTable[Answering]) -> None:
        super().__init__(table)
        self._come, self._answered = threading.Event(), threading.Event()
        self._inboxes: list[Inbox[Push]] = []
        self._engine: Engine | None = None

    def hear(self, namespace: str, model: Model, lane: FaceLane) -> None:
        """Listen to a speaker; each has an inbox of his own, that nobody else can fill."""
        inbox: Inbox[Push] = Inbox(INBOX)
        self._inboxes.append(inbox)
        SpeakerInputs(self, namespace, model, lane, inbox, self._come)

    def begin(self, engine: Engine, outputs: list[ReactionOutput]) -> None:
        """Start the workers; all speakers are known."""
        self._engine = engine
        self.start_worker(lambda: self._answer(engine), 'model')
        self.start_worker(lambda: self._play_out(outputs), 'playout')

    def on_change(self, changes: dict[str, Any]) -> None:
        """Take over what can be changed while running."""
        if self._engine is not None:
            self._engine.configure(**changes)

    def _answer(self, engine: Engine) -> None:
        while not self.stopping.is_set():
            self._come.wait(IDLE_S)
            self._come.clear()
            for push in (push for inbox in self._inboxes for push in inbox.take_all(0.0)):
                with self._refusals():
                    push()
            with self._refusals():
                if engine.step(self.now_ns()):
                    self._answered.set()

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:  # the session is as it was: go on with the next frames
            logged = self.warn('refused', f'the model refused its input: {error}')
            self.health.count('refused', trouble=str(error), logged=logged)

    def _play_out(self, outputs: list[ReactionOutput]) -> None:
        while not self.stopping.is_set():
            now_ns = self.now_ns()
            due_ns = min((due for out in outputs if (due := out.due_ns) is not None), default=None)
            if due_ns is None:
                self._answered.wait(1.0)
                self._answered.clear()
                continue
            # Never for long: a newer answer can be due earlier, after a jump of the clock.
            if not self.sleep_until(min(due_ns, now_ns + IDLE_NS)):
                return
            now_ns = self.now_ns()
            for output in outputs:
                output.publish(now_ns)


class ReactionNode(AnsweringNode[ReactionParameters]):
    """One speaker, one listener."""

    def __init__(self) -> None:
        super().__init__(REACTION)
        from .reaction_setup import make_engine  # after rclpy, so that Ctrl-C ends it well

        engine = make_engine(self.parameters, self.health, self.get_logger())
        output = ReactionOutput(self, '', engine.lane)
        self.hear('', engine.manager.model, engine.lane)
        self.begin(engine, [output])


def main(args: Sequence[str] | None = None) -> int:
    """Run the node."""
    return run(ReactionNode, args, table=REACTION)
