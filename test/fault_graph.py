# SPDX-License-Identifier: Apache-2.0
"""The whole graph with its real sources and outputs, for tests that disturb it."""

import time
from pathlib import Path

import numpy as np
from fault_lab import Lab, Viewer
from sensor_msgs.msg import JointState

from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.nodes.messages import to_ns
from robot_face_gen.resources import demo_recording
from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding

ACTUATORS = Path(__file__).resolve().parents[1] / 'config' / 'actuators.yaml'
HEAD = read_actuators(ACTUATORS)
STATES = '/robot_face/joint_states'
SENSORS = ('openface_node', 'microphone_node', 'whisper_node')
OUTPUTS = ('face_actuator_node', 'face_screen_node')
ALL = (*SENSORS, 'reaction_node', *OUTPUTS)


class Graph(Lab):
    """All nodes of a robot, with the recordings of the demo in a loop."""

    def __init__(self, folder, **arguments):
        face, voice = demo_recording()
        begin_s = time.monotonic()
        super().__init__(
            folder,
            drive=False,
            openface=str(face),
            audio=str(voice),
            loop='true',
            start_delay='0.5',
            actuators=str(ACTUATORS),
            screen='true',
            screen_port='0',
            **arguments,
        )
        self.peer.listen(JointState, STATES)
        self.peer.listen(AudioChunk, '/audio')
        self.peer.listen(AudioEmbedding, '/whisper/embedding')
        self.wait_for_nodes(ALL)
        # All nodes at once: one alone starts faster, on this machine as busy as it is.
        self.start_s = time.monotonic() - begin_s
        self.viewer = Viewer(lambda: self.peer.values('face_screen_node').get('address', ''))

    def wait_for_nodes(self, names, timeout_s=60.0):
        """Wait for the next status of these nodes."""
        for name in names:
            self.peer.statuses.pop(name, None)
        self.peer.wait_for(
            lambda: all(name in self.peer.statuses for name in names), f'{names}', timeout_s
        )

    def forget(self):
        for heard in self.peer.heard.values():
            heard[:-50] = []
        self.viewer.frames[:-50] = []

    def check_motion(self, begin_s, *, restarted=False):
        """Commands to the motors were within their limits since then."""
        messages = [m for at, m in list(self.peer.heard[STATES]) if at >= begin_s]
        assert len(messages) > 20
        positions = np.array([m.position for m in messages])
        velocities = np.array([m.velocity for m in messages])
        assert np.isfinite(positions).all() and np.isfinite(velocities).all()
        assert (positions >= HEAD.limits.low - 1e-9).all()
        assert (positions <= HEAD.limits.high + 1e-9).all()
        assert (np.abs(velocities) <= HEAD.limits.max_speed + 1e-9).all()
        if not restarted:
            seconds = np.diff([to_ns(m.header.stamp) / 1e9 for m in messages]).clip(0.02)
            speeds = np.abs(np.diff(positions, axis=0)) / seconds[:, None]
            assert (speeds <= 1.3 * HEAD.limits.max_speed).all()  # stamps are not quite even

    def close(self):
        self.viewer.close()
        super().close()
