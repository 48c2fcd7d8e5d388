# SPDX-License-Identifier: Apache-2.0
"""How a node's program begins and ends."""

import threading

import pytest


@pytest.mark.graph
@pytest.mark.parametrize('interrupted', [True, False])
def test_what_breaks_in_rclpy_for_a_ctrl_c_is_no_error(ros_domain, monkeypatch, interrupted):
    import rclpy

    from robot_face_gen.nodes import run as module
    from robot_face_gen.nodes.base_node import BaseNode
    from robot_face_gen.nodes.tables import OPENFACE

    class Breaking(module.SingleThreadedExecutor):
        def spin_once(self, *args, **options):
            if interrupted:  # rclpy's thread for signals is a moment later
                threading.Timer(0.05, rclpy.try_shutdown).start()
            raise RuntimeError('Unable to convert call argument to Python object')

    monkeypatch.setattr(module, 'SingleThreadedExecutor', Breaking)
    if interrupted:
        assert module.run(lambda: BaseNode(OPENFACE), []) == 0
    else:
        with pytest.raises(RuntimeError, match='Unable to convert'):
            module.run(lambda: BaseNode(OPENFACE), [])


def test_a_node_that_is_interrupted_while_it_is_made_can_be_destroyed(monkeypatch):
    import rclpy.node

    from robot_face_gen.nodes import base_node, tables

    def interrupted(self, *args, **options):
        raise KeyboardInterrupt

    node = base_node.BaseNode.__new__(base_node.BaseNode)
    monkeypatch.setattr(rclpy.node.Node, '__init__', interrupted)
    with pytest.raises(KeyboardInterrupt):
        node.__init__(tables.OPENFACE)
    monkeypatch.setattr(rclpy.node.Node, 'destroy_node', lambda self: None)
    node.destroy_node()
