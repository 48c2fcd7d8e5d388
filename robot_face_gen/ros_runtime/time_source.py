"""Simulated time: `/clock`, for nodes with `use_sim_time`."""

import weakref
from typing import Any

from .clock import ROSClock
from .messages import message_class
from .parameter import Parameter
from .parameter_checks import result
from .qos import QoSProfile, ReliabilityPolicy
from .ros_time import ClockType, Time

CLOCK_TOPIC = '/clock'
USE_SIM_TIME_NAME = 'use_sim_time'


class TimeSource:
    """Drives a node's clocks by the topic `/clock` while its `use_sim_time` is true."""

    def __init__(self, *, node: Any = None) -> None:
        self._node: Any = None
        self._clocks: set[ROSClock] = set()
        self._subscription: Any = None
        self._last_ns = 0
        self._active = False
        if node is not None:
            self.attach_node(node)

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the time is simulated."""
        return self._active

    @ros_time_is_active.setter
    def ros_time_is_active(self, enabled: bool) -> None:
        if enabled == self._active:
            return
        self._active = enabled
        for clock in self._clocks:
            clock._set_ros_time_is_active(enabled)
        node = self._get_node()
        if node is None:
            return
        if enabled:
            self._subscription = node.create_subscription(
                message_class('rosgraph_msgs/msg/Clock'), CLOCK_TOPIC, self.clock_callback,
                QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
        elif self._subscription is not None:
            node.destroy_subscription(self._subscription)
            self._subscription = None

    def attach_node(self, node: Any) -> None:
        """Follow a node's `use_sim_time`, which is declared where it is not yet."""
        self._node = weakref.ref(node)
        if not node.has_parameter(USE_SIM_TIME_NAME):
            node.declare_parameter(USE_SIM_TIME_NAME, False)
        parameter = node.get_parameter(USE_SIM_TIME_NAME)
        if parameter.type_ is not Parameter.Type.BOOL:
            raise ValueError(f"Invalid type for parameter '{USE_SIM_TIME_NAME}' "
                             f'{parameter.type_}, expected BOOL')
        self.ros_time_is_active = parameter.value
        node.add_on_set_parameters_callback(self._on_parameters)

    def detach_node(self) -> None:
        """Follow the node no more."""
        self.ros_time_is_active = False
        self._node = None

    def attach_clock(self, clock: ROSClock) -> None:
        """Drive that clock too."""
        if not isinstance(clock, ROSClock):
            raise ValueError('Only clocks with type ROS_TIME can be attached.')
        clock.set_ros_time_override(
            Time(nanoseconds=self._last_ns, clock_type=ClockType.ROS_TIME))
        clock._set_ros_time_is_active(self._active)
        self._clocks.add(clock)

    def clock_callback(self, msg: Any) -> None:
        """Take over a time from the topic."""
        now = Time.from_msg(msg.clock)
        self._last_ns = now.nanoseconds
        for clock in self._clocks:
            clock.set_ros_time_override(now)

    def _on_parameters(self, parameter_list: list[Parameter]) -> Any:
        for parameter in parameter_list:
            if parameter.name == USE_SIM_TIME_NAME:
                if parameter.type_ is not Parameter.Type.BOOL:
                    return result(False, f'{USE_SIM_TIME_NAME} parameter set to something '
                                         'besides a bool')
                self.ros_time_is_active = parameter.value
        return result(True)

    def _get_node(self) -> Any:
        return None if self._node is None else self._node()
