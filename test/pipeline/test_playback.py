# SPDX-License-Identifier: Apache-2.0
import itertools

import numpy as np
import pytest
from faces import SECOND_NS, make_frame, make_frames
from hypothesis import given, settings
from hypothesis import strategies as st
from sound_files import encode

from robot_face_gen.features.audio_source import AudioFileSource
from robot_face_gen.features.openface import OpenFaceFile
from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.graph import GRAPHS
from robot_face_gen.pipeline.playback import FaceFollower, FramePlayer
from robot_face_gen.pipeline.stream_clock import ArrivalClock
from robot_face_gen.timing import PERIOD_NS

BEGIN = 1_700_000_000 * SECOND_NS


def recording(frames):
    return lambda: iter(frames)


def play(player, until_ns, wake_ns=7_000_000):
    """Call `pop` periodically, like a thread that sleeps."""
    now_ns, frames = BEGIN, []
    while now_ns <= until_ns:
        for frame in player.pop(now_ns):
            assert 0 <= now_ns - frame.stamp_ns <= wake_ns
            frames.append(frame)
        now_ns += wake_ns
    return frames


@pytest.mark.parametrize('speed', [0.5, 1.0, 4.0])
def test_plays_each_frame_once_on_absolute_deadlines(speed):
    recorded = make_frames(50)
    player = FramePlayer(recording(recorded), speed=speed, loop=False, start_ns=BEGIN)
    played = play(player, BEGIN + 10 * SECOND_NS)
    assert [f.stamp_ns - BEGIN for f in played] == [
        round(index * 40_000_000 / speed) for index in range(50)
    ]
    assert all((a.landmarks == b.landmarks).all() for a, b in zip(played, recorded, strict=True))
    assert player.next_due_ns is None
    assert player.end_ns == BEGIN + round(2 * SECOND_NS / speed)


def test_stamps_are_relative_to_the_start_of_the_recording():
    """A face that is first seen at 3 s is played 3 s after the start of the sound."""
    frames = make_frames(3, start_ns=3 * SECOND_NS)
    player = FramePlayer(recording(frames), speed=2.0, loop=False, start_ns=BEGIN)
    assert player.next_due_ns == BEGIN + 3 * SECOND_NS // 2


def test_a_loop_continues_one_period_after_the_last_frame():
    player = FramePlayer(recording(make_frames(5)), speed=1.0, loop=True, start_ns=BEGIN)
    played = play(player, BEGIN + SECOND_NS)
    assert [f.stamp_ns - BEGIN for f in played] == [i * 40_000_000 for i in range(len(played))]
    assert len(played) > 20 and player.end_ns is None


def test_a_loop_of_a_late_face_continues_one_period_after_the_last_frame():
    frames = make_frames(5, start_ns=3 * SECOND_NS)
    player = FramePlayer(recording(frames), speed=1.0, loop=True, start_ns=BEGIN)
    played = play(player, BEGIN + 10 * SECOND_NS)
    steps = np.diff([f.stamp_ns for f in played])
    # The face is not there for the first three seconds of each repetition.
    assert set(steps) == {40_000_000, 3_040_000_000} and len(played) == 15


def test_a_loop_uses_a_given_longer_period():
    frames = make_frames(5)
    longer = FramePlayer(
        recording(frames), speed=1.0, loop=True, start_ns=BEGIN, period_ns=SECOND_NS
    )
    stamps = [f.stamp_ns - BEGIN for f in play(longer, BEGIN + 3 * SECOND_NS)]
    assert stamps[:10] == [r * SECOND_NS + i * 40_000_000 for r in range(2) for i in range(5)]
    shorter = FramePlayer(recording(frames), speed=1.0, loop=True, start_ns=BEGIN, period_ns=1)
    stamps = [f.stamp_ns - BEGIN for f in play(shorter, BEGIN + SECOND_NS)]
    assert stamps == [i * 40_000_000 for i in range(len(stamps))] and len(stamps) > 20


@pytest.mark.parametrize(
    'sound_s, ending, codec, speed',
    [
        (0.40213, 'wav', 'pcm_s16le', 1.0),
        (0.98765, 'wav', 'pcm_s16le', 2.0),
        (0.6001, 'mp3', 'libmp3lame', 1.0),
        (0.98765, 'mp3', 'libmp3lame', 1.0),
    ],
)
def test_repeated_face_and_voice_stay_together(tmp_path, sound_s, ending, codec, speed):
    """Neither rounding nor the length in a header adds up over an hour of rounds."""
    face_s, rate = 0.6, 11025
    frames = make_frames(round(face_s * 25))
    frames = [*frames[:5], *frames[8:]]  # a gap changes the mean period
    write_openface_csv(tmp_path / 'face.csv', frames)
    sound = np.zeros(round(sound_s * rate), np.int16 if ending == 'wav' else np.float32)
    sound[: rate // 20] = 0.5 * np.iinfo(np.int16).max if ending == 'wav' else 0.5
    encode(tmp_path / f'voice.{ending}', codec, sound, rate)
    nodes = {
        node.name: node.parameters
        for node in GRAPHS['bringup']().nodes(
            {'openface': str(tmp_path / 'face.csv'), 'loop': 'true',
             'audio': str(tmp_path / f'voice.{ending}')}
        )
    }  # fmt: skip
    period_s = nodes['openface_node']['loop_period_s']
    assert period_s == nodes['microphone_node']['loop_period_s']
    assert period_s >= max(face_s, sound_s) - 0.001
    face = FramePlayer(
        OpenFaceFile(tmp_path / 'face.csv').frames, speed=speed, loop=True, start_ns=BEGIN,
        period_ns=round(period_s * SECOND_NS),
    )  # fmt: skip
    voice = AudioFileSource(
        tmp_path / f'voice.{ending}', chunk_s=0.5, speed=speed, loop=True, period_s=period_s,
        start_time_ns=BEGIN,
    )  # fmt: skip
    faces, voices = [], []  # when each round begins
    for _ in range(1000):
        faces += [
            frame.stamp_ns
            for frame in face.pop(face.next_due_ns)
            if np.allclose(frame.landmarks, frames[0].landmarks, atol=0.01)
        ]
    while len(voices) < len(faces):
        block = voice.take()
        for index in np.flatnonzero(block.samples > 0.25):
            stamp_ns = block.stamp_ns + index * SECOND_NS // block.sample_rate
            if not voices or stamp_ns - voices[-1] > 0.15 * SECOND_NS:
                voices.append(stamp_ns)
    apart_s = np.subtract(faces, voices) / 1e9
    assert len(faces) > 80
    assert np.ptp(apart_s) < 3 / rate
    assert np.abs(apart_s).max() < 0.01


def test_a_recording_is_read_while_it_is_played():
    opened = []

    def frames():
        for frame in make_frames(10):
            opened.append(frame)
            yield frame

    player = FramePlayer(frames, speed=1.0, loop=False, start_ns=BEGIN)
    assert len(opened) == 1
    player.pop(BEGIN + 90_000_000)
    assert len(opened) == 4  # three played, the next one is known


def test_frames_that_are_too_late_are_skipped_and_counted():
    player = FramePlayer(recording(make_frames(100)), speed=1.0, loop=False, start_ns=BEGIN)
    frames = player.pop(BEGIN + 3 * SECOND_NS)
    assert player.skipped == 50  # frames 0..49 were due more than a second ago
    assert [f.stamp_ns for f in frames] == [BEGIN + i * 40_000_000 for i in range(50, 76)]


def test_an_empty_recording_is_refused():
    with pytest.raises(ValueError, match='no frames'):
        FramePlayer(recording([]), speed=1.0, loop=False, start_ns=BEGIN)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 60_000_000), min_size=20, max_size=200), st.floats(0.98, 1.02))
def test_stamps_of_a_live_tracker_increase_and_are_not_in_the_future(delays, pace):
    clock, last_ns, now_ns = ArrivalClock(), 0, 0
    for index, delay_ns in enumerate(delays):
        captured_ns = BEGIN + round(index * 40_000_000 * pace)
        now_ns = max(now_ns + 1, captured_ns + delay_ns)
        stamp_ns = clock.stamps([index * 40_000_000], now_ns)[0]
        assert last_ns < stamp_ns <= now_ns
        assert now_ns - stamp_ns <= 250_000_000
        last_ns = stamp_ns


def test_stamps_of_simultaneous_rows_increase():
    clock = ArrivalClock()
    (first,) = clock.stamps([0], BEGIN)
    (second,) = clock.stamps([40_000_000], BEGIN)
    assert first < second


def test_a_jittery_tracker_gets_even_stamps():
    clock = ArrivalClock()
    stamps = [
        clock.stamps([i * 40_000_000], BEGIN + i * 40_000_000 + (0, 13_000_000, 6_000_000)[i % 3])
        for i in range(100)
    ]
    steps = [b[0] - a[0] for a, b in itertools.pairwise(stamps)]
    assert all(abs(step - 40_000_000) < 1_000_000 for step in steps)


def test_stamps_follow_a_clock_that_jumps_back():
    clock = ArrivalClock()
    clock.stamps([0], BEGIN)
    assert clock.stamps([40_000_000], BEGIN - 20_000_000_000) == [BEGIN - 20_000_000_000]
    assert clock.stamps([80_000_000], BEGIN - 19_960_000_000) == [BEGIN - 19_960_000_000]


def test_stamps_of_a_slow_tracker_stay_near_the_current_time():
    clock = ArrivalClock()  # a video of 25 Hz, tracked at 10 Hz
    for index in range(100):
        now_ns = BEGIN + index * 100_000_000
        assert now_ns - clock.stamps([index * 40_000_000], now_ns)[0] <= 250_000_000


def test_follows_a_file_from_its_newest_row_and_a_new_file():
    rows = [
        make_frames(10),
        [],
        [make_frame(400_000_000), make_frame(440_000_000)],
        make_frames(1),
    ]
    follower = FaceFollower(lambda: rows.pop(0))
    first = follower.pop(BEGIN)
    assert [f.stamp_ns for f in first] == [BEGIN] and follower.skipped == 9
    assert follower.pop(BEGIN + 10_000_000) == []
    both = follower.pop(BEGIN + 90_000_000)  # captured at +40 and +80 ms
    assert [round((f.stamp_ns - BEGIN) / 1e6) for f in both] == [40, 80]
    again = follower.pop(BEGIN + 500_000_000)
    assert [f.stamp_ns for f in again] == [BEGIN + 500_000_000]


@pytest.mark.parametrize('played', [5, 150])  # frames before the jump: in the first round, later
@pytest.mark.parametrize('period_ns', [0, SECOND_NS])
def test_a_loop_goes_on_in_phase_after_a_clock_jump_of_days(period_ns, played):
    """Without reading the recording for each round that is over."""
    opened = []

    def frames():
        opened.append(1)
        return iter(make_frames(20))

    player = FramePlayer(frames, speed=2.0, loop=True, start_ns=BEGIN, period_ns=period_ns)
    round_ns = (period_ns or 20 * PERIOD_NS) // 2  # at twice the speed
    for tick in range(played):
        player.pop(BEGIN + tick * PERIOD_NS // 2)
    jumped_ns = BEGIN + played * PERIOD_NS // 2 + round_ns * 1_000_000
    before = len(opened)
    stamps = [frame.stamp_ns for tick in range(40) for frame in player.pop(
        jumped_ns + tick * PERIOD_NS // 2)]  # fmt: skip
    assert len(opened) - before <= 4
    assert len(stamps) >= 30
    assert all((stamp - BEGIN) % round_ns % (PERIOD_NS // 2) <= 1 for stamp in stamps)
    assert stamps[0] >= jumped_ns - 2 * SECOND_NS and stamps == sorted(stamps)
