# SPDX-License-Identifier: Apache-2.0
"""`microphone_node`: publishes the sound of a microphone, or of a recording as if it were one."""

from __future__ import annotations

from robot_face_gen.features.audio_source import AudioBlock, AudioFileSource
from robot_face_gen.features.microphone import MicrophoneSource
from robot_face_gen.pipeline.playback import TOO_LATE_NS
from robot_face_gen.sources import MICROPHONE, TOPIC
from robot_face_gen.topics import AUDIO
from robot_face_gen_msgs.msg import AudioChunk

from .audio_topic import AudioTopic
from .messages import from_samples
from .played_node import PlayedNode
from .source_tables import MICROPHONE_TABLE, MicrophoneParameters

STALL_S = 1.0


class MicrophoneNode(PlayedNode[MicrophoneParameters]):
    """A worker reads the source and publishes; a microphone that is not there is tried again.

    Sound of another package's topic is converted in its callback.
    """

    def __init__(self) -> None:
        super().__init__(MICROPHONE_TABLE)
        # 20 ms a chunk: the queue of a busy subscriber must not lose one so soon.
        self._publisher = self.advertise(AudioChunk, AUDIO[0], flow='chunks_out', depth=50)
        self._reported: set[str] = set()  # problems of a recording
        source: str = self.parameters.source
        kind, _, device = source.partition(':')
        if kind == MICROPHONE:
            self.health.add_flow('blocks', 'the first sound of the microphone', STALL_S)
            microphone = MicrophoneSource(
                device or None,
                sample_rate=self.parameters.sample_rate,
                block_s=self.parameters.chunk_s,
                retry_s=self.parameters.retry_s,
                clock=self.now_ns,
            )
            self.start_worker(
                lambda: self.use_device(
                    microphone, 'microphone', 'blocks', self._publish, 'the microphone is there'
                ),
                'microphone',
            )
        elif kind == TOPIC:
            AudioTopic(self, device, self._publish)
        else:
            recording = self._recording(0)  # a file that cannot be read ends the node here
            length = f'{recording.file.duration_s:.1f} s' if recording.file.duration_s else 'sound'
            self.get_logger().info(f'{source}: {length}, {recording.file.sample_rate} Hz')
            self._report(recording)
            recording.close()
            self.start_worker(lambda: self.play(self._play), 'player')

    def _recording(self, begin_ns: int) -> AudioFileSource:
        return AudioFileSource(
            self.parameters.source,
            chunk_s=self.parameters.chunk_s,
            speed=self.parameters.speed,
            loop=self.parameters.loop,
            period_s=self.parameters.loop_period_s,
            start_time_ns=begin_ns,
        )

    def _report(self, recording: AudioFileSource) -> None:
        """Log what is wrong with the file, each problem once."""
        for problem in recording.file.problems:
            if problem not in self._reported:
                self._reported.add(problem)
                self.get_logger().warning(f'{recording.file.path}: {problem}')
        if bad := recording.counters['bad_samples']:
            text = 'samples that are not finite or far too loud are silenced or clipped'
            self.health.set_counters(
                {'bad_samples': bad}, {'bad_samples': f'{recording.file.path}: {{total}} {text}'}
            )

    def _publish(self, block: AudioBlock, frame_id: str = '') -> None:
        self._publisher.publish(
            from_samples(
                block.stamp_ns,
                block.first_sample,
                block.samples,
                block.sample_rate,
                frame_id or self.parameters.frame_id,
            )
        )
        self.health.tick('chunks_out')

    def _play(self, begin_ns: int) -> None:
        recording, before_ns = self._recording(begin_ns), min(begin_ns, self.now_ns())
        while (due_ns := recording.next_due_ns) is not None:
            if not self.wait_for(due_ns, before_ns):
                return
            before_ns = due_ns
            block = recording.take()
            if block is None:
                break
            if self.now_ns() - due_ns > TOO_LATE_NS:
                recording.skip_rounds(self.now_ns())
                self.health.count('skipped')
            else:
                self._publish(block)
            self._report(recording)
        self.recording_ended('chunks_out')


PROGRAM = MicrophoneNode, MICROPHONE_TABLE
