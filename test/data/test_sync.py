# SPDX-License-Identifier: Apache-2.0
"""Recordings of two phones and a microphone that were started by hand."""

import csv
import shutil

import numpy as np
import pytest
from phones import MICROPHONE, PHONE_A, PHONE_B, RATE, generate_conversation, write_talk
from sound_files import write_wav

from robot_face_gen.cli import main
from robot_face_gen.data.prepare import prepare
from robot_face_gen.data.sessions import read_sessions
from robot_face_gen.data.store import read_catalogue, read_track
from robot_face_gen.data.sync import film_of, measure_offset, synchronise
from robot_face_gen.data.tracks import EmbeddingConfig

QUICK = EmbeddingConfig('untrained', hop_s=0.08, context_s=0.4, settle_s=0.04, device='cpu')


@pytest.fixture(scope='module')
def conversation(tmp_path_factory):
    return generate_conversation(tmp_path_factory.mktemp('together'))


@pytest.fixture
def recordings(conversation, tmp_path):
    write_talk(conversation, tmp_path / 'recordings' / 'talk')
    # As a German spreadsheet writes it.
    (tmp_path / 'recordings' / 'sessions.csv').write_text(
        'session;split;group_a;listener\ntalk;train;the trip;b\n'
    )
    return tmp_path / 'recordings'


def test_sync_then_prepare_aligns_what_was_started_by_hand(
    recordings, conversation, tmp_path, capsys
):
    assert main(['sync', str(recordings)]) == 0
    table = (recordings / 'sessions.csv').read_text()
    (row,) = csv.DictReader(table.splitlines())
    assert (row['session'], row['split'], row['group_a'], row['listener']) == (
        'talk', 'train', 'the trip', 'b',
    )  # fmt: skip
    # The session begins with the last file; sound travels and codecs delay by some milliseconds.
    for column, part in (
        ('face_start_a', PHONE_A), ('sound_start_a', MICROPHONE), ('face_start_b', PHONE_B),
    ):  # fmt: skip
        assert float(row[column]) == pytest.approx(part[0] - PHONE_B[0], abs=0.01)
    assert row['sound_start_b'] == row['face_start_b']

    prepare(recordings, tmp_path / 'prepared', QUICK)
    together = tmp_path / 'together'
    shutil.copytree(conversation, together / 'talk')
    (together / 'sessions.csv').write_text('session,split,listener\ntalk,train,b\n')
    prepare(together, tmp_path / 'expected', QUICK)
    first = round(PHONE_B[0] * 25)
    (session,) = read_catalogue(tmp_path / 'prepared').sessions
    (whole,) = read_catalogue(tmp_path / 'expected').sessions
    assert session.frames == pytest.approx((PHONE_A[1] - PHONE_B[0]) * 25, abs=1)
    for track, reference in zip(session.tracks, whole.tracks, strict=True):
        found = read_track(tmp_path / 'prepared', track)
        expected = read_track(tmp_path / 'expected', reference)
        n = session.frames - 1
        for name in ('pose', 'gaze'):
            values = expected[name][first : first + n], found[name][:n]
            both = expected['face_valid'][first : first + n] & found['face_valid'][:n]
            assert both.mean() > 0.6
            # The measured offset differs by milliseconds, which can be a frame of the 25 Hz.
            error = [
                np.nanmean(np.abs(values[0][k:n][both[k:]] - values[1][: n - k][both[k:]]))
                for k in (0, 1, 5)
            ]
            assert min(error[:2]) < 0.4 * error[2], (name, error)

    capsys.readouterr()
    assert main(['sync', str(recordings)]) == 0
    assert 'nothing to do' in capsys.readouterr().out
    assert (recordings / 'sessions.csv').read_text() == table


def test_times_of_a_clap_that_are_written_by_hand(recordings, tmp_path):
    """Minus the time of the clap in each file is when the file began."""
    starts = [part[0] - 6.0 for part in (PHONE_A, MICROPHONE, PHONE_B)]
    (recordings / 'sessions.csv').write_text(
        'session,split,listener,face_start_a,sound_start_a,face_start_b\n'
        f'talk,train,b,{starts[0]},{starts[1]},{starts[2]}\n'
    )
    (session,) = read_sessions(recordings)
    a, b = session.people
    assert session.has_starts
    # b is never the speaker, and the start of that sound is not given.
    assert (a.face_skip_s, a.sound_skip_s, b.face_skip_s) == pytest.approx((5.6, 4.76, 4.0))


def test_a_sound_of_another_place_is_refused(recordings, capsys):
    rng = np.random.default_rng(0)
    other = np.repeat(rng.random(120), 1600) * rng.normal(0, 0.1, 120 * 1600)
    write_wav(recordings / 'talk' / 'a.wav', (other * 30000).astype(np.int16), RATE)
    before = (recordings / 'sessions.csv').read_bytes()
    assert main(['sync', str(recordings)]) == 1
    printed = capsys.readouterr()
    assert 'error: session talk: the sound of ' in printed.out + printed.err
    assert 'clap' in printed.out + printed.err
    assert (recordings / 'sessions.csv').read_bytes() == before


def test_a_csv_without_its_film_and_one_of_another_rate(recordings):
    (session,) = read_sessions(recordings)
    (recordings / 'talk' / 'b.csv').write_text(
        (recordings / 'talk' / 'a.csv').read_text().rsplit('\n', 60)[0]
    )
    _, notes = synchronise(session)
    assert len(notes) == 1 and 'b.csv ends at' in notes[0] and 'constant' in notes[0]
    (recordings / 'talk' / 'processed').mkdir()
    (recordings / 'talk' / 'a.csv').rename(recordings / 'talk' / 'processed' / 'a.csv')
    (session,) = read_sessions(recordings)
    assert film_of(session.people[0].face) == recordings / 'talk' / 'a.MP4'
    (recordings / 'talk' / 'b.MP4').unlink()
    with pytest.raises(ValueError, match=r'no film beside b\.csv.*\.mp4'):
        synchronise(session)


@pytest.mark.parametrize('text', ['soon', 'nan', '1e999'])
def test_a_start_that_is_no_number(tmp_path, text):
    (tmp_path / 'sessions.csv').write_text(f'session,split,face_start_b\nx,val,{text}\n')
    with pytest.raises(ValueError, match=f"line 2: face_start_b = '{text}': expected a number"):
        read_sessions(tmp_path)


def speech_like(seconds, seed=0):
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.random(round(seconds * 8)) ** 3, RATE // 8)
    return (level * rng.normal(0, 0.3, len(level))).astype(np.float32)


def test_offset_and_drift_are_measured():
    a = speech_like(60)
    assert measure_offset(a, a[round(7.3 * RATE) :]).seconds == pytest.approx(7.3, abs=0.002)
    early = measure_offset(a[5 * RATE :], a)
    assert early.is_certain and early.seconds == pytest.approx(-5, abs=0.002)
    # A clock that is too slow by 200 in a million.
    t = np.arange(len(a)) * (1 + 200e-6)
    slow = np.interp(t, np.arange(len(a)), a).astype(np.float32)
    drifting = measure_offset(a, slow)
    assert drifting.is_certain
    assert drifting.drift_s == pytest.approx(200e-6 * 60, rel=0.2)
    assert not measure_offset(a, speech_like(60, seed=1)).is_certain
    assert not measure_offset(a, np.zeros(20 * RATE, np.float32)).is_certain
    assert not measure_offset(a, a[: 2 * RATE]).is_certain
    # Most of a talk is silence, with the noise of each device.
    silent = np.repeat(np.arange(60) % 4 > 0, RATE)
    quiet = [
        np.where(silent, 1e-4 * np.random.default_rng(k).normal(size=len(a)), a) for k in (1, 2)
    ]
    offset = measure_offset(quiet[0].astype(np.float32), quiet[1][3 * RATE :].astype(np.float32))
    assert offset.is_certain and offset.seconds == pytest.approx(3, abs=0.002)
