# SPDX-License-Identifier: Apache-2.0
"""A program that publishes messages of other packages; two of them have the same name.

usage: foreign_publisher.py FILE, with a pickled list of rounds; a round is a list of
(topic, type, fields), published every 40 ms, again and again.
"""

import array
import importlib
import pickle
import sys
import time

import numpy as np
import rclpy
from builtin_interfaces.msg import Time


def make(kind, fields):
    """A message of a type 'package/Name' from nested dictionaries; `now` is the present time."""
    package, _, name = kind.partition('/')
    message = getattr(importlib.import_module(f'{package}.msg'), name)()
    fill(message, fields)
    return message


def fill(message, fields):
    for name, value in fields.items():
        if isinstance(value, dict):
            fill(getattr(message, name), value)
        elif isinstance(value, str) and value == 'now':
            setattr(message, name, Time(sec=int(NOW_NS // 10**9), nanosec=int(NOW_NS % 10**9)))
        elif isinstance(value, tuple):  # a fixed array of messages
            for element, inside in zip(getattr(message, name), value, strict=True):
                fill(element, inside)
        elif isinstance(value, np.ndarray) and message.get_fields_and_field_types()[
            name
        ].startswith('sequence'):
            setattr(message, name, array.array(value.dtype.char, value.tobytes()))
        else:
            setattr(message, name, value)


rclpy.init()
node = rclpy.create_node('foreign_publisher')
with open(sys.argv[1], 'rb') as file:
    rounds = pickle.load(file)
publishers, number = {}, 0
while rclpy.ok():
    NOW_NS = time.time_ns()
    for topic, kind, fields in rounds[number % len(rounds)]:
        message = make(kind, fields)
        if topic not in publishers:
            publishers[topic] = node.create_publisher(type(message), topic, 10)
        publishers[topic].publish(message)
    number += 1
    rclpy.spin_once(node, timeout_sec=0.0)
    time.sleep(0.04)
