# SPDX-License-Identifier: Apache-2.0
"""Measures `reaction_server` over DDS: this process sends the faces and voices of many robots."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from robot_face_gen.demo.recorder import NodeThread, own_domain
from robot_face_gen.demo.report import percentiles
from robot_face_gen.demo.usage import Usage
from robot_face_gen.resources import demo_recording
from robot_face_gen.timing import CONTEXT_S, EMBEDDING_RATE_HZ, EMBEDDINGS_PER_FRAME, PERIOD_NS
from robot_face_gen.tools.bringup import start_bringup
from robot_face_gen.tools.ros import child_environment

SETTLE_S = 3.0
AFTER_S = 1.0
TIMEOUT_S = 90.0


class Robots(NodeThread):
    """Speakers in several namespaces; each plays the demo recording from a different position.

    The backend computes their embeddings before the measurement.
    """

    def __init__(self, names: list[str], backend: str, domain: int) -> None:
        super().__init__('robots', domain)
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        from robot_face_gen.features.openface import read_openface_csv
        from robot_face_gen.features.sound_file import read_audio
        from robot_face_gen.features.whisper_stream import embed_recording
        from robot_face_gen.nodes.messages import to_ns
        from robot_face_gen.pipeline.loading import load_encoder
        from robot_face_gen_msgs.msg import AudioEmbedding, FaceFeatures, FaceReaction

        face, voice = demo_recording()
        samples, rate = read_audio(voice)
        encoder = load_encoder('untrained', CONTEXT_S, device='cpu', backend=backend)
        self._encoder = encoder.id
        step = EMBEDDINGS_PER_FRAME  # per message, as from a whisper_node
        self._sound = [
            block.data[place : place + step]
            for block in embed_recording(samples, rate, encoder)
            for place in range(0, len(block.data) - step + 1, step)
        ]
        self._faces = read_openface_csv(face).frames
        qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._publishers = [
            (
                self.node.create_publisher(FaceFeatures, f'/{name}/openface/features', qos),
                self.node.create_publisher(AudioEmbedding, f'/{name}/whisper/embedding', qos),
            )
            for name in names
        ]
        self.sent: list[set[int]] = [set() for _ in names]
        self.latencies_ms: list[dict[int, float]] = [{} for _ in names]  # by source stamp
        for name, latencies in zip(names, self.latencies_ms, strict=True):

            def receive(message: Any, latencies: dict[int, float] = latencies) -> None:
                source_ns = to_ns(message.source_stamp)
                latencies[source_ns] = (to_ns(message.header.stamp) - source_ns) / 1e6

            self.node.create_subscription(
                FaceReaction, f'/{name}/robot_face/reaction', receive, qos
            )
        self.start(self._send)

    def _send(self) -> None:
        """Send for one robot after the other, evenly distributed over the period of a frame."""
        from robot_face_gen.nodes.messages import from_embeddings, from_face_frame

        count = len(self._publishers)
        begin_ns, turn = time.time_ns(), 0
        while not self._stop.is_set():
            due_ns = begin_ns + turn * PERIOD_NS // count
            if self._stop.wait(max(0.0, (due_ns - time.time_ns()) / 1e9)):
                return
            index, robot = divmod(turn, count)
            place = index + 37 * robot
            frame = dataclasses.replace(self._faces[place % len(self._faces)], stamp_ns=due_ns)
            face, voice = self._publishers[robot]
            self.sent[robot].add(due_ns)
            face.publish(from_face_frame(frame, 'camera'))
            sound = self._sound[place % len(self._sound)]
            voice.publish(
                from_embeddings(
                    due_ns - PERIOD_NS, sound, EMBEDDING_RATE_HZ, self._encoder, 'microphone'
                )
            )
            turn += 1


def measure_server(faces: int, seconds: float, backend: str) -> dict[str, Any]:
    """Measure a server for `faces` namespaces.

    Returns:
        dict: `faces`, `frames` and `answered` (of all faces), `least_answered` (smallest answered
        share of a face), `latency_ms` (camera frame to publication), `cpu_percent`, `rss_mb`.

    Raises:
        BringupError: the server has exited, or it does not answer every face.
    """
    os.environ.update(child_environment())
    names = [f'robot{number}' for number in range(faces)]
    with own_domain() as domain, tempfile.TemporaryDirectory() as folder:
        os.environ['ROS_DOMAIN_ID'] = str(domain)
        arguments = {'namespaces': ','.join(names), 'backend': backend}
        log_file = Path(folder) / 'server.log'
        server = start_bringup(arguments, log_file=log_file, graph='reaction_server')
        with contextlib.ExitStack() as tidy:
            tidy.callback(server.stop)
            robots = Robots(names, backend, domain)
            tidy.callback(robots.close)
            ready = lambda: all(robots.latencies_ms)  # noqa: E731
            server.wait_until(ready, 'a reaction of every face', TIMEOUT_S)
            time.sleep(SETTLE_S)
            usage = Usage(server.processes)
            begin_ns = time.time_ns()
            time.sleep(seconds)
            usage.sample()
            end_ns = time.time_ns()
            time.sleep(AFTER_S)
            found = [
                ({stamp for stamp in sent if begin_ns <= stamp < end_ns}, dict(latencies))
                for sent, latencies in zip(robots.sent, robots.latencies_ms, strict=True)
            ]
    used = usage.figures()
    latencies = [answers[stamp] for sent, answers in found for stamp in sent & answers.keys()]
    return {
        'faces': faces,
        'backend': backend,
        'frames': sum(len(sent) for sent, _ in found),
        'answered': len(latencies),
        'least_answered': min(len(sent & answers.keys()) / len(sent) for sent, answers in found),
        'latency_ms': percentiles(latencies),
        'cpu_percent': used['cpu_percent'],
        'rss_mb': used['rss_mb'],
    }
