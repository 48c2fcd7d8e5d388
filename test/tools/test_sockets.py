# SPDX-License-Identifier: Apache-2.0
"""What a running graph listens on, and the profiles of Fast DDS."""

import ipaddress
import os
import subprocess
import sys

import psutil
import pytest

from robot_face_gen.resources import demo_recording, share_folder
from robot_face_gen.tools.ros import PROFILE_VARIABLES

pytestmark = pytest.mark.graph
NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node', 'face_screen_node')


@pytest.fixture
def sockets(tmp_path, ros_domain):
    """The sockets of all nodes of a running graph."""
    from live_graph import Peer

    from robot_face_gen.tools.bringup import start_bringup

    face, voice = (str(path) for path in demo_recording())
    arguments = {'openface': face, 'audio': voice, 'screen': 'true', 'screen_port': '0'}
    peer = Peer()
    with start_bringup(
        {**arguments, 'loop': 'true', 'whisper': 'untrained', 'device': 'cpu'},
        log_file=tmp_path / 'log',
    ) as graph:
        peer.wait_for(lambda: set(NODES) <= set(peer.statuses), 'the status of every node', 60.0)
        processes = [psutil.Process(pid) for pid in graph.processes.values()]
        yield [c for p in processes for c in p.net_connections('inet')]
    peer.close()


def test_they_are_for_this_machine_alone(sockets):
    listening = [c for c in sockets if c.status == psutil.CONN_LISTEN]
    assert listening  # the pages
    assert all(ipaddress.ip_address(c.laddr.ip).is_loopback for c in listening), listening
    datagrams = [c for c in sockets if not c.status or c.status == psutil.CONN_NONE]
    assert datagrams  # DDS
    # 239.255.0.1 is the group of discovery, joined on the loopback interface.
    outside = [
        c for c in datagrams
        if c.laddr and not ipaddress.ip_address(c.laddr.ip).is_loopback
        and not ipaddress.ip_address(c.laddr.ip).is_multicast
    ]  # fmt: skip
    assert not outside, outside


@pytest.mark.skipif(sys.platform != 'linux', reason='maps of /proc')
@pytest.mark.skipif(
    os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp') != 'rmw_fastrtps_cpp',
    reason='another middleware than Fast DDS',
)
@pytest.mark.parametrize(
    ('profile', 'shared'), [('fastdds.xml', 0), ('fastdds_loopback.xml', 0), ('', 1)]
)
def test_our_profiles_use_no_shared_memory(ros_domain, profile, shared):
    """The others would wait for that of a node that was killed, which stays in /dev/shm."""
    code = (
        'import rclpy; rclpy.init(); node = rclpy.create_node("somebody"); '
        'print(int("/dev/shm/fastrtps" in open("/proc/self/maps").read()))'
    )
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    if profile:
        path = share_folder() / 'config' / profile
        environment |= dict.fromkeys(PROFILE_VARIABLES, str(path))
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == shared
