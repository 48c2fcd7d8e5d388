# SPDX-License-Identifier: Apache-2.0
"""`openface_node`: publishes the frames of an OpenFace CSV in real time."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface import OpenFaceError, OpenFaceFile
from robot_face_gen.features.openface_follow import OpenFaceFollower
from robot_face_gen.pipeline.playback import FaceFollower
from robot_face_gen.sources import FOLLOW, HRI
from robot_face_gen.timing import SECOND_NS
from robot_face_gen.topics import FACE
from robot_face_gen_msgs.msg import FaceFeatures

from .hri_source import HriSource
from .messages import from_face_frame
from .played_node import PlayedNode
from .source_tables import OPENFACE, OpenFaceParameters

FOLLOW_STALL_S = 1.0
PROBLEM_EVERY_S = 5.0  # in the log: problems of a recording


class OpenFaceNode(PlayedNode[OpenFaceParameters]):
    """Publishes each frame when it is due, from a thread that sleeps in between."""

    def __init__(self) -> None:
        super().__init__(OPENFACE)
        self._rows: Counter[str] = Counter()  # of a followed file, as reported last
        self._publisher = self.advertise(FaceFeatures, FACE[0], flow='frames_out')
        source: str = self.parameters.source
        if source.partition(':')[0] == HRI:
            HriSource(
                self, source.partition(':')[2], self.parameters.hri_full_intensity, self._relay
            )
        elif source.startswith(FOLLOW):
            path = source.removeprefix(FOLLOW)
            self.health.add_flow('rows', f'new rows in {path}', FOLLOW_STALL_S)
            rows = OpenFaceFollower(path)
            self._count_rows(rows)
            follower = FaceFollower(lambda: self._look(rows))
            self.start_worker(lambda: self._follow(follower, self.parameters.poll_s), 'follower')
        else:
            if not Path(source).is_file():
                raise FileNotFoundError(f'source = {source!r}: there is no such file')
            recording = OpenFaceFile(source)  # a file that cannot be read ends the node here
            self.get_logger().info(
                f'{source}: {recording.duration_s:.1f} s, {recording.rate_hz:g} frames a second'
            )
            self.start_worker(lambda: self.play(partial(self._play, recording)), 'player')

    def _relay(self, frame: FaceFrame, frame_id: str = '') -> None:
        self._publisher.publish(from_face_frame(frame, frame_id or self.parameters.frame_id))
        self.health.tick('frames_out')

    def _play(self, recording: OpenFaceFile, begin_ns: int) -> None:
        problems = 0
        for frames, skipped in self.due(recording.frames, begin_ns):
            self._publish(frames, skipped)
            if (found := sum(recording.report.problems.values())) > problems:
                problems = found
                self.get_logger().warning(
                    f'{recording.path}: {recording.report.latest[-1]}',
                    throttle_duration_sec=PROBLEM_EVERY_S,
                )
        if self.stopping.is_set():
            return
        report = recording.report
        for line in report.lines():
            self.get_logger().warning(f'{recording.path}: {line}')
        self.get_logger().info(
            f'{recording.path}: {report.frames} frames, {report.valid} valid, '
            f'{report.partly_valid} of them with missing values'
        )
        self.recording_ended('frames_out')

    def _look(self, rows: OpenFaceFollower) -> list[FaceFrame]:
        """New rows of a followed file; a problem of the file is reported, and the node goes on."""
        frames: list[FaceFrame] = []
        try:
            frames = rows.poll()
        except (OpenFaceError, OSError) as error:
            self.health.fail('source', f'{error}; waiting for another file in its place')
        if frames:
            self.health.mend('source')
        self._count_rows(rows)
        return frames

    def _count_rows(self, rows: OpenFaceFollower) -> None:
        before, report = self._rows, rows.report
        self._rows = Counter(
            bad_rows=report.bad_rows,
            other_rows=report.other_rows,
            restarts=rows.restarts,
            rewrites=rows.rewrites,
            problems_found=sum(report.problems.values()),
            valid=report.valid,
            partly_valid=report.partly_valid,
        )
        new = self._rows - before
        trouble = {'bad_rows': f'{rows.path}: {{total}} rows could not be used'}
        if found := new['problems_found']:
            more = f' (and {found - 1} more problems)' if found > 1 else ''
            first = report.latest[max(-found, -len(report.latest))]
            trouble['problems_found'] = f'{rows.path}: {first}{more}'
        if report.missing and not before['valid'] and new['valid']:
            self.get_logger().warning(f'{rows.path}: {report.missing}')
        if new['rewrites']:
            self.get_logger().info(
                f'{rows.path}: is written a second time: no frame is published again'
            )
        elif new['restarts']:
            self.get_logger().info(f'{rows.path}: the file was restarted')
        self.health.set_counters(self._rows, trouble)

    def _follow(self, follower: FaceFollower, poll_s: float) -> None:
        # Poll by the clock's present time: the clock can fall back.
        while self.sleep_until(self.now_ns() + round(poll_s * SECOND_NS)):
            skipped = follower.skipped
            frames = follower.pop(self.now_ns())
            self.health.tick('rows', len(frames))
            self._publish(frames, follower.skipped - skipped)

    def _publish(self, frames: list[FaceFrame], skipped: int) -> None:
        for frame in frames:
            self._relay(frame)
        if skipped:
            self.health.count('skipped', skipped)


PROGRAM = OpenFaceNode, OPENFACE
