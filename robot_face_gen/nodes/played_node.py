# SPDX-License-Identifier: Apache-2.0
"""Base class of the nodes whose source may be a recording: its start and its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from robot_face_gen.pipeline.playback import Frame, FramePlayer
from robot_face_gen.timing import SECOND_NS

from .base_node import SIM_POLL_S, BaseNode, fell_back
from .source_tables import PlayedParameters

if TYPE_CHECKING:
    from robot_face_gen.camera.sources import CameraDevice
    from robot_face_gen.features.microphone import MicrophoneSource

Played = TypeVar('Played', bound=PlayedParameters)
LONG_AGO_NS = 60 * SECOND_NS
READ_S = 0.2


class ClockFellBack(Exception):
    """The clock jumped back behind the last piece of the recording that was due."""


class PlayedNode(BaseNode[Played]):
    """A node whose source may be a recording."""

    def begin_ns(self) -> int | None:
        """When the recording begins by the node's clock; None if the node is stopping."""
        while self.now_ns() == 0:  # simulated time has not started
            if self.stopping.wait(SIM_POLL_S):
                return None
        now_ns, wanted_ns = self.now_ns(), round(self.parameters.start_time * 1e9)
        if wanted_ns == 0:
            return now_ns
        if now_ns - wanted_ns > LONG_AGO_NS:
            self.get_logger().warning(
                f'start_time = {wanted_ns / 1e9:.3f}: that was {(now_ns - wanted_ns) / 1e9:.0f} s '
                'ago; starting now'
            )
            return now_ns
        if wanted_ns > now_ns:
            self.get_logger().info(f'begins in {(wanted_ns - now_ns) / 1e9:.1f} s')
        return wanted_ns

    def wait_for(self, due_ns: int, before_ns: int) -> bool:
        """Sleep until a piece of a recording is due; False if the node is stopping.

        Raises:
            ClockFellBack: the clock shows a time before `before_ns`, when the last piece was due:
                nothing would be due for as long as the jump, which can be forever.
        """
        while not self.stopping.is_set():
            if (now_ns := self.now_ns()) >= due_ns:
                return True
            if fell_back(before_ns, now_ns):
                self.health.count('clock_jumps')
                raise ClockFellBack
            self.sleep_until(due_ns)
        return False

    def play(self, play_from: Callable[[int], None]) -> None:
        """Play a recording from its start, and again whenever the clock jumps back.

        `play_from` plays from a time (ns) on; it returns at the end, or if the node is stopping.
        """
        begin_ns = self.begin_ns()
        while begin_ns is not None:
            try:
                return play_from(begin_ns)
            except ClockFellBack:
                begin_ns = self.now_ns()
                self.get_logger().warning('the clock jumped back: the recording starts again')

    def due(
        self, frames: Callable[[], Iterator[Frame]], begin_ns: int
    ) -> Iterator[tuple[list[Frame], int]]:
        """Recorded frames when they are due, and how many were skipped; ends with the recording.

        `frames` opens the recording, which begins at `begin_ns`.
        """
        player = FramePlayer(
            frames,
            speed=self.parameters.speed,
            loop=self.parameters.loop,
            start_ns=begin_ns,
            period_ns=round(self.parameters.loop_period_s * SECOND_NS),
        )
        before_ns = min(begin_ns, self.now_ns())
        while (due_ns := player.next_due_ns) is not None:
            if not self.wait_for(due_ns, before_ns):
                return
            before_ns, skipped = due_ns, player.skipped
            yield player.pop(self.now_ns()), player.skipped - skipped
        if player.end_ns is not None:
            self.sleep_until(player.end_ns)

    def recording_ended(self, flow: str) -> None:
        """Say so, and end the node if that is asked for."""
        if self.stopping.is_set():
            return
        self.health.expect_silence(flow)
        self.health.fact('finished', True)
        self.get_logger().info('end of the recording')
        if self.parameters.exit_at_end:
            self.finish()

    def use_device(
        self,
        device: MicrophoneSource | CameraDevice,
        name: str,
        flow: str,
        use: Callable[[Any], None],
        is_back: str,
    ) -> None:
        """Use what a device delivers until the node is stopping, then close the device.

        A lost device is the fault `name`; `is_back` is logged when it delivers again.
        """
        trouble = ''
        try:
            while not self.stopping.is_set():
                piece = device.read(READ_S)
                if piece is not None:
                    self.health.tick(flow)
                    use(piece)
                if device.trouble != trouble:
                    trouble = device.trouble
                    if trouble:
                        self.health.fail(name, f'{trouble}; it is tried again')
                    else:
                        self.health.mend(name)
                        self.get_logger().info(is_back)
                self.health.set_counters(device.counters)
        finally:
            device.close()
