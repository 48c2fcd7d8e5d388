# SPDX-License-Identifier: Apache-2.0
"""`whisper_node`: turns sound into Whisper embeddings, 50 a second."""

from __future__ import annotations

import numpy as np

from robot_face_gen.features.whisper_cache import WeightsMissing
from robot_face_gen.pipeline.inbox import Inbox
from robot_face_gen.pipeline.loading import is_device_error
from robot_face_gen.topics import AUDIO, EMBEDDING
from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding

from .base_node import BaseNode
from .messages import from_embeddings, to_samples
from .tables import WHISPER, WhisperParameters

STALL_S = 1.0
IDLE_S = 0.2
EXACT_SHARE = 0.125  # of max_queue_s: shorter delays are caught up hop by hop

Chunk = tuple[int, int, np.ndarray, int]


class WhisperNode(BaseNode[WhisperParameters]):
    """The callback checks and queues chunks; a worker encodes and publishes."""

    def __init__(self) -> None:
        super().__init__(WHISPER)
        # After rclpy.init, so that Ctrl-C ends a long import cleanly.
        from .whisper_setup import make_stream

        try:
            self._stream = make_stream(self.parameters, self.health, self.get_logger())
        except WeightsMissing as error:
            # The graph goes on: the robot answers the face until this node is started again.
            text = f'no embeddings, the robot reacts to the face alone: {error}; then start again'
            self.health.fail('weights', text)
            return
        self._inbox: Inbox[Chunk] = Inbox(self.parameters.max_queue_s)
        self._frame_id = ''
        self._publisher = self.advertise(AudioEmbedding, EMBEDDING[0], flow='embeddings_out')
        # 50 chunks a second arrive while Python may be busy: a deep queue loses none.
        self.subscribe(
            AudioChunk, AUDIO[0], self._on_audio, flow='chunks_in', stall_s=STALL_S, depth=50
        )
        self.start_worker(self._encode, 'encoder')

    def _on_audio(self, message: AudioChunk) -> None:
        chunk = to_samples(message)
        self._frame_id = message.header.frame_id
        if dropped := self._inbox.put(chunk, weight=len(chunk[2]) / chunk[3]):
            self.health.drop(dropped, 'chunks', 'the encoder is too slow')

    def _encode(self) -> None:
        while not self.stopping.is_set():
            for chunk in join(self._inbox.take_all(IDLE_S)):
                self._publish(*chunk)

    def _publish(
        self, stamp_ns: int, first_sample: int, samples: np.ndarray, sample_rate: int
    ) -> None:
        begin_ns = self.now_ns()
        # A short delay is caught up exactly, hop by hop. After a longer one all hops are encoded
        # at once: on a slow machine embeddings stay in time, but are less accurate.
        behind = len(samples) > EXACT_SHARE * self.parameters.max_queue_s * sample_rate
        try:
            blocks = self._stream.push(
                samples, sample_rate, stamp_ns, first_sample, catch_up=behind
            )
        except RuntimeError as error:
            if not is_device_error(error):
                raise
            from .whisper_setup import on_cpu

            self._stream = on_cpu(error, self.parameters, self.health, self.get_logger())
            return
        self.health.set_counters(self._stream.counters)
        if blocks:
            self.health.latency('encoder', (self.now_ns() - begin_ns) / 1e9)
        for block in blocks:
            self._publisher.publish(
                from_embeddings(
                    block.stamp_ns,
                    block.data,
                    block.rate_hz,
                    self._stream.encoder.id,
                    self._frame_id,
                )
            )
            self.health.tick('embeddings_out', len(block.data))
            end_ns = block.stamp_ns + round(len(block.data) / block.rate_hz * 1e9)
            self.health.latency('latency', (self.now_ns() - end_ns) / 1e9)


def join(chunks: list[Chunk]) -> list[Chunk]:
    """Join chunks that follow each other without a loss."""
    joined: list[Chunk] = []
    for chunk in chunks:
        if joined:
            stamp_ns, first, samples, rate = joined[-1]
            if chunk[3] == rate and chunk[1] == first + len(samples):
                joined[-1] = (stamp_ns, first, np.concatenate((samples, chunk[2])), rate)
                continue
        joined.append(chunk)
    return joined


PROGRAM = WhisperNode, WHISPER
