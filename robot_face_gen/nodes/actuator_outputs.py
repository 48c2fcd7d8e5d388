# SPDX-License-Identifier: Apache-2.0
"""Commands for actuators as messages of other packages."""

from __future__ import annotations

import array
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from robot_face_gen.face.actuation import Command, FaceActuation
from robot_face_gen.face.actuators import JOINT_OUTPUTS, ActuatorSet, Output
from robot_face_gen.face.expression import classify
from robot_face_gen.layout import AU_NAMES, INTENSITIES
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .messages import to_time

if TYPE_CHECKING:
    from .base_node import BaseNode

# A controller refuses a trajectory whose end is in the past when it arrives.
LEAST_TRAJECTORY_S = 0.2
_AU_CODES = [int(name[2:]) for name in AU_NAMES]
_AU_MAX = np.array([5.0] * INTENSITIES + [1.0])

# Positions and velocities (k, n) after the command, if the motion brakes.
Braking = Callable[[], tuple[np.ndarray, np.ndarray]]
# Makes a message from a command, its time in ns, and how it would brake.
MakeMessage = Callable[[Command, int, Braking], Any]
Publish = Callable[[Command, int], None]
Maker = tuple[type, MakeMessage]  # the class of the messages, and what makes them


def joint_state(names: Sequence[str], columns: Sequence[int], period_s: float) -> Maker:
    """sensor_msgs/JointState: commanded positions and velocities."""
    message = JointState(name=list(names))

    def make(command: Command, stamp_ns: int, braking: Braking) -> JointState:
        message.header.stamp = to_time(stamp_ns)
        message.position = _doubles(command.position[columns])
        message.velocity = _doubles(command.velocity[columns])
        return message

    return JointState, make


def joint_trajectory(names: Sequence[str], columns: Sequence[int], period_s: float) -> Maker:
    """trajectory_msgs/JointTrajectory: the command in one period, then braking to rest.

    The next message replaces the rest of it. If none comes, the motion ends within the limits.
    """
    message = JointTrajectory(joint_names=list(names))

    def make(command: Command, stamp_ns: int, braking: Braking) -> JointTrajectory:
        positions, velocities = braking()
        positions = np.concatenate((command.position[None], positions))[:, columns]
        velocities = np.concatenate((command.velocity[None], velocities))[:, columns]
        message.header.stamp = to_time(stamp_ns)
        message.points = [
            _point(position, velocity, (index + 1) * period_s)
            for index, (position, velocity) in enumerate(zip(positions, velocities, strict=True))
        ]
        if len(positions) * period_s < LEAST_TRAJECTORY_S:
            last = _point(positions[-1], np.zeros(len(names)), LEAST_TRAJECTORY_S)
            message.points.append(last)
        return message

    return JointTrajectory, make


def positions(names: Sequence[str], columns: Sequence[int], period_s: float) -> Maker:
    """std_msgs/Float64MultiArray, as ros2_control's forward controllers expect it."""
    message = Float64MultiArray()
    message.layout.dim = [MultiArrayDimension(label='joints', size=len(names), stride=len(names))]

    def make(command: Command, stamp_ns: int, braking: Braking) -> Float64MultiArray:
        message.data = _doubles(command.position[columns])
        return message

    return Float64MultiArray, make


def hri_action_units(names: Sequence[str], columns: Sequence[int], period_s: float) -> Maker:
    """hri_msgs/FacialActionUnits: intensities 0..1; units that are not known have confidence 0."""
    message = import_module('hri_msgs.msg').FacialActionUnits()
    confidence = np.zeros(len(message.confidence), np.float32)
    confidence[_AU_CODES] = 1.0
    message.confidence = confidence

    def make(command: Command, stamp_ns: int, braking: Braking) -> Any:
        intensity = np.zeros(len(confidence), np.float32)
        intensity[_AU_CODES] = command.face.action_units / _AU_MAX
        message.header.stamp = to_time(stamp_ns)
        message.intensity = intensity
        return message

    return type(message), make


def hri_expression(names: Sequence[str], columns: Sequence[int], period_s: float) -> Maker:
    """hri_msgs/Expression, see `classify`."""
    message = import_module('hri_msgs.msg').Expression()

    def make(command: Command, stamp_ns: int, braking: Braking) -> Any:
        found = classify(command.face.action_units)
        message.header.stamp = to_time(stamp_ns)
        message.expression = found.name
        message.valence, message.arousal = found.valence, found.arousal
        message.confidence = found.confidence
        return message

    return type(message), make


# By the type of an output in the file of actuators; each takes the names of the actuators, their
# columns in a command and the period of the commands, and raises ImportError if the message's
# package is not installed.
MAKERS: dict[str, Callable[[Sequence[str], Sequence[int], float], Maker]] = {
    'joint_state': joint_state,
    'joint_trajectory': joint_trajectory,
    'positions': positions,
    'hri_action_units': hri_action_units,
    'hri_expression': hri_expression,
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
            node.get_logger().warning(text)
            node.health.fail(output.topic, text, logged=True)
    return outputs


def _make_output(
    node: BaseNode, output: Output, actuators: ActuatorSet, actuation: FaceActuation
) -> Publish:
    columns = [actuators.names.index(name) for name in output.actuators]
    kind, make = MAKERS[output.kind](output.actuators, columns, actuation.period_s)
    # Controllers of ros2_control subscribe reliably.
    publisher = node.advertise(kind, output.topic, flow=output.topic, depth=1, reliable=True)
    is_face, last_ns = output.kind not in JOINT_OUTPUTS, 0

    def publish(command: Command, stamp_ns: int) -> None:
        nonlocal last_ns
        # Faces change 25 times a second; one that is held is not shown.
        if is_face and (command.is_held or 0 <= stamp_ns - last_ns < 0.9 * PERIOD_NS):
            return
        last_ns = stamp_ns
        publisher.publish(make(command, stamp_ns, actuation.braking))
        node.health.tick(output.topic)

    return publish


def _point(position: np.ndarray, velocity: np.ndarray, time_s: float) -> JointTrajectoryPoint:
    seconds, nanoseconds = divmod(round(time_s * SECOND_NS), SECOND_NS)
    return JointTrajectoryPoint(
        positions=_doubles(position),
        velocities=_doubles(velocity),
        time_from_start=Duration(sec=seconds, nanosec=nanoseconds),
    )


def _doubles(values: np.ndarray) -> array.array:
    """What rclpy wants of an unbounded float64 sequence; lists are checked one by one there."""
    return array.array('d', np.ascontiguousarray(values, np.float64).tobytes())
