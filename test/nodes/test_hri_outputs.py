# SPDX-License-Identifier: Apache-2.0
"""The outputs in ROS4HRI's messages, which are built here where hri_msgs is not installed."""

import importlib
import threading
from importlib.util import find_spec

import numpy as np
import pytest

from robot_face_gen.face.easing import NEUTRAL
from robot_face_gen.layout import AU, BRANCH_SLICES
from robot_face_gen.nodes.messages import from_reaction
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = [pytest.mark.graph, pytest.mark.xdist_group('foreign messages')]
NODE = 'face_actuator_node'
FILE = """
actuators:
  - {name: jaw, min: 0.0, max: 1.0, max_speed: 2.0, max_acceleration: 20.0, inputs: {AU26: 0.2}}
outputs:
  - {type: hri_action_units, topic: robot_face/facial_action_units}
  - {type: hri_expression, topic: robot_face/expression}
"""


@pytest.fixture(scope='module')
def hri_msgs(packages):
    """The module hri_msgs.msg; nodes that are started find it too."""
    if find_spec('hri_msgs') is not None:
        yield importlib.import_module('hri_msgs.msg')
        return
    installed = packages('hri_msgs')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed))
        patch.setenv('PYTHONPATH', str(installed))
        yield importlib.import_module('hri_msgs.msg')


def test_the_face_is_published_in_the_messages_of_ros4hri(hri_msgs, peer, start, tmp_path):
    file = tmp_path / 'actuators.yaml'
    file.write_text(FILE)
    peer.listen(hri_msgs.FacialActionUnits, '/robot_face/facial_action_units')
    peer.listen(hri_msgs.Expression, '/robot_face/expression')
    publisher = peer.node.create_publisher(FaceReaction, '/robot_face/reaction', 5)
    face = {name: NEUTRAL[columns].copy() for name, columns in BRANCH_SLICES.items()}
    face['au'][:] = 0.0
    face['au'][[AU['AU06'], AU['AU12']]] = 3.0, 4.0
    face['au'][AU['AU28']] = 1.0
    start(NODE, actuators=file)
    end = threading.Event()

    def send():
        while not end.wait(0.04):
            publisher.publish(from_reaction(face, 1, 1, 1, 'robot_face'))

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        expressions = peer.heard['/robot_face/expression']
        peer.wait_for(lambda: expressions and expressions[-1][1].expression == 'happy', 'happy')
        peer.wait_for(lambda: expressions[-1][1].confidence > 0.9, 'a clear expression')
        assert expressions[-1][1].valence > 0.5
        heard = peer.heard['/robot_face/facial_action_units']
        # When the transition from the neutral face is over.
        shown = pytest.approx([0.6, 0.8])
        peer.wait_for(lambda: heard and heard[-1][1].intensity[[6, 12]] == shown, 'AU06, AU12')
        units = heard[-1][1]
        assert units.header.stamp.sec > 0
        assert units.intensity[28] == pytest.approx(1.0)
        known = np.flatnonzero(units.confidence)
        assert {f'AU{code:02d}' for code in known} == set(AU)
    finally:
        end.set()
        sender.join()
        peer.destroy(publisher)
