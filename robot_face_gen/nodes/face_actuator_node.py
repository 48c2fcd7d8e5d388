# SPDX-License-Identifier: Apache-2.0
"""`face_actuator_node`: moves the motors of a face and neck as the reactions say."""

from __future__ import annotations

import secrets
import time

import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool

from robot_face_gen.face.actuation import Command, FaceActuation
from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.resources import share_folder
from robot_face_gen.timing import SECOND_NS
from robot_face_gen.topics import REACTION_TOPIC, STOP_TOPIC
from robot_face_gen_msgs.msg import FaceReaction

from .actuator_outputs import make_outputs
from .base_node import SIM_POLL_S, BaseNode, SubscriptionEventCallbacks
from .messages import to_reaction
from .tables import ACTUATOR, ActuatorParameters

JOINTS_STALL_S = 2.0


class FaceActuatorNode(BaseNode[ActuatorParameters]):
    """Callbacks hand over what came; one thread computes a command per period and publishes it."""

    def __init__(self) -> None:
        super().__init__(ACTUATOR)
        given = self.parameters
        path = given.actuators or share_folder() / 'config' / 'actuators.yaml'
        self._actuators = read_actuators(path)
        self._simulated = bool(self.get_parameter('use_sim_time').value)
        self._actuation = FaceActuation(
            self._actuators,
            rate_hz=given.rate_hz,
            timeout_s=given.timeout_s,
            ease_s=given.ease_s,
            seed=secrets.randbits(32),
            enabled=given.enabled,
            wait_for_joints=bool(given.joint_states),
        )
        self._outputs = make_outputs(self, self._actuators, self._actuation)
        if not self._outputs:
            self.get_logger().warning(f'{path}: no output is enabled: nothing will move')
        self.health.fact('actuators', path)
        self.health.fact('enabled', given.enabled)
        self._state = ''
        self._joints = np.full(len(self._actuators.names), np.nan)
        # Depth 1: after a pause, old reactions are of no use.
        self.subscribe(
            FaceReaction,
            REACTION_TOPIC[0],
            lambda message: self._actuation.react(to_reaction(message), self._now_s()),
            flow='reactions_in',
            stall_s=given.timeout_s,
            depth=1,
        )
        if given.joint_states:
            self.subscribe(
                JointState,
                given.joint_states,
                self._on_joints,
                flow='joint_states_in',
                stall_s=JOINTS_STALL_S,
                depth=1,
            )
        # Two subscriptions hear every publisher: the first those that are best effort or volatile,
        # the second also a stop that was published before this node started.
        for reliability, durability in (
            (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
            (ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
        ):
            self.create_subscription(
                Bool,
                STOP_TOPIC[0],
                self._on_stop,
                QoSProfile(depth=10, reliability=reliability, durability=durability),
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        self.create_service(SetBool, '~/enable', self._on_enable)
        self.start_worker(self._move, 'motion')

    def _now_s(self) -> float:
        """The clock of the motion: a system clock that is set has no effect on it."""
        return self.now_ns() / SECOND_NS if self._simulated else time.monotonic()

    def _move(self) -> None:
        """Compute and publish commands, never less than a period apart: a late one stays late."""
        while not self.stopping.is_set():
            if self._simulated and self.now_ns() == 0:  # simulated time has not started
                self.stopping.wait(SIM_POLL_S)
                continue
            begin_s = self._now_s()
            command = self._actuation.tick(begin_s)
            if command.is_published:
                stamp_ns = self.now_ns()
                for publish in self._outputs:
                    publish(command, stamp_ns)
            self._report(command)
            due_s = begin_s + self._actuation.period_s
            if self._simulated:
                self.sleep_until(round(due_s * SECOND_NS))
            else:
                self.stopping.wait(max(due_s - self._now_s(), 0.0))

    def _report(self, command: Command) -> None:
        self.health.set_counters(self._actuation.counters)
        if command.state != self._state:
            self._state = command.state
            self.health.fact('state', command.state)
            self.get_logger().info(f'state: {command.state}')

    def _on_joints(self, message: JointState) -> None:
        if not self._actuation.is_waiting:
            return
        names = self._actuators.names
        if len(message.position) != len(message.name):
            raise ValueError(
                f'position holds {len(message.position)} values: expected {len(message.name)}, '
                'one for each name'
            )
        for name, position in zip(message.name, message.position, strict=True):
            if name in names:
                self._joints[names.index(name)] = position
        unknown = [names[index] for index in np.flatnonzero(~np.isfinite(self._joints))]
        if unknown:
            self.health.fail('joints', f'no position of {", ".join(unknown)}')
            return
        self.health.mend('joints')
        self._actuation.measure(self._joints)
        self._joints = np.full(len(names), np.nan)

    def _on_stop(self, message: Bool) -> None:
        self._actuation.stop(message.data)
        if message.data:
            self.health.fail('stop', f'stopped by {self.resolve_topic_name(STOP_TOPIC[0])}')
        else:
            self.health.mend('stop')

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._actuation.enable(request.data)
        self.health.fact('enabled', request.data)
        response.success = True
        response.message = 'enabled' if request.data else 'disabled: brakes, then sends nothing'
        return response


PROGRAM = FaceActuatorNode, ACTUATOR
