# SPDX-License-Identifier: Apache-2.0
"""Fixtures that several rooms' tests share."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

# Few cores, several processes: one thread each is faster than a fight for them.
os.environ.setdefault('OMP_NUM_THREADS', '1')

# A background job has Ctrl-C ignored, and so would all that is started here and is to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

RECORDINGS = Path(__file__).resolve().parents[2] / 'shared' / 'data'


@pytest.fixture(scope='session')
def real_recordings():
    """A real OpenFace CSV and a real voice, where a developer has them beside the checkout."""
    paths = SimpleNamespace(
        openface=RECORDINGS / 'openface_demo.csv', audio=RECORDINGS / 'jfk.flac'
    )
    missing = [str(path.name) for path in vars(paths).values() if not path.is_file()]
    if missing:
        pytest.skip(f'no real recordings beside this checkout: {", ".join(missing)}')
    return paths


@pytest.fixture(scope='session')
def face_networks():
    """The face landmarker, where its file and LiteRT are."""
    from robot_face_gen.models import store

    pytest.importorskip('ai_edge_litert', reason='the extra [camera] is not installed')
    if store.find('face-landmarker') is None:
        pytest.skip(store.how_to_get('face-landmarker'))
    from robot_face_gen.camera.networks import FaceNetworks

    return FaceNetworks()


@pytest.fixture(scope='session')
def head(face_networks):
    """A head that can be drawn."""
    from rendered_head import Head

    return Head(face_networks.canonical_face)


@pytest.fixture
def ros_domain(monkeypatch):
    """A ROS domain that no other test run here is likely to use; set in the environment."""
    domain = 1 + (os.getpid() * 7 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])) % 100
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    return domain
