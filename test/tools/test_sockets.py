# SPDX-License-Identifier: Apache-2.0
"""What a running graph listens on, also with the profile for the loopback interface."""

import ipaddress
from pathlib import Path

import psutil
import pytest

from robot_face_gen.resources import demo_recording

pytestmark = pytest.mark.graph
PROFILE = Path(__file__).parents[2] / 'config' / 'fastdds_loopback.xml'
NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node', 'face_screen_node')


@pytest.fixture(params=['default', 'loopback profile'])
def sockets(request, tmp_path, ros_domain, monkeypatch):
    """The profile, and the sockets of all nodes of a running graph."""
    from live_graph import Peer

    from robot_face_gen.tools.bringup import start_bringup

    if request.param != 'default':
        monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', str(PROFILE))
        monkeypatch.delenv('ROS_AUTOMATIC_DISCOVERY_RANGE')
    face, voice = (str(path) for path in demo_recording())
    arguments = {'openface': face, 'audio': voice, 'screen': 'true', 'screen_port': '0'}
    peer = Peer()  # with the profile, too
    with start_bringup(
        {**arguments, 'loop': 'true', 'whisper': 'untrained', 'device': 'cpu'},
        log_file=tmp_path / 'log',
    ) as graph:
        peer.wait_for(lambda: set(NODES) <= set(peer.statuses), 'the status of every node', 60.0)
        processes = [psutil.Process(pid) for pid in graph.processes.values()]
        yield request.param, [c for p in processes for c in p.net_connections('inet')]
    peer.close()


def test_pages_are_for_this_machine_alone(sockets):
    profile, connections = sockets
    listening = [c for c in connections if c.status == psutil.CONN_LISTEN]
    assert listening
    assert all(ipaddress.ip_address(c.laddr.ip).is_loopback for c in listening), listening
    datagrams = [c for c in connections if not c.status or c.status == psutil.CONN_NONE]
    assert datagrams  # DDS
    if profile != 'default':
        # 239.255.0.1 is the group of discovery, joined on the loopback interface.
        outside = [
            c for c in datagrams
            if c.laddr and not ipaddress.ip_address(c.laddr.ip).is_loopback
            and not ipaddress.ip_address(c.laddr.ip).is_multicast
        ]  # fmt: skip
        assert not outside, outside
