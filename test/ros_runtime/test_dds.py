"""What lies on Cyclone DDS: nothing that a signal can break."""

import os
import subprocess
import sys

TAKES_UNDER_FIRE = """
import signal
import time
from robot_face_gen.ros_runtime import activate
activate()
import rclpy
from rclpy.node import Node
from rosgraph_msgs.msg import Clock


class Interrupted(Exception):
    pass


def interrupt(number, frame):
    if armed:
        raise Interrupted


armed = False
rclpy.init()
node = Node('under_fire')
subscription = node.create_subscription(Clock, '/clock', print, 10)
publisher = node.create_publisher(Clock, '/clock', 10)
while not publisher.get_subscription_count():
    time.sleep(0.01)
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
interrupted = taken = 0
message = Clock()
message.clock.sec = 7
end = time.monotonic() + 120.0
while (interrupted < 600 or not taken) and time.monotonic() < end:
    publisher.publish(message)
    data = None
    try:
        armed = True
        data, _ = subscription.handle.take()
        armed = False
    except Interrupted:
        armed = False
        interrupted += 1
    if data is not None:
        assert len(data) == 12 and data[4] == 7, data
        taken += 1
signal.setitimer(signal.ITIMER_REAL, 0.0)
rclpy.shutdown()
print('interrupted', interrupted, 'taken', taken)
"""


def test_ctrl_c_in_the_middle_of_a_take_is_an_exception_and_no_crash():
    done = subprocess.run(
        [sys.executable, '-c', TAKES_UNDER_FIRE],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONFAULTHANDLER': '1'},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'interrupted' in done.stdout
