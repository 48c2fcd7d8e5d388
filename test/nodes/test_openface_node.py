# SPDX-License-Identifier: Apache-2.0
"""`openface_node` alone, as a process, heard over DDS."""

import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from faces import make_frames
from rosgraph_msgs.msg import Clock

from robot_face_gen.features.openface_write import OpenFaceWriter, write_openface_csv
from robot_face_gen.nodes.messages import to_ns

pytestmark = pytest.mark.graph


def test_plays_a_recording_at_its_pace_and_ends(peer, heard, start, tmp_path):
    recorded = make_frames(40, start_ns=200_000_000)
    for frame in recorded[20:]:
        frame.landmarks[:] = frame.gaze[0] = np.nan
    write_openface_csv(tmp_path / 'face.csv', recorded, begin_ns=0)
    begin = time.time() + 6.0
    node = start(
        'openface_node',
        source=tmp_path / 'face.csv',
        start_time=f'{begin:.3f}',
        exit_at_end='true',
        frame_id='left_camera',
    )
    assert node.wait() == 0, node.text
    peer.wait_for(lambda: len(heard) == 40, 'all frames')
    offsets = [to_ns(message.header.stamp) / 1e9 - begin for _, message in heard]
    # A first row at 0.2 s is played 0.2 s after the beginning.
    assert np.allclose(offsets, 0.2 + np.arange(40) * 0.04, atol=1e-3)
    assert heard[0][1].header.frame_id == 'left_camera'
    for (_, message), frame in zip(heard, recorded, strict=True):
        for name, field in (('landmarks', 'landmarks'), ('gaze', 'gaze'), ('action_units', 'au')):
            sent, expected = getattr(message, name), getattr(frame, field)
            assert np.allclose(sent, expected, atol=1e-3, equal_nan=True)
    times = np.array([when for when, _ in heard])
    assert abs((times[-1] - times[0]) - 39 * 0.04) < 0.5  # paced, not in a burst
    assert 'end of the recording' in node.text and 'Traceback' not in node.text
    assert '20 rows: landmarks: a value is missing' in node.text
    assert '40 frames, 40 valid, 20 of them with missing values' in node.text


def test_follows_a_file_that_is_still_being_written(peer, heard, start, tmp_path):
    path = tmp_path / 'growing.csv'
    node = start('openface_node', source=f'follow:{path}')
    peer.wait_for(
        lambda: 'waiting for new rows' in node.text and 'openface_node' in peer.statuses,
        'the node to wait for the file',
    )
    frames = make_frames(12)
    with OpenFaceWriter(path, flush=True) as writer:
        writer.write(frames[0])  # waits for the second: only then is the unit of time known
        for count, frame in enumerate(frames[1:], 1):
            writer.write(frame)
            peer.wait_for(lambda count=count: len(heard) == count, f'row {count + 1}')
    stamps = [to_ns(message.header.stamp) for _, message in heard]
    assert stamps == sorted(set(stamps)) and abs(stamps[-1] / 1e9 - time.time()) < 5.0
    assert np.allclose(heard[-1][1].pose, frames[-1].pose, atol=1e-3)
    peer.wait_for(lambda: peer.values('openface_node').get('rows') == '11', 'diagnostics')
    assert node.interrupt() == 0
    assert 'Traceback' not in node.text


def test_what_is_wrong_with_a_followed_file_is_told_and_the_node_goes_on(
    peer, heard, start, tmp_path
):
    path = tmp_path / 'growing.csv'
    path.write_text('time, smile\n1, 2\n')
    node = start('openface_node', source=f'follow:{path}')

    def status(level, *words):
        def told():
            status = peer.statuses.get('openface_node')
            return status and status.level == level and all(w in status.message for w in words)

        peer.wait_for(told, f'diagnostics that say {words}')

    status(DiagnosticStatus.ERROR, str(path), 'no OpenFace CSV: no column of')
    write_openface_csv(path, make_frames(5))
    peer.wait_for(lambda: heard, 'a frame of the file in its place')
    with path.open('a') as file:
        file.write('rubbish\n' + path.read_text().splitlines()[1] + '\n')
    status(DiagnosticStatus.WARN, 'line 7: 1 cells', '2 rows could not be used')
    values = peer.values('openface_node')
    assert (values['bad_rows'], values['restarts'], values['rewrites']) == ('2', '1', '0')
    assert node.interrupt() == 0
    begun = [line for line in node.text.splitlines() if ' over after ' not in line]
    for words in ('no OpenFace CSV', 'was restarted', 'line 7: 1 cells'):
        assert sum(words in line for line in begun) == 1, node.text
    assert 'Traceback' not in node.text


def test_simulated_time_decides_when_frames_come(peer, heard, start, tmp_path):
    write_openface_csv(tmp_path / 'face.csv', make_frames(5))
    clock = peer.node.create_publisher(Clock, '/clock', 1)
    node = start('openface_node', source=tmp_path / 'face.csv', use_sim_time='true')

    def tick(seconds):
        whole = int(seconds)
        message = Clock()
        message.clock.sec, message.clock.nanosec = whole, round((seconds - whole) * 1e9)
        clock.publish(message)

    peer.wait_for(lambda: tick(100.0) or heard, 'the first frame')
    assert to_ns(heard[0][1].header.stamp) == 100_000_000_000
    for index in range(1, 5):
        peer.wait_for(
            lambda now=100.0 + 0.04 * index, n=index: tick(now) or len(heard) > n, 'the next one'
        )
        assert len(heard) == index + 1  # time stood still: no other came
    assert to_ns(heard[-1][1].header.stamp) == 100_160_000_000
    assert node.interrupt() == 0
    peer.destroy(clock)


def test_a_simulation_that_begins_anew_begins_the_recording_anew(peer, heard, start, tmp_path):
    write_openface_csv(tmp_path / 'face.csv', make_frames(500))
    clock = peer.node.create_publisher(Clock, '/clock', 1)
    node = start('openface_node', source=tmp_path / 'face.csv', use_sim_time='true')
    now_ns = 100_000_000_000

    def tick():
        nonlocal now_ns
        now_ns += 10_000_000
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
        clock.publish(message)
        return heard and to_ns(heard[-1][1].header.stamp)

    peer.wait_for(lambda: (tick() or 0) > 102_000_000_000, 'frames')
    now_ns = 3_000_000_000
    peer.wait_for(lambda: 3_000_000_000 < tick() < 10_000_000_000, 'frames of the time before')
    first = next(m for _, m in heard if to_ns(m.header.stamp) < 10_000_000_000)
    assert np.array_equal(first.landmarks, heard[0][1].landmarks)
    peer.wait_for(
        lambda: tick() and peer.values('openface_node').get('clock_jumps') == '1', 'a count'
    )
    assert 'the recording starts again' in node.text
    assert node.interrupt() == 0
    peer.destroy(clock)


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'source': 'not_there.csv'}, 'not_there.csv'),
        (
            {'source': 'x.csv', 'speed': '99.0'},
            'parameter speed: expected a number such as 1.0, 0.1 to 20',
        ),
    ],
)
def test_what_cannot_start_says_so_in_one_line(fails, parameters, words):
    (line,) = fails('openface_node', **parameters).strip().splitlines()
    assert line.startswith('error: ') and words in line
