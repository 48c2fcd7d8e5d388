# SPDX-License-Identifier: Apache-2.0
"""How a node's program begins and ends."""

import signal
import subprocess
import sys
import threading

import pytest

PROGRAM = """
import os, signal, sys, time
sys.argv = [{name!r}]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has it ignored
import robot_face_gen.nodes
{then}
os.kill(os.getpid(), signal.SIGINT)
time.sleep(5)
"""


def run(name, then=''):
    return subprocess.run(
        [sys.executable, '-c', PROGRAM.format(name=name, then=then)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize('name', ['/opt/lib/robot_face_gen/openface_node', '-m'])
def test_ctrl_c_while_a_node_is_still_importing_says_nothing(name):
    told = run(name)
    assert (told.returncode, told.stdout, told.stderr) == (0, '', '')


@pytest.mark.parametrize(
    ('name', 'then'),
    [
        ('somebodys_program.py', ''),
        ('openface_node', 'from robot_face_gen.nodes.run import hear_ctrl_c; hear_ctrl_c()'),
    ],
)
def test_else_ctrl_c_is_what_it_was(name, then):
    told = run(name, then)
    assert told.returncode == -signal.SIGINT and 'KeyboardInterrupt' in told.stderr


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
