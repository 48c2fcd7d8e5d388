# SPDX-License-Identifier: Apache-2.0
"""The timeline: for any input in any order, the output is even, causal and finite."""

import dataclasses

import numpy as np
import pytest
from faces import make_frame, make_frames
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_face_gen.features.whisper_stream import EmbeddingBlock
from robot_face_gen.layout import VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from robot_face_gen.pipeline.crop import FaceCrop
from robot_face_gen.pipeline.recording import align_recording
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import MAX_WAIT_S, PERIOD_NS

MS = 1_000_000
DIM = 4
START = 1_000_000 * MS


def blocks(count, start_ns=START, size=2):
    """Embeddings whose values are the end of their sound in ms."""
    out = []
    for first in range(0, count, size):
        ends = start_ns + (np.arange(first, first + size) + 1) * 20 * MS
        data = np.repeat(((ends - START) / MS)[:, None], DIM, axis=1).astype(np.float32)
        out.append(EmbeddingBlock(start_ns + first * 20 * MS, data))
    return out


def play(timeline, frames=(), embeddings=(), face_delay_ms=30, audio_delay_ms=50, until_ms=0):
    """Deliver all input with its delay and call `pop` every 5 ms; returns (frame, time) pairs."""
    events = [(f.stamp_ns + face_delay_ms * MS, 0, i, f) for i, f in enumerate(frames)]
    events += [
        (e.stamp_ns + len(e.data) * 20 * MS + audio_delay_ms * MS, 1, i, e)
        for i, e in enumerate(embeddings)
    ]
    end = max([START + until_ms * MS, *(e[0] for e in events)]) + 500 * MS
    events += [(t, 2, 0, None) for t in range(START, end, 5 * MS)]
    out = []
    for now, kind, _, item in sorted(events, key=lambda e: e[:3]):
        if kind == 0:
            timeline.push_face(item, now)
        elif kind == 1:
            timeline.push_audio(item.stamp_ns, item.data, now)
        out += [(frame, now) for frame in timeline.pop(now)]
    # Omit the slots after the end of both streams.
    newest = max(
        [f.stamp_ns for f in frames] + [e.stamp_ns + len(e.data) * 20 * MS for e in embeddings]
    )
    return [(frame, now) for frame, now in out if frame.source_stamp_ns <= newest]


def check(out, audio_delay_ms=0):
    """Conditions that always hold."""
    previous = None
    for frame, now in out:
        if previous is not None and frame.epoch == previous.epoch:
            assert frame.index == previous.index + 1
            assert frame.stamp_ns == previous.stamp_ns + PERIOD_NS
        elif previous is not None:
            assert frame.epoch > previous.epoch
            assert frame.index == 0
        assert frame.source_stamp_ns <= frame.stamp_ns
        assert frame.source_stamp_ns <= now
        for name in ('landmarks', 'au', 'pose', 'gaze', 'audio'):
            assert np.isfinite(getattr(frame, name)).all()
        assert frame.mask.shape == (VALUE_MASK_WIDTH,) and frame.mask.dtype == bool
        assert frame.mask.any() == frame.face_valid
        if frame.audio_valid:
            ends = frame.audio[:, 0]
            assert ends[1] - ends[0] == 20  # two consecutive embeddings
            latest = (frame.stamp_ns - START) / MS - 20 + 10 - audio_delay_ms
            assert 0 <= latest - ends[1] < 20  # the newest that it may use
        previous = frame


def test_each_frame_of_a_recording_is_returned_as_soon_as_its_sound_is_there():
    frames = make_frames(50, start_ns=START)
    # The sound lasts until the end of the face.
    out = play(Timeline(audio_dim=DIM), frames, blocks(110, START - 240 * MS))
    check(out)
    assert [f.source_stamp_ns for f, _ in out] == [f.stamp_ns for f in frames]
    assert all(f.face_valid and f.audio_valid for f, _ in out)
    assert all((f.au == g.au).all() for (f, _), g in zip(out, frames, strict=True))
    late = [(now - f.source_stamp_ns) / MS for f, now in out]
    assert max(late) <= 50  # the sound arrives 50 ms after its end


@pytest.mark.parametrize(
    ('rate', 'valid'), [(25, 1.0), (29.97, 1.0), (30, 1.0), (60, 1.0), (15, 1.0)]
)
def test_other_frame_rates_are_converted_to_25_hz(rate, valid):
    frames = make_frames(int(4 * rate), rate_hz=rate, start_ns=START)
    out = play(Timeline(audio_dim=DIM), frames)
    check(out)
    assert 98 <= len(out) <= 101
    assert np.mean([f.face_valid for f, _ in out]) == valid


def test_camera_jitter_loses_no_frame():
    generator = np.random.default_rng(0)
    frames = [
        dataclasses.replace(f, stamp_ns=f.stamp_ns + int(generator.uniform(-12, 12) * MS))
        for f in make_frames(100, start_ns=START)
    ]
    out = play(Timeline(audio_dim=DIM), frames)
    check(out)
    assert {f.source_stamp_ns for f, _ in out} >= {f.stamp_ns for f in frames[1:]}


def test_slots_continue_without_face_and_without_sound():
    frames = make_frames(125, start_ns=START)
    sound = blocks(248)
    timeline = Timeline(audio_dim=DIM)
    out = play(timeline, frames[:25] + frames[75:], sound[:50] + sound[100:])  # 1..3 s, 2..4 s
    check(out)
    assert {f.epoch for f, _ in out} == {1}
    assert np.diff([now for _, now in out]).max() <= 170 * MS  # even while both are missing
    assert not any(f.face_valid for f, _ in out[30:74])
    assert all(f.face_valid for f, _ in out[76:125])
    assert not any(f.audio_valid for f, _ in out[53:98])
    assert all(f.audio_valid for f, _ in out[102:125])
    # Frames do not wait for a stream that has stopped.
    assert max((now - f.stamp_ns) / MS for f, now in out[110:124]) < 60


def test_without_a_microphone_only_the_first_slots_wait_for_sound():
    out = play(Timeline(audio_dim=DIM), make_frames(25, start_ns=START))
    waits_ms = [(now - f.source_stamp_ns) / MS for f, now in out]
    assert waits_ms[0] <= 30 and max(waits_ms[8:]) <= 30
    assert max(waits_ms) == MAX_WAIT_S * 1e3
    assert not any(f.audio_valid for f, _ in out)


def test_a_voice_that_starts_with_the_face_is_in_every_slot():
    """Its first embeddings arrive 60 ms after the second frame, which must wait for them."""
    timeline = Timeline(audio_dim=DIM)
    out = play(timeline, make_frames(25, start_ns=START), blocks(50), audio_delay_ms=60)
    assert [f.audio_valid for f, _ in out][:25] == [False] + 24 * [True]


@pytest.mark.parametrize('confidence', [0.69, 0.7, 0.71])
def test_a_confidence_in_float32_is_compared_as_in_float64(confidence):
    found = []
    for carried in (confidence, float(np.float32(confidence))):
        timeline = Timeline(audio_dim=DIM)
        timeline.push_face(make_frame(START, confidence=carried), START)
        found.append(timeline.pop(START)[0].face_valid)
    assert found == 2 * [confidence >= 0.7]


def test_without_a_camera_the_sound_defines_the_slots():
    out = play(Timeline(audio_dim=DIM), [], blocks(200))
    check(out)
    assert len(out) >= 70
    assert not any(f.face_valid for f, _ in out)
    assert all(f.audio_valid for f, _ in out[1:])


def test_slots_wait_for_a_slow_tracker():
    """OpenFace may need 300 ms; the sound arrives earlier and waits."""
    out = play(
        Timeline(audio_dim=DIM), make_frames(100, start_ns=START), blocks(198), face_delay_ms=300
    )
    check(out)
    assert all(f.face_valid for f, _ in out)
    assert all(f.audio_valid for f, _ in out[2:])


def test_the_wait_for_a_late_sound_is_bounded():
    sound = blocks(200)
    timeline = Timeline(audio_dim=DIM, max_wait_s=0.12)
    out = play(timeline, make_frames(100, start_ns=START), sound[:50])  # it stops after 2 s
    check(out)
    assert len(out) == 100
    # The first of two embeddings arrives 70 ms after its end.
    assert max((now - f.source_stamp_ns) / MS for f, now in out) <= 70 + 120 + 10


def test_slots_do_not_wait_for_a_stream_that_has_stopped():
    """One second after its end, only the delay of the other stream remains."""
    frames, sound = make_frames(100, start_ns=START), blocks(210, START - 240 * MS)
    no_sound = play(Timeline(audio_dim=DIM), frames, sound[:36])  # until 1.2 s
    no_face = play(Timeline(audio_dim=DIM), frames[:30], sound, audio_delay_ms=50)
    for out, delay_ms, valid in ((no_sound, 30, 'face_valid'), (no_face, 50, 'audio_valid')):
        check(out)
        waits_ms = [(now - frame.source_stamp_ns) / MS for frame, now in out]
        assert len(waits_ms) >= 98 and all(getattr(frame, valid) for frame, _ in out[60:98])
        assert max(waits_ms[32:50]) > delay_ms + 40  # it may still deliver
        assert max(waits_ms[60:98]) <= delay_ms + 10, valid


@pytest.mark.parametrize('is_tracked', [True, False])
def test_a_held_face_does_not_move_the_crop(is_tracked):
    """The face moves and is lost for 6 frames: a low confidence, or no frames."""
    frames, expected = make_frames(20, start_ns=START), []
    crop = FaceCrop()
    for index, frame in enumerate(frames):
        frame.landmarks[:68] += 10 * index
        crop.update(frame.landmarks, not 8 <= index < 14)
        expected.append(crop.to_crop(frame.landmarks))
    low = [dataclasses.replace(frame, confidence=0.1) for frame in frames[8:14]]
    given = frames[:8] + low * is_tracked + frames[14:]
    out = [frame for frame, _ in play(Timeline(audio_dim=DIM), given)]
    assert len(out) == 20
    for index in (*range(8), *range(14, 20)):
        assert np.array_equal(out[index].landmarks, expected[index]), index


def test_low_confidence_holds_the_last_face_as_not_valid():
    frames = make_frames(10, start_ns=START)
    frames[4] = dataclasses.replace(frames[4], confidence=0.2)
    frames[5] = dataclasses.replace(frames[5], success=False)
    timeline = Timeline(audio_dim=DIM, min_confidence=0.7)
    out = play(timeline, frames)
    assert [f.face_valid for f, _ in out] == [True] * 4 + [False] * 2 + [True] * 4
    assert (out[5][0].au == frames[3].au).all()
    assert timeline.counters['low_confidence'] == 2
    assert [f.source_stamp_ns for f, _ in out] == [f.stamp_ns for f in frames]


def missing(frame, **branches):
    """The frame with NaN at the given indices of each branch; ... means all."""
    changed = {}
    for name, places in branches.items():
        changed[name] = getattr(frame, name).copy()
        changed[name][places] = np.nan
    return dataclasses.replace(frame, **changed)


def test_missing_values_are_zero_and_masked():
    frames = make_frames(10, start_ns=START)
    frames[3] = missing(frames[3], landmarks=7)  # one landmark: all are missing
    frames[4] = missing(frames[4], au=[5, 17], pose=3, gaze=1)
    frames[5] = dataclasses.replace(frames[5], au=np.full(18, np.inf, np.float32))
    frames[6] = missing(frames[6], landmarks=..., au=..., pose=..., gaze=...)
    sound = blocks(28, START - 200 * MS)
    del sound[8]  # ends 140 ms after the start
    timeline = Timeline(audio_dim=DIM)
    out = [frame for frame, _ in play(timeline, frames, sound)]
    check([(frame, frame.stamp_ns) for frame in out])
    assert [f.face_valid for f in out] == [i != 6 for i in range(10)]
    parts = {name: VALUE_MASK_SLICES[name] for name in ('landmarks', 'au', 'pose', 'gaze')}
    expected = np.ones((10, VALUE_MASK_WIDTH), bool)
    expected[3, parts['landmarks']] = expected[5, parts['au']] = expected[6] = False
    expected[4, [1 + 5, 1 + 17, 1 + 18 + 3, 1 + 18 + 4 + 1]] = False
    assert np.array_equal([f.mask for f in out], expected)
    assert (out[3].landmarks == 0).all() and (out[3].au == frames[3].au).all()
    assert out[4].au[5] == out[4].au[17] == out[4].pose[3] == out[4].gaze[1] == 0
    assert (out[4].au[:5] == frames[4].au[:5]).all() and out[4].gaze[0] == frames[4].gaze[0]
    assert (out[5].au == 0).all() and (out[5].landmarks != 0).any()
    assert timeline.counters['low_confidence'] == 1 and timeline.counters['partly_valid'] == 3
    assert [f.audio_valid for f in out] == [i != 4 for i in range(10)]


def test_a_held_face_keeps_its_mask():
    frames = make_frames(20, start_ns=START)
    frames[4] = missing(frames[4], gaze=0)
    out = [frame for frame, _ in play(Timeline(audio_dim=DIM), frames[:5] + frames[15:])]
    assert [f.face_valid for f in out[4:8]] == [True, True, True, False]  # held for 0.1 s
    for frame in out[4:7]:
        assert frame.mask.sum() == VALUE_MASK_WIDTH - 1
        assert not frame.mask[VALUE_MASK_SLICES['gaze']][0]
    assert not out[7].mask.any()


def test_faces_without_landmarks_do_not_move_the_crop():
    """Three seconds without landmarks are not three seconds without a face."""
    whole = make_frames(100, start_ns=START)
    partly = whole[:10] + [missing(f, landmarks=...) for f in whole[10:90]] + whole[90:]
    for frame in partly[90:]:  # outliers for a short time do not move it
        frame.landmarks[:68] += 400
    out = [frame for frame, _ in play(Timeline(audio_dim=DIM), partly)]
    reference = [frame for frame, _ in play(Timeline(audio_dim=DIM), whole[:10])]
    assert all(frame.face_valid for frame in out)
    held = np.mean(out[95].landmarks[:68]) - np.mean(reference[9].landmarks[:68])
    assert held > 0.5  # not in the centre, as in a new crop


def test_a_recording_without_landmarks_is_aligned():
    frames = [missing(f, landmarks=...) for f in make_frames(50, start_ns=START)]
    out = align_recording(frames, [], audio_dim=DIM)
    assert out['face_valid'].all() and not out['mask'][:, 0].any() and out['mask'][:, 1:].all()
    assert (out['landmarks'] == 0).all() and (out['au'] == [f.au for f in frames]).all()


def test_duplicate_and_late_frames_are_counted_and_ignored():
    frames = make_frames(20, start_ns=START)
    timeline, plain = Timeline(audio_dim=DIM), Timeline(audio_dim=DIM)
    out = []
    for i, frame in enumerate(frames):
        now = frame.stamp_ns + 10 * MS
        timeline.push_face(frame, now)
        timeline.push_face(frame, now)  # twice before its slot is returned
        out += timeline.pop(now)
        if i == 10:
            timeline.push_face(frames[10], now)  # again afterwards
            timeline.push_face(frames[6], now)  # much later
    expected = [f for f, _ in play(plain, frames)]
    assert [f.source_stamp_ns for f in out] == [f.source_stamp_ns for f in expected]
    assert timeline.counters['duplicates'] == 21
    assert timeline.counters['late'] == 1


def test_frames_out_of_order_are_sorted_while_they_wait_for_sound():
    frames = make_frames(12, start_ns=START)
    order = [0, 1, 3, 2, 4, 6, 5, 7, 8, 9, 10, 11]
    timeline = Timeline(audio_dim=DIM)
    for block in blocks(2):
        timeline.push_audio(block.stamp_ns, block.data, START)
    for i in order:
        timeline.push_face(frames[i], START + 480 * MS)
    out = timeline.flush()
    assert [f.source_stamp_ns for f in out] == [f.stamp_ns for f in frames]


def test_a_looping_bag_starts_a_new_epoch_and_loses_no_frame():
    frames, sound = make_frames(50, start_ns=START), blocks(110, START - 240 * MS)
    timeline = Timeline(audio_dim=DIM)
    first = play(timeline, frames, sound)
    second = play(timeline, frames, sound)
    check(second)
    assert len(first) == len(second) == 50
    assert timeline.counters['clock_jumps'] == 1
    assert {f.epoch for f, _ in second} == {first[0][0].epoch + 1}
    assert np.mean([f.audio_valid for f, _ in second]) > 0.9


def test_single_frames_with_old_stamps_do_not_end_a_session():
    """Single wrong stamps, and a second source whose clock is 30 s behind."""
    frames = make_frames(50, start_ns=START)
    alone, timeline = Timeline(audio_dim=DIM), Timeline(audio_dim=DIM)
    out = []
    for i, frame in enumerate(frames):
        timeline.push_face(frame, frame.stamp_ns)
        if i == 20:
            timeline.push_face(make_frame(1), frame.stamp_ns)
        if i > 25:  # two old frames for each valid one
            for late in (0, 20):
                old = make_frame(frame.stamp_ns + (late - 30_000) * MS)
                timeline.push_face(old, frame.stamp_ns)
        out += timeline.pop(frame.stamp_ns)
    expected = [slot for slot, _ in play(alone, frames)]
    assert [slot.source_stamp_ns for slot in out] == [s.source_stamp_ns for s in expected][:50]
    assert {slot.epoch for slot in out} == {1}
    assert (
        timeline.counters['from_the_past'] == 1 + 2 * 23
    )  # the last two may belong to a new time
    assert timeline.counters['clock_jumps'] == timeline.counters['late'] == 0


def test_frames_that_wait_when_the_clock_jumps_back_are_returned():
    """They wait for sound, which is late."""
    timeline, now = Timeline(audio_dim=DIM), START + 2000 * MS
    for block in blocks(2, START + 1000 * MS):
        timeline.push_audio(block.stamp_ns, block.data, now)
    old, new = make_frames(4, start_ns=now), make_frames(3, start_ns=START)
    for frame in old:
        timeline.push_face(frame, now + 120 * MS)
    assert timeline.pop(now + 120 * MS) == []
    for frame in new:
        timeline.push_face(frame, now + 120 * MS)
    out = timeline.pop(now + 120 * MS)
    assert [(f.epoch, f.source_stamp_ns) for f in out[:4]] == [(1, f.stamp_ns) for f in old]
    assert {f.epoch for f in out[4:]} <= {2}


@pytest.mark.parametrize('older_ns', [0, 1])
def test_a_stamp_is_old_if_it_is_more_than_a_second_before_the_newest(older_ns):
    timeline = Timeline(audio_dim=DIM)
    play(timeline, make_frames(50, start_ns=START))
    newest = START + 49 * PERIOD_NS
    timeline.counters.clear()
    timeline.push_face(make_frame(newest - 1000 * MS - older_ns), newest)
    timeline.push_face(make_frame(newest - 1 * MS), newest)  # a late one ends the row
    assert timeline.counters['from_the_past'] == older_ns
    assert timeline.counters['late'] == 2 - older_ns


def test_an_interruption_of_both_streams_starts_a_new_epoch():
    frames = make_frames(25, start_ns=START) + make_frames(25, start_ns=START + 11_000 * MS)
    out = play(Timeline(audio_dim=DIM), frames)
    check(out)
    assert [f.epoch for f, _ in out] == [1] * 50 + [2] * 25  # slots continue for a second
    assert not any(f.face_valid for f, _ in out[27:50])
    short = make_frames(25, start_ns=START) + make_frames(25, start_ns=START + 1_600 * MS)
    out = play(Timeline(audio_dim=DIM), short)
    check(out)
    assert [f.epoch for f, _ in out] == [1] * 65
    assert sum(f.face_valid for f, _ in out) == 25 + 25 + 2  # held for 0.1 s


def test_stamps_in_the_future_are_dropped():
    timeline = Timeline(audio_dim=DIM)
    timeline.push_face(make_frame(START), START)
    timeline.push_face(make_frame(START + 3600 * 1000 * MS), START)
    timeline.push_audio(START + 3600 * 1000 * MS, np.zeros((2, DIM)), START)
    assert timeline.counters['from_the_future'] == 2
    assert len(timeline.pop(START)) == 1
    timeline.push_face(make_frame(START + 40 * MS), START + 40 * MS)
    assert len(timeline.pop(START + 120 * MS)) == 1


def test_memory_does_not_grow_with_time():
    timeline, kept = Timeline(audio_dim=DIM), []
    frames, sound = make_frames(5, start_ns=START), np.zeros((2, DIM), np.float32)
    for i in range(2000):
        now = START + i * PERIOD_NS
        timeline.push_audio(now - PERIOD_NS, sound, now)
        timeline.push_face(dataclasses.replace(frames[i % 5], stamp_ns=now), now)
        assert len(timeline.pop(now)) == 1
        kept.append(len(timeline._voice) + len(timeline._faces))
    assert max(kept) <= 60


def test_the_embeddings_are_those_of_whisper_tiny_by_default():
    timeline = Timeline()
    timeline.push_face(make_frame(START), START)
    assert timeline.flush()[0].audio.shape == (2, 384)


@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_random_input_gives_even_causal_and_bounded_output(data):
    rate = data.draw(st.sampled_from([12, 25, 29.97, 30, 60]))
    seed = data.draw(st.integers(0, 10_000))
    generator = np.random.default_rng(seed)
    frames = []
    for frame in make_frames(int(3 * rate), rate_hz=rate, start_ns=START):
        if generator.random() < 0.1:
            continue
        jitter = int(generator.normal(0, 4) * MS)
        good = generator.random() > 0.1
        frames.append(dataclasses.replace(frame, stamp_ns=frame.stamp_ns + jitter, success=good))
        if generator.random() < 0.05:
            frames.append(frames[-1])
        if generator.random() < 0.02:
            frames.append(dataclasses.replace(frame, stamp_ns=frame.stamp_ns - 5000 * MS))
    sound = [b for b in blocks(150) if generator.random() > 0.1]
    events = [(f.stamp_ns + abs(generator.normal(30, 20)) * MS, 0, f) for f in frames]
    events += [(b.stamp_ns + 40 * MS + abs(generator.normal(40, 30)) * MS, 1, b) for b in sound]
    timeline, out = Timeline(audio_dim=DIM), []
    for now, kind, item in sorted(events, key=lambda e: e[0]):
        if kind == 0:
            timeline.push_face(item, int(now))
        else:
            timeline.push_audio(item.stamp_ns, item.data, int(now))
        out += [(f, int(now)) for f in timeline.pop(int(now))]
        assert len(timeline._faces) <= 50
        assert len(timeline._voice) <= 150
    check(out)
    assert out


@pytest.mark.parametrize('hop', [2, 4, 8])
@pytest.mark.parametrize('jitter_ms', [0, 60])
def test_a_frame_with_delayed_sound_does_not_wait(hop, jitter_ms):
    """The encoder waits for 120 ms of sound, and needs 10 to 70 ms."""
    delay_ms = hop * 20 + 120
    timeline = Timeline(audio_dim=DIM, audio_delay_s=delay_ms / 1e3)
    generator = np.random.default_rng(0)
    frames, sound = make_frames(100, start_ns=START), blocks(256, START - 327 * MS, size=hop)
    events, arrival_ns = [(f.stamp_ns + 15 * MS, 0, f) for f in frames], 0
    for block in sound:
        late_ms = 120 + 10 + generator.uniform(0, jitter_ms)
        arrival_ns = max(arrival_ns, block.stamp_ns + hop * 20 * MS + round(late_ms * MS))
        events.append((arrival_ns, 1, block))
    events += [(START + t * MS, 2, None) for t in range(0, 4200, 5)]
    out = []
    for now, kind, item in sorted(events, key=lambda e: e[:2]):
        if kind == 0:
            timeline.push_face(item, now)
        elif kind == 1:
            timeline.push_audio(item.stamp_ns, item.data, now)
        out += [(frame, now) for frame in timeline.pop(now)]
    out = out[:100]
    check(out, delay_ms)
    assert all(frame.face_valid and frame.audio_valid for frame, _ in out)
    waits_ms = [(now - frame.source_stamp_ns) / MS for frame, now in out]
    assert max(waits_ms) <= 15 + jitter_ms


def test_delayed_sound_begins_late():
    timeline = Timeline(audio_dim=DIM, audio_delay_s=0.2)
    out = play(timeline, make_frames(25, start_ns=START), blocks(48, size=4), audio_delay_ms=130)
    check(out, 200)
    assert [f.audio_valid for f, _ in out][:25] == 6 * [False] + 19 * [True]
    assert max(now - f.source_stamp_ns for f, now in out[:25]) <= 30 * MS


def test_delayed_sound_alone_makes_no_slot_before_its_time():
    out = play(
        Timeline(audio_dim=DIM, audio_delay_s=0.2), [], blocks(200, size=4), audio_delay_ms=130
    )
    check(out, 200)
    assert len(out) >= 70 and all(f.audio_valid for f, _ in out[1:60])


@pytest.mark.parametrize('delay_s', [-0.01, 1.01, float('nan'), float('inf')])
def test_an_impossible_delay_is_refused(delay_s):
    with pytest.raises(ValueError, match=r'audio_delay_s = .*: expected 0 to 1'):
        Timeline(audio_delay_s=delay_s)


@given(
    seed=st.integers(0, 1000),
    hop=st.sampled_from([1, 2, 4, 8]),
    delay_s=st.sampled_from([0.0, 0.135, 0.2]),
)
@settings(deadline=None, max_examples=40)
def test_live_and_offline_are_the_same(seed, hop, delay_s):
    generator = np.random.default_rng(seed)
    frames = [
        dataclasses.replace(f, success=bool(generator.random() > 0.1))
        for f in make_frames(60, rate_hz=float(generator.choice([25, 30])), start_ns=START)
    ]
    sound = blocks(120, START - 327 * MS, size=hop)  # a microphone that has started earlier
    how = {'audio_dim': DIM, 'audio_delay_s': delay_s}
    live = [f for f, _ in play(Timeline(**how), frames, sound, audio_delay_ms=10)]
    offline = align_recording(frames, sound, **how)
    count = len(offline['stamp_ns'])
    assert count >= len(frames) * 40 // 50
    for name, values in offline.items():
        assert (np.array([getattr(f, name) for f in live[:count]]) == values).all(), name


def test_a_real_recording_loses_no_frame(real_recordings):
    from robot_face_gen.features.openface import read_openface_csv

    track = read_openface_csv(real_recordings.openface)
    arrays = align_recording(track.frames, blocks(900, 0), audio_dim=DIM)
    assert arrays['source_stamp_ns'].tolist() == [f.stamp_ns for f in track.frames]
    assert arrays['face_valid'].all()
    assert 0.0 < arrays['landmarks'].min() < arrays['landmarks'].max() < 1.0


def test_an_endless_timeline_goes_on_without_any_input():
    timeline = Timeline(audio_dim=DIM, endless=True)
    frames = make_frames(25, start_ns=START)
    out = []
    for now in range(START, START + 10_000 * MS, 20 * MS):
        while frames and frames[0].stamp_ns <= now - 20 * MS:
            timeline.push_face(frames.pop(0), now)
        out += [(frame, now) for frame in timeline.pop(now)]
    check(out)
    assert len(out) >= 240 and out[-1][1] - out[-1][0].stamp_ns < 200 * MS
    assert not any(frame.face_valid for frame, _ in out[30:])
    late = make_frames(25, start_ns=START + 10_013 * MS)  # the camera is back
    for frame in late:
        timeline.push_face(frame, frame.stamp_ns + 20 * MS)
        out += [(slot, frame.stamp_ns) for slot in timeline.pop(frame.stamp_ns + 20 * MS)]
    assert {frame.epoch for frame, _ in out} == {1}
    assert sum(frame.face_valid for frame, _ in out[-20:]) >= 15


@pytest.mark.parametrize('gap_s', [3, 3600])
def test_an_endless_timeline_skips_the_time_in_which_the_process_stood_still(gap_s):
    timeline = Timeline(audio_dim=DIM, endless=True)
    for frame in make_frames(25, start_ns=START):
        timeline.push_face(frame, frame.stamp_ns + 20 * MS)
    before = timeline.pop(START + 1_000 * MS)
    now = START + (1 + gap_s) * 1_000 * MS
    after = timeline.pop(now)
    assert len(before) + len(after) < 60
    assert now - after[-1].stamp_ns < 200 * MS
    assert timeline.counters['skipped'] >= 25 * gap_s - 50
    grid_ns = after[-1].stamp_ns - before[0].stamp_ns
    assert grid_ns % PERIOD_NS == 0 and after[-1].index == grid_ns // PERIOD_NS


def test_an_endless_timeline_does_not_fill_an_hour_by_which_the_clock_jumped():
    """The frames from before the jump are still there when the jump is noticed."""
    timeline = Timeline(audio_dim=DIM, endless=True)
    for frame in make_frames(10, start_ns=START):
        timeline.push_face(frame, frame.stamp_ns)
    slots = timeline.pop(START + 3600 * 1_000 * MS)
    assert len(slots) <= 10 + 2 * 50  # those that had frames, and two times `jump_s`
    assert timeline.counters['skipped'] > 89_000
