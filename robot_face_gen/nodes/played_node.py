"""What the nodes share whose source may be a recording: its beginning and its end."""

from __future__ import annotations

from .base_node import SIM_POLL_S, BaseNode

LONG_AGO_NS = 60_000_000_000


class PlayedNode(BaseNode):
    """Its table has the rows `start_time` and `exit_at_end`."""

    def begin_ns(self) -> int | None:
        """When the recording begins by the node's clock; None if the node is stopping."""
        while self.now_ns() == 0:  # simulated time that nobody has published yet
            if self.stopping.wait(SIM_POLL_S):
                return None
        now_ns, wanted_ns = self.now_ns(), round(self.parameters['start_time'] * 1e9)
        if wanted_ns == 0:
            return now_ns
        if now_ns - wanted_ns > LONG_AGO_NS:
            self.get_logger().warning(
                f'start_time = {wanted_ns / 1e9:.3f}: that was {(now_ns - wanted_ns) / 1e9:.0f} s '
                'ago; the recording begins now'
            )
            return now_ns
        if wanted_ns > now_ns:
            self.get_logger().info(f'begins in {(wanted_ns - now_ns) / 1e9:.1f} s')
        return wanted_ns

    def recording_ended(self, end_ns: int, flow: str) -> None:
        """Let the last piece have its time, then say so, and end the node if that is asked for."""
        if not self.sleep_until(end_ns):
            return
        self.health.expect_silence(flow)
        self.health.fact('finished', True)
        self.get_logger().info('end of the recording')
        if self.parameters['exit_at_end']:
            self.finish()
