# SPDX-License-Identifier: Apache-2.0
"""How a node's program begins and ends."""

import signal

import pytest
from launching import run_python

PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has it ignored
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == 'robot_face_gen.nodes.{stage}':
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from robot_face_gen.nodes.program import start
sys.exit(start('openface_node', []))
"""


@pytest.mark.parametrize('stage', ['openface_node', 'base_node', 'source_tables'])
def test_ctrl_c_while_a_node_is_still_importing_prints_nothing(stage):
    found = run_python(PROGRAM.format(stage=stage))
    assert (found.returncode, found.stdout, found.stderr) == (0, '', '')


def test_importing_the_nodes_changes_nothing():
    program = """
import os, signal, sys
before = dict(os.environ), list(sys.path), signal.getsignal(signal.SIGINT)
import robot_face_gen.nodes
assert 'rclpy' not in sys.modules
import robot_face_gen.nodes.program, robot_face_gen.nodes.reaction_node
assert before == (dict(os.environ), sys.path, signal.getsignal(signal.SIGINT))
"""
    run_python(program, check=True)


def test_an_unknown_node_is_refused_by_name():
    code = 'import runpy; runpy.run_module("robot_face_gen.nodes", run_name="__main__")'
    found = run_python(code, 'reaction')
    assert found.returncode == 1 and "'reaction' is not a node" in found.stderr


INTERRUPTED = """
import os, signal, sys
from std_msgs.msg import Empty
from robot_face_gen.nodes.base_node import BaseNode
from robot_face_gen.nodes.run import run
from robot_face_gen.nodes.tables import OPENFACE as table
class Busy(BaseNode):
    def __init__(self):
        super().__init__(table)
        if sys.argv[2] == 'making':
            os.kill(os.getpid(), int(sys.argv[1]))
        self.publisher = self.advertise(Empty, 'out', flow='out')
        self.create_timer(0.01, self.look)
    def look(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        for _ in range(1000):
            self.publisher.publish(Empty())
    def destroy_node(self):
        print('destroyed')
        super().destroy_node()
sys.exit(run(Busy, ['--ros-args'], table=table))
"""


@pytest.mark.graph
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(('when', 'printed'), [('making', ''), ('spinning', 'destroyed\n')])
def test_a_signal_ends_a_node_quietly(ros_domain, number, when, printed):
    """Also in a callback, which an exception must not leave and which may go on to publish."""
    found = run_python(INTERRUPTED, int(number), when)
    assert (found.returncode, found.stdout, found.stderr) == (0, printed, '')


@pytest.mark.graph
def test_what_breaks_in_rclpy_without_a_signal_is_an_error(ros_domain, monkeypatch):
    from rclpy.executors import SingleThreadedExecutor

    from robot_face_gen.nodes import run as module
    from robot_face_gen.nodes.base_node import BaseNode
    from robot_face_gen.nodes.tables import OPENFACE

    class Breaking(SingleThreadedExecutor):
        def spin_once(self, *args, **options):
            raise RuntimeError('Unable to convert call argument to Python object')

    monkeypatch.setattr(module, 'make_executor', Breaking)
    with pytest.raises(RuntimeError, match='Unable to convert'):
        module.run(lambda: BaseNode(OPENFACE), [], table=OPENFACE)


@pytest.mark.graph
def test_the_handlers_of_signals_are_restored(ros_domain):
    from robot_face_gen.nodes.base_node import BaseNode
    from robot_face_gen.nodes.run import run
    from robot_face_gen.nodes.tables import OPENFACE

    class Ending(BaseNode):
        def __init__(self):
            super().__init__(OPENFACE)
            self.finish()

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run(Ending, [], table=OPENFACE) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.graph
def test_a_node_started_in_this_process_leaves_its_handler_of_ctrl_c(ros_domain, capfd):
    from robot_face_gen.nodes.program import start

    signal.signal(signal.SIGINT, signal.default_int_handler)
    assert start('openface_node', ['--ros-args', '-p', 'source:=no.csv']) == 1
    assert 'no.csv' in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


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
