# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from faces import make_frames
from sound_files import wav_bytes

from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.features.whisper_stream import EmbeddingBlock
from robot_face_gen.pipeline.recording import Recording, read_recording, replay
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import PERIOD_NS

MS = 1_000_000


def test_only_what_is_played_is_read(tmp_path):
    write_openface_csv(tmp_path / 'face.csv', make_frames(2000))
    sound = np.random.default_rng(0).integers(-9999, 9999, 80 * 8000).astype(np.int16)
    whole = wav_bytes(sound, 8000)
    (tmp_path / 'voice.wav').write_bytes(whole[: len(whole) // 8 * 6])  # whole samples
    files = (tmp_path / 'face.csv', tmp_path / 'voice.wav')
    part = read_recording(*files, speed=2.0, duration_s=2.5)
    full = read_recording(*files, speed=2.0)
    assert 'truncated: 60.0 s of 80.0 s' in full.problems[0] and not part.problems
    assert 'face is 40.0 s long, the sound 30.0 s: are they of the same' in full.problems[1]
    assert full.report.rows == 2000 and part.report.rows < 500
    expected = full.until(2.5)
    assert [f.stamp_ns for f in part.faces] == [f.stamp_ns for f in expected.faces]
    assert len(part.faces) == 125 and part.sample_rate == 16000
    assert np.array_equal(part.samples, expected.samples) and len(part.samples) == 40000


@pytest.mark.parametrize(
    ('frames', 'samples', 'face_s', 'voice_s', 'duration_s'),
    [(50, 8000, 2.0, 0.5, 2.0), (5, 32000, 0.2, 2.0, 2.0), (0, 0, 0.0, 0.0, 0.0)],
)
def test_it_lasts_as_long_as_the_longer_stream(frames, samples, face_s, voice_s, duration_s):
    recording = Recording(make_frames(frames), np.zeros(samples), 16000 if samples else 0)
    found = (recording.face_s, recording.voice_s, recording.duration_s)
    assert found == pytest.approx((face_s, voice_s, duration_s))


def test_until_ends_before_the_frame_at_that_time():
    part = Recording(make_frames(50), np.arange(32000), 16000).until(1.0)
    assert [len(part.faces), len(part.samples)] == [25, 16000]
    assert part.duration_s == pytest.approx(1.0)


@pytest.mark.parametrize('until_ms', [None, 1000, 1400])
def test_a_replay_returns_each_slot_and_continues_as_long_as_asked(until_ms):
    frames = make_frames(25)
    blocks = [EmbeddingBlock(i * 40 * MS, np.full((2, 4), i, np.float32)) for i in range(-2, 25)]
    until_ns = until_ms and until_ms * MS
    out = []
    for slot in replay(Timeline(audio_dim=4), frames, blocks, until_ns):
        assert len(out) < 100, 'it does not end'
        out.append(slot)
    assert all(slot.face_valid and slot.audio_valid for slot in out[:24])
    assert [slot.stamp_ns - PERIOD_NS // 2 for slot in out] == [
        i * PERIOD_NS for i in range(len(out))
    ]
    if until_ns is None:
        assert len(out) in (24, 25)  # the last one may wait for its sound
    else:
        assert len(out) == until_ms // 40


def test_a_replay_goes_on_during_a_pause_of_both_streams():
    """Slots are due when their time comes, not when the next event does."""
    frames = [*make_frames(5), *make_frames(5, start_ns=800 * MS)]
    timeline, valid = Timeline(audio_dim=4), []
    for slot in replay(timeline, frames, [], 1000 * MS):
        valid.append(slot.face_valid)
    assert len(valid) == 25
    assert valid == [True] * 7 + [False] * 13 + [True] * 5  # held for 0.1 s
