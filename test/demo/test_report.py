# SPDX-License-Identifier: Apache-2.0
"""Figures of a run, from a record that is known."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faces import make_frames

from robot_face_gen.demo.report import (
    Record,
    RecordedReaction,
    lost_frames,
    percentiles,
    slot_times_ns,
    summarise,
    table,
    thinned,
    warnings,
)
from robot_face_gen.demo.usage import Usage
from robot_face_gen.pipeline.recording import Recording
from robot_face_gen.pipeline.timeline import Timeline

MS = 1_000_000


def make_record(frames=100, lost=(), latency_ms=80):
    record = Record(frames=make_frames(frames, start_ns=10**15))
    for i, frame in enumerate(record.frames):
        if i in lost:
            continue
        face = {
            'landmarks': np.zeros(136),
            'au': np.zeros(18),
            'pose': np.zeros(4),
            'gaze': np.zeros(2),
        }
        published = frame.stamp_ns + (latency_ms + i % 3) * MS
        record.reactions.append(
            RecordedReaction(published, frame.stamp_ns, published + 2 * MS, face)
        )
    record.diagnostics = {
        'robot1/reaction_node': {'model_p50_ms': '7.5', 'model_p99_ms': '9', 'dropped': '2'},
        'whisper_node': {'encoder_p50_ms': '17', 'encoder_p99_ms': '20'},
    }
    return record


def test_what_comes_after_the_end_is_cut_off():
    record = make_record()
    record.cut(record.frames[60].stamp_ns)
    assert (len(record.frames), len(record.reactions)) == (60, 60)
    assert summarise(record, 4.0, Usage({}))['answered'] == 60


def test_messages_that_are_no_faces_are_told_of():
    record = make_record()
    record.refused, record.not_finite = 2, 1
    assert warnings(record)[0].startswith('2 messages of another program held no face')
    assert summarise(record, 4.0, Usage({}))['finite'] is False


def test_topics_that_another_program_publishes_are_told_of():
    record = make_record()
    assert not any('another program' in line for line in warnings(record))
    record.mixed = {'robot_face/reaction'}
    assert 'another program published robot_face/reaction, too' in warnings(record)[-1]


def test_the_documentation_names_every_key_of_the_summary():
    text = (Path(__file__).parents[2] / 'docs' / 'inputs.md').read_text()
    for key in summarise(make_record(), 4.0, Usage({})):
        assert f'`{key}`' in text, key


def test_what_was_answered_and_how_late():
    record = make_record(lost=(7, 8))
    # Reactions go on a little after the face has ended: they answer none of its frames.
    extra = record.reactions[-1]
    record.reactions.append(
        RecordedReaction(
            extra.published_ns + 40 * MS,
            extra.source_ns + 40 * MS,
            extra.arrived_ns + 40 * MS,
            extra.face,
        )
    )
    usage = Usage({'a': os.getpid(), 'b': os.getppid()})
    usage.sample()
    summary = summarise(record, 4.0, usage)
    assert summary['frames_in'] == 100
    assert summary['reactions_out'] == 99
    assert summary['answered'] == 98
    assert summary['dropped'] == 2
    assert summary['dropped_in_nodes'] == {'robot1/reaction_node': 2}
    assert summary['latency_ms']['p50'] == 81.0
    assert summary['latency_ms']['max'] == 82.0
    assert summary['arrival_latency_ms']['p50'] == 83.0
    assert summary['stages']['model'] == {'p50': 7.5, 'p99': 9.0}
    assert summary['stages']['Whisper encoder'] == {'p50': 17.0, 'p99': 20.0}
    a, b = summary['processes'].values()
    assert a['rss_mb'] > a['pss_mb'] > 1.0 and b['rss_mb'] > 1.0
    assert summary['rss_mb'] == pytest.approx(a['rss_mb'] + b['rss_mb'])
    assert summary['finite']
    assert lost_frames(summary) == []
    (line,) = lost_frames({**summary, 'dropped': 6})
    assert line.startswith('6 of 100 frames have no reaction')
    text = table(summary)
    assert 'frames answered          98   (98.0 %)' in text
    assert 'camera frame to reaction published' in text


def test_nothing_came_at_all():
    summary = summarise(Record(), 1.0, Usage({}))
    assert summary['latency_ms'] == {}
    assert summary['reactions_out'] == 0
    assert 'speaker frames in' in table(summary)
    assert percentiles([]) == {}


@pytest.mark.parametrize(
    ('rate', 'frames', 'spare'),
    [(25, 100, 0), (30, 120, 20), (50, 200, 100), (60, 120, 70), (120, 120, 95)],
)
def test_a_faster_camera_loses_nothing(rate, frames, spare):
    stamps = [10**15 + round(i * 1e9 / rate) for i in range(frames)]
    timeline = Timeline()
    for frame, stamp in zip(make_frames(frames), stamps, strict=True):
        timeline.push_face(replace(frame, stamp_ns=stamp), stamp)
    answered = [slot.source_stamp_ns for slot in timeline.flush()]
    assert thinned(stamps, answered) == frames - len(answered)
    assert abs(thinned(stamps, answered) - spare) <= 1
    # A slot that nobody answered is a loss, however fast the camera.
    begin, end = (stamps[0] + 40 * MS * 7 + half * 20 * MS for half in (-1, 1))
    lost = [stamp for stamp in stamps if begin < stamp <= end]
    rest = [stamp for stamp in answered if stamp not in lost]
    assert len(stamps) - thinned(stamps, rest) - len(rest) == len(lost) >= 1


def test_frames_that_never_came_are_dropped_too():
    recording = Recording(make_frames(100), np.zeros(0, np.float32), 0)
    summary = summarise(make_record(90), 4.0, Usage({}), recording)
    assert (summary['frames_in'], summary['answered'], summary['dropped']) == (90, 90, 10)
    assert 'frames answered          90   (90.0 %)' in table(summary)


def test_valid_and_partly_valid_frames_are_counted_by_what_the_recording_holds():
    record = make_record(100)
    for index in range(100):
        if index < 30:
            record.frames[index] = replace(record.frames[index], success=False)
        elif index < 40:
            gaze = np.array([np.nan, 0.0], np.float32)
            record.frames[index] = replace(record.frames[index], gaze=gaze)
    first_ns = record.frames[0].stamp_ns
    faces = [replace(frame, stamp_ns=frame.stamp_ns - first_ns) for frame in record.frames]
    recording = Recording(faces, np.zeros(0, np.float32), 0, problems=['30 rows: of no use'])
    summary = summarise(record, 4.0, Usage({}), recording)
    assert (summary['frames_recorded'], summary['valid'], summary['partly_valid']) == (100, 70, 10)
    assert (summary['answered'], summary['answered_valid']) == (100, 70)
    assert summary['problems'] == ['30 rows: of no use']
    text = table(summary)
    assert '  valid                  70   (70.0 %)' in text
    assert '  partly valid           10' in text


@pytest.mark.parametrize('rate', [25, 29.97, 30, 60, 15])
def test_reactions_are_written_on_an_even_grid(rate):
    timeline = Timeline()
    for frame in make_frames(round(4 * rate), rate_hz=rate, start_ns=10**15):
        timeline.push_face(frame, frame.stamp_ns)
    reactions = [RecordedReaction(0, slot.source_stamp_ns, 0, {}) for slot in timeline.flush()]
    assert set(np.diff(slot_times_ns(reactions))) == {40 * MS}
    # A grid that the sound began: frames up to 20 ms beside it on either side.
    beside = [
        replace(r, source_ns=10**15 + i * 40 * MS + (-19 if i % 7 == 0 else 19) * MS)
        for i, r in enumerate(reactions)
    ]
    assert set(np.diff(slot_times_ns(beside))) == {40 * MS}
    lost = reactions[:20] + reactions[25:]
    assert sorted(set(np.diff(slot_times_ns(lost)))) == [40 * MS, 240 * MS]


def test_weights_that_mean_nothing_are_told():
    record = make_record(5)
    assert warnings(record) == []
    record.diagnostics['robot1/reaction_node']['trained'] = 'False'
    record.diagnostics['whisper_node'] |= {'level': '2', 'message': 'no sound comes'}
    model, sound = warnings(record)
    assert 'reaction_node: the model is untrained' in model
    assert sound == 'whisper_node: no sound comes'


def test_waiting_after_the_end_is_no_latency():
    record = make_record()
    record.end_playing()
    record.diagnostics['robot1/reaction_node'] |= {'model_p99_ms': '500', 'dropped': '3'}
    summary = summarise(record, 4.0, Usage({}))
    assert summary['stages']['model'] == {'p50': 7.5, 'p99': 9.0}
    assert summary['dropped_in_nodes'] == {'robot1/reaction_node': 3}
