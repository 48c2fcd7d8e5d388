# SPDX-License-Identifier: Apache-2.0
"""Shared memory that killed nodes leave behind in Fast DDS; `test_sockets` has its profile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launching import until

from robot_face_gen.resources import demo_recording
from robot_face_gen.tools.shared_memory import remove_stale_segments

FACE = str(demo_recording()[0])
SHARED_MEMORY = Path('/dev/shm')

pytestmark = [
    pytest.mark.graph,
    pytest.mark.skipif(sys.platform != 'linux', reason='sockets and /dev/shm of Linux'),
    pytest.mark.skipif(
        os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp') != 'rmw_fastrtps_cpp',
        reason='another middleware than Fast DDS',
    ),
]


def segments():
    return {file.name for file in SHARED_MEMORY.glob('fastrtps_????????????????')}


def start_node():
    """A node, and the shared-memory segment that it holds."""
    before = segments()
    command = [sys.executable, '-m', 'robot_face_gen.nodes', 'openface_node', '--ros-args']
    process = subprocess.Popen(
        [*command, '-p', f'source:={FACE}', '-p', 'loop:=true'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def held():
        maps = Path(f'/proc/{process.pid}/maps').read_text()
        return [name for name in segments() - before if name in maps]

    return process, until(held, timeout=40.0, what='a segment of the node')[0]


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason='no /dev/shm')
def test_segments_of_killed_nodes_are_removed_and_others_kept(ros_domain):
    (killed, stale), (running, held) = start_node(), start_node()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert stale in segments(), 'Fast DDS cleans up by itself: remove_stale_segments can go'
        young = time.time() - (SHARED_MEMORY / f'{stale}_el').stat().st_mtime
        assert stale not in remove_stale_segments(min_age_s=young + 60.0)
        assert stale in remove_stale_segments(min_age_s=0.0)
        assert held in segments() and stale not in segments()
        assert not (SHARED_MEMORY / f'{stale}_el').exists()
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
    until(lambda: held not in segments(), what='the removal at a clean exit')


def test_other_files_are_kept(tmp_path):
    for name in ('fastrtps_port7411_el', 'fastrtps_0123456789abcdef', 'sem.x', 'fastrtps_x_el'):
        (tmp_path / name).touch()
    (tmp_path / 'fastrtps_fedcba9876543210_el').symlink_to(tmp_path / 'sem.x')
    before = sorted(tmp_path.iterdir())
    assert remove_stale_segments(tmp_path, min_age_s=0.0) == []
    assert sorted(tmp_path.iterdir()) == before
