# SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture(scope='session')
def networks():
    """The face landmarker, where its file and LiteRT are."""
    from robot_face_gen.models import store

    pytest.importorskip('ai_edge_litert', reason='the extra [camera] is not installed')
    if store.find('face-landmarker') is None:
        pytest.skip(store.how_to_get('face-landmarker'))
    from robot_face_gen.camera.networks import FaceNetworks

    return FaceNetworks()


@pytest.fixture(scope='session')
def head(networks):
    """A head that can be drawn."""
    from rendered_head import Head

    return Head(networks.canonical_face)
