# SPDX-License-Identifier: Apache-2.0
"""Commands for actuators as messages of other packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from builtin_interfaces.msg import Duration
from std_msgs.msg import MultiArrayDimension
from trajectory_msgs.msg import JointTrajectoryPoint

from robot_face_gen.face.actuation import Command, FaceActuation
from robot_face_gen.face.actuators import JOINT_OUTPUTS, ActuatorSet, Output
from robot_face_gen.face.expression import classify
from robot_face_gen.layout import AU_NAMES, INTENSITIES
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .base_node import BaseNode
from .messages import packed, to_time

# A controller refuses a trajectory whose end is in the past when it arrives.
LEAST_TRAJECTORY_S = 0.2
_AU_CODES = [int(name[2:]) for name in AU_NAMES]
_AU_MAX = np.array([5.0] * INTENSITIES + [1.0])

Publish = Callable[[Command, int], None]  # a command, and its time in ns


class Joints(NamedTuple):
    """The actuators of an output."""

    names: list[str]
    columns: list[int]  # in a command
    actuation: FaceActuation


def joint_state(message: Any, command: Command, joints: Joints) -> None:
    """sensor_msgs/JointState: commanded positions and velocities."""
    message.name = joints.names
    message.position = packed(command.position[joints.columns], 'd')
    message.velocity = packed(command.velocity[joints.columns], 'd')


def joint_trajectory(message: Any, command: Command, joints: Joints) -> None:
    """trajectory_msgs/JointTrajectory: the command in one period, then braking to rest.

    The next message replaces the rest of it. If none comes, the motion ends within the limits.
    """
    positions, velocities = joints.actuation.braking()
    positions = np.concatenate((command.position[None], positions))[:, joints.columns]
    velocities = np.concatenate((command.velocity[None], velocities))[:, joints.columns]
    period_s = joints.actuation.period_s
    message.joint_names = joints.names
    message.points = [
        _point(position, velocity, (index + 1) * period_s)
        for index, (position, velocity) in enumerate(zip(positions, velocities, strict=True))
    ]
    if len(positions) * period_s < LEAST_TRAJECTORY_S:
        last = _point(positions[-1], np.zeros(len(joints.names)), LEAST_TRAJECTORY_S)
        message.points.append(last)


def positions(message: Any, command: Command, joints: Joints) -> None:
    """std_msgs/Float64MultiArray, as ros2_control's forward controllers expect it."""
    count = len(joints.names)
    message.layout.dim = [MultiArrayDimension(label='joints', size=count, stride=count)]
    message.data = packed(command.position[joints.columns], 'd')


def hri_action_units(message: Any, command: Command, joints: Joints) -> None:
    """hri_msgs/FacialActionUnits: intensities 0..1; units that are not known have confidence 0."""
    intensity, confidence = np.zeros((2, len(message.confidence)), np.float32)
    intensity[_AU_CODES] = command.face.action_units / _AU_MAX
    confidence[_AU_CODES] = 1.0
    message.intensity, message.confidence = intensity, confidence


def hri_expression(message: Any, command: Command, joints: Joints) -> None:
    """hri_msgs/Expression, see `classify`."""
    found = classify(command.face.action_units)
    message.expression = found.name
    message.valence, message.arousal = found.valence, found.arousal
    message.confidence = found.confidence


# By the type of an output in the file of actuators: package and name of its message, and what
# fills it in.
MESSAGES: dict[str, tuple[str, str, Callable[[Any, Command, Joints], None]]] = {
    'joint_state': ('sensor_msgs', 'JointState', joint_state),
    'joint_trajectory': ('trajectory_msgs', 'JointTrajectory', joint_trajectory),
    'positions': ('std_msgs', 'Float64MultiArray', positions),
    'hri_action_units': ('hri_msgs', 'FacialActionUnits', hri_action_units),
    'hri_expression': ('hri_msgs', 'Expression', hri_expression),
}


def make_outputs(
    node: BaseNode, actuators: ActuatorSet, actuation: FaceActuation
) -> list[Publish]:
    """What publishes commands (with their time in ns) on each enabled output of a node.

    An output whose message is not installed is an error in the node's diagnostics.
    """
    outputs = []
    for output in actuators.outputs:
        if not output.enabled:
            continue
        try:
            outputs.append(_make_output(node, output, actuators, actuation))
        except ImportError as error:
            text = f'{output.topic} ({output.kind}) is not published: {error}'
            node.health.fail(output.topic, text)
    return outputs


def _make_output(
    node: BaseNode, output: Output, actuators: ActuatorSet, actuation: FaceActuation
) -> Publish:
    columns = [actuators.names.index(name) for name in output.actuators]
    joints = Joints(list(output.actuators), columns, actuation)
    package, name, fill = MESSAGES[output.kind]
    kind = getattr(import_module(f'{package}.msg'), name)
    message = kind()
    # Controllers of ros2_control subscribe reliably.
    publisher = node.advertise(kind, output.topic, flow=output.topic, depth=1, reliable=True)
    is_face, last_ns = output.kind not in JOINT_OUTPUTS, 0

    def publish(command: Command, stamp_ns: int) -> None:
        nonlocal last_ns
        # Faces change 25 times a second; one that is held is not shown.
        if is_face and (command.is_held or 0 <= stamp_ns - last_ns < 0.9 * PERIOD_NS):
            return
        last_ns = stamp_ns
        fill(message, command, joints)
        if hasattr(message, 'header'):
            message.header.stamp = to_time(stamp_ns)
        publisher.publish(message)
        node.health.tick(output.topic)

    return publish


def _point(position: np.ndarray, velocity: np.ndarray, time_s: float) -> JointTrajectoryPoint:
    seconds, nanoseconds = divmod(round(time_s * SECOND_NS), SECOND_NS)
    return JointTrajectoryPoint(
        positions=packed(position, 'd'),
        velocities=packed(velocity, 'd'),
        time_from_start=Duration(sec=seconds, nanosec=nanoseconds),
    )
