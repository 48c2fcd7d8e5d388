"""How a node's program begins and ends."""

import signal
import subprocess
import sys

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
