# SPDX-License-Identifier: Apache-2.0
import contextlib
import functools
import importlib

import pytest


@pytest.fixture(scope='module')
def peer(graph_domain):
    from live_graph import Peer

    peer = Peer()
    yield peer
    peer.close()


@contextlib.contextmanager
def starter(folder):
    from live_graph import NodeProcess

    started = []

    def start(name, **parameters):
        started.append(NodeProcess(name, folder, **parameters))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def start(graph_domain, tmp_path):
    """Start nodes that end with the test: start('openface_node', source=...)."""
    with starter(tmp_path) as start:
        yield start


@pytest.fixture(scope='module')
def start_shared(graph_domain, tmp_path_factory):
    """As `start`, for nodes that the tests of a module share."""
    with starter(tmp_path_factory.mktemp('nodes')) as start:
        yield start


@pytest.fixture
def fails(graph_domain, capfd):
    """What a node prints that cannot start: fails('openface_node', source=...). It runs here."""
    from live_graph import ros_arguments

    from robot_face_gen.nodes.run import run

    def fails(name, **parameters):
        capfd.readouterr()
        make_node, table = importlib.import_module(f'robot_face_gen.nodes.{name}').PROGRAM
        assert run(make_node, ros_arguments(parameters), table=table) == 1
        lines = capfd.readouterr().err.splitlines(keepends=True)
        # ROS warns of a node of the same name that is not collected as garbage yet.
        text = ''.join(line for line in lines if '[rcl.logging_rosout]' not in line)
        assert 'Traceback' not in text
        return text

    return fails


@pytest.fixture
def heard(peer):
    """Frames of the speaker's face that came since the test began."""
    from robot_face_gen_msgs.msg import FaceFeatures

    topic = '/openface/features'
    if topic not in peer.heard:
        peer.listen(FaceFeatures, topic)
    peer.heard[topic].clear()
    peer.statuses.clear()
    return peer.heard[topic]


@pytest.fixture(scope='session')
def packages(tmp_path_factory):
    """Folders of message packages of others, each built when it is first asked for."""
    from foreign_messages import build

    @functools.cache
    def get(title):
        return build(title, tmp_path_factory.mktemp('package'))

    return get
