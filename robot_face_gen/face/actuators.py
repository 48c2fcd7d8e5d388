# SPDX-License-Identifier: Apache-2.0
"""What the actuators of a robot are, and which face moves them where; read by `actuator_file`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from robot_face_gen.layout import AU_NAMES, GAZE_COLUMNS, POSE_COLUMNS

from .easing import EasedFace
from .limits import MotionLimits

# Values of a face that can move an actuator, in the order of the columns of `ActuatorSet.gains`.
INPUTS = (*AU_NAMES, *POSE_COLUMNS, *GAZE_COLUMNS)
UNITS = ('rad', 'm', 'ratio')
JOINT_OUTPUTS = ('joint_state', 'joint_trajectory', 'positions')
FACE_OUTPUTS = ('hri_action_units', 'hri_expression')


@dataclass(frozen=True, kw_only=True)
class Actuator:
    """One motor; positions in `unit`, speeds in unit/s, and so on."""

    name: str  # of the joint
    low: float  # lowest position
    high: float  # highest position
    neutral: float  # position for a face at rest; the sum of all inputs is added to it
    max_speed: float  # positive
    max_acceleration: float  # positive
    max_jerk: float = math.inf  # positive; infinite: not limited
    # (gain, offset) of each value of the face that moves it: it adds `gain * value + offset`
    inputs: Mapping[str, tuple[float, float]]
    unit: str = 'rad'  # of the position: 'rad', 'm', or 'ratio' (0 to 1, for example)


@dataclass(frozen=True)
class Output:
    """A topic on which commands are published."""

    kind: str  # one of JOINT_OUTPUTS or FACE_OUTPUTS
    topic: str  # name, relative to the node's namespace or absolute
    actuators: tuple[str, ...] = ()  # names, in the order of the message; empty for FACE_OUTPUTS
    enabled: bool = True  # whether it is published


class ActuatorSet:
    """All actuators of a robot, in the order of all arrays, and the outputs that command them.

    `neutral` are the positions (n,) for a face at rest, `limits` those of the motion, `gains` (n,
    24) with columns as in INPUTS.
    """

    def __init__(self, actuators: tuple[Actuator, ...], outputs: tuple[Output, ...]) -> None:
        self.actuators, self.outputs = actuators, outputs
        self.names = tuple(actuator.name for actuator in actuators)

        def array(field: str) -> np.ndarray:
            return np.array([getattr(actuator, field) for actuator in actuators], np.float64)

        self.neutral = array('neutral')
        self.limits = MotionLimits(
            array('low'),
            array('high'),
            array('max_speed'),
            array('max_acceleration'),
            array('max_jerk'),
        )
        self.gains = np.zeros((len(actuators), len(INPUTS)))
        self._at_zero = self.neutral.copy()  # positions where all inputs are 0
        for row, actuator in enumerate(actuators):
            for name, (gain, offset) in actuator.inputs.items():
                self.gains[row, INPUTS.index(name)] = gain
                self._at_zero[row] += offset

    def targets(self, face: EasedFace) -> np.ndarray:
        """The positions for a face, (n,); they may lie outside of the limits."""
        values = np.concatenate((face.action_units, face.pose, face.gaze))
        return self._at_zero + self.gains @ values
