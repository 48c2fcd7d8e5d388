# SPDX-License-Identifier: Apache-2.0
"""A live node loads what it needs: drawing, plotting and training libraries cost memory."""

import pytest

from robot_face_gen.resources import demo_recording

FACE, VOICE = map(str, demo_recording())
PARAMETERS = {
    'openface_node': {'source': FACE},
    'microphone_node': {'source': VOICE},
    'camera_face_node': {'source': 'camera:/dev/video87'},
    'whisper_node': {'backend': 'onnx'},
    'reaction_node': {'backend': 'onnx'},
    'face_actuator_node': {},
    'face_screen_node': {'port': 0},
}
UNWANTED = {'cv2', 'av', 'matplotlib', 'numba', 'torch', 'whisper', 'lightning', 'rosbags'}


@pytest.fixture(scope='module')
def nodes(start_shared):
    """All nodes, which start at the same time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPROFILEIMPORTTIME', '1')
        return {name: start_shared(name, **given) for name, given in PARAMETERS.items()}


@pytest.mark.graph
@pytest.mark.parametrize('name', PARAMETERS)
def test_a_node_imports_nothing_that_it_does_not_need(name, peer, nodes, request):
    if name == 'camera_face_node':
        request.getfixturevalue('face_networks')  # skips where they are missing
    # Its second status: by then it has loaded and begun to work.
    first = peer.wait_for(lambda: peer.statuses.get(name), 'a status')
    peer.wait_for(lambda: peer.statuses[name] is not first, 'another status')
    imported = {
        line.rpartition('|')[2].strip().partition('.')[0]
        for line in nodes[name].text.splitlines()
        if line.startswith('import time:')
    }
    assert {'rclpy', 'numpy'} <= imported
    # The source of the microphone is a file.
    needed = {'microphone_node': {'av'}, 'camera_face_node': {'av', 'cv2'}}.get(name, set())
    assert not imported & (UNWANTED - needed)
