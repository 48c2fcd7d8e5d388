# SPDX-License-Identifier: Apache-2.0
import numpy as np
from faces import make_frames
from sound_files import wav_bytes

from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.pipeline.recording import read_recording


def test_only_what_is_played_is_read(tmp_path):
    write_openface_csv(tmp_path / 'face.csv', make_frames(2000))
    sound = np.random.default_rng(0).integers(-9999, 9999, 80 * 8000).astype(np.int16)
    whole = wav_bytes(sound, 8000)
    (tmp_path / 'voice.wav').write_bytes(whole[: len(whole) * 3 // 4])
    files = (tmp_path / 'face.csv', tmp_path / 'voice.wav')
    part = read_recording(*files, speed=2.0, duration_s=2.5)
    full = read_recording(*files, speed=2.0)
    assert 'truncated: 60.0 s of 80.0 s' in full.problems[0] and not part.problems
    assert full.report.rows == 2000 and part.report.rows < 500
    expected = full.until(2.5)
    assert [f.stamp_ns for f in part.faces] == [f.stamp_ns for f in expected.faces]
    assert len(part.faces) == 125 and part.sample_rate == 16000
    assert np.array_equal(part.samples, expected.samples) and len(part.samples) == 40000
