# SPDX-License-Identifier: Apache-2.0
"""The outputs in ROS4HRI's messages, which are built here where hri_msgs is not installed."""

import importlib
import sys
import sysconfig
import threading
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from robot_face_gen.face.easing import NEUTRAL
from robot_face_gen.layout import AU, BRANCH_SLICES
from robot_face_gen.nodes.messages import from_reaction
from robot_face_gen_msgs.msg import FaceReaction

pytestmark = pytest.mark.graph
NODE = 'face_actuator_node'
# The fields of hri_msgs 2 (BSD, https://github.com/ros4hri/hri_msgs); its constants are left out.
DEFINITIONS = {
    'FacialActionUnits': 'std_msgs/Header header\nfloat32[99] intensity\nfloat32[99] confidence\n',
    'Expression': 'std_msgs/Header header\nstring expression\nfloat32 valence\nfloat32 arousal\n'
    'float32 confidence\n',
}
MANIFEST = """<?xml version="1.0"?>
<package format="3"><name>hri_msgs</name><version>2.0.0</version><description/>
<depend>builtin_interfaces</depend><depend>std_msgs</depend></package>
"""
FILE = """
actuators:
  - {name: jaw, min: 0.0, max: 1.0, max_speed: 2.0, max_acceleration: 20.0, inputs: {AU26: 0.2}}
outputs:
  - {type: hri_action_units, topic: robot_face/facial_action_units}
  - {type: hri_expression, topic: robot_face/expression}
"""


@pytest.fixture(scope='module')
def hri_msgs(tmp_path_factory):
    """The module hri_msgs.msg; nodes that are started find it too."""
    if find_spec('hri_msgs') is not None:
        yield importlib.import_module('hri_msgs.msg')
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'robot_face_gen_msgs'))
    from message_build import MessageBuild, MessageBuildError

    source, installed = (tmp_path_factory.mktemp(name) for name in ('source', 'installed'))
    (source / 'msg').mkdir()
    (source / 'package.xml').write_text(MANIFEST)
    for name, text in DEFINITIONS.items():
        (source / 'msg' / f'{name}.msg').write_text(text)
    package = installed / 'hri_msgs'
    extension = 'hri_msgs_s__rosidl_typesupport_c' + sysconfig.get_config_var('EXT_SUFFIX')
    try:
        build = MessageBuild(source, tmp_path_factory.mktemp('work'))
        build.build(package, package / extension)
    except (MessageBuildError, ImportError) as error:
        pytest.skip(f'hri_msgs is not installed and cannot be built: {error}')
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
        peer.wait_for(lambda: heard and abs(heard[-1][1].intensity[12] - 0.8) < 1e-5, 'AU12')
        units = heard[-1][1]
        assert units.header.stamp.sec > 0
        assert units.intensity[6] == pytest.approx(0.6)
        assert units.intensity[28] == pytest.approx(1.0)
        known = np.flatnonzero(units.confidence)
        assert {f'AU{code:02d}' for code in known} == set(AU)
    finally:
        end.set()
        sender.join()
        peer.node.destroy_publisher(publisher)
