"""Signals end programs at once, with exit code 0 and without a traceback."""

import signal

import pytest

pytestmark = pytest.mark.graph

IDLE = """
rclpy.init()
node = Node('idle')
{extra}
def say():
    timer.cancel()
    print('ready')
timer = node.create_timer(0.01, say)
try:
    rclpy.spin(node)
    print('ended', rclpy.ok())
except (KeyboardInterrupt, ExternalShutdownException) as error:
    print('ended by', type(error).__name__, rclpy.ok())
finally:
    node.destroy_node()
    rclpy.try_shutdown()
print('bye')
"""


@pytest.mark.parametrize(
    ('number', 'name'),
    # Where it comes while a callback runs, the spin just ends, as rclpy's does.
    [(signal.SIGINT, 'KeyboardInterrupt'), (signal.SIGTERM, 'ExternalShutdownException')],
)
@pytest.mark.parametrize('extra', ['', 'node.create_timer(0.001, lambda: None)'])
def test_signal_ends_the_spin(start, number, name, extra):
    program = start(IDLE.format(extra=extra))
    program.expect('^ready$')
    assert program.end(number) == 0
    program.expect(f'^ended( by {name})? False$')
    program.expect('^bye$')
    assert 'Traceback' not in program.text


def test_program_that_forgets_to_tidy_up_ends_quietly(start):
    program = start("""
rclpy.init()
node = Node('careless')
publisher = node.create_publisher(__import__('std_msgs.msg').msg.String, 'a', 10)
node.create_timer(0.01, lambda: print('tick'))
print('ready')
try:
    rclpy.spin(node)
except KeyboardInterrupt:
    pass
""")
    program.expect('^tick$')
    assert program.end() == 0
    assert set(program.text.split()) == {'ready', 'tick'}


def test_uncaught_interrupt_is_told_as_python_does(start):
    program = start("rclpy.init()\nnode = Node('a')\nprint('ready')\nrclpy.spin(node)\n")
    program.expect('^ready$')
    assert program.end() == -signal.SIGINT
    assert 'KeyboardInterrupt' in program.text


def test_context_can_be_begun_again(start):
    program = start("""
for number in range(3):
    rclpy.init()
    node = Node('again')
    rclpy.spin_once(node, timeout_sec=0.01)
    node.destroy_node()
    rclpy.shutdown()
    print(number, rclpy.ok())
try:
    rclpy.shutdown()
except RuntimeError as error:
    print('refused:', error)
rclpy.try_shutdown()
rclpy.init()
try:
    rclpy.init()
except RuntimeError as error:
    print('refused:', error)
""")
    assert program.wait() == 0
    assert program.text.count('False') == 3 and program.text.count('refused:') == 2


def test_handlers_are_given_back():
    import rclpy
    from rclpy.context import Context
    from rclpy.signals import SignalHandlerOptions, get_current_signal_handlers_options

    before = signal.getsignal(signal.SIGINT)
    context = Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.SIGINT)
    assert signal.getsignal(signal.SIGINT) is not before
    assert get_current_signal_handlers_options() is SignalHandlerOptions.SIGINT
    rclpy.shutdown(context=context, uninstall_handlers=True)
    assert signal.getsignal(signal.SIGINT) is before
    assert get_current_signal_handlers_options() is SignalHandlerOptions.NO
