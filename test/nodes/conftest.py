# SPDX-License-Identifier: Apache-2.0
import os

import pytest


@pytest.fixture(scope='module')
def graph_domain():
    """As `ros_domain`, for processes that several tests of a module share."""
    with pytest.MonkeyPatch.context() as patch:
        domain = 1 + (os.getpid() * 7 + 50) % 100
        patch.setenv('ROS_DOMAIN_ID', str(domain))
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        yield domain


@pytest.fixture(scope='module')
def peer(graph_domain):
    from live_graph import Peer

    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def start(graph_domain, tmp_path):
    """Start nodes that end with the test: start('openface_node', source=...)."""
    from live_graph import NodeProcess

    started = []

    def start(name, **parameters):
        started.append(NodeProcess(name, tmp_path, **parameters))
        return started[-1]

    yield start
    for process in started:
        process.kill()
