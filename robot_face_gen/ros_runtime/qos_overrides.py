"""QoS that can be set through parameters, by rclpy's names."""

from collections.abc import Callable, Iterable
from typing import Any

from . import qos as qos_module
from .duration import Duration
from .exceptions import ParameterAlreadyDeclaredException
from .messages import message_class
from .qos import QoSPolicyKind, QoSProfile


class InvalidQosOverridesError(Exception):
    """The profile that came out of the parameters was refused."""


_ENUMS = {QoSPolicyKind.LIVELINESS: qos_module.LivelinessPolicy,
          QoSPolicyKind.RELIABILITY: qos_module.ReliabilityPolicy,
          QoSPolicyKind.HISTORY: qos_module.HistoryPolicy,
          QoSPolicyKind.DURABILITY: qos_module.DurabilityPolicy}
_DURATIONS = (QoSPolicyKind.LIFESPAN, QoSPolicyKind.DEADLINE,
              QoSPolicyKind.LIVELINESS_LEASE_DURATION)


class QoSOverridingOptions:
    """Which policies of an endpoint can be set through parameters."""

    def __init__(self, policy_kinds: Iterable[QoSPolicyKind], *,
                 callback: Callable[[QoSProfile], Any] | None = None,
                 entity_id: str | None = None) -> None:
        """Choose policies.

        Args:
            policy_kinds: The policies.
            callback: Checks the profile that comes out; answers with a SetParametersResult.
            entity_id: Tells apart endpoints of one node on one topic.
        """
        self._policy_kinds = policy_kinds
        self._callback = callback
        self._entity_id = entity_id

    @property
    def policy_kinds(self) -> Iterable[QoSPolicyKind]:
        """The policies."""
        return self._policy_kinds

    @property
    def callback(self) -> Callable[[QoSProfile], Any] | None:
        """What checks the profile."""
        return self._callback

    @property
    def entity_id(self) -> str | None:
        """What tells endpoints apart."""
        return self._entity_id

    @classmethod
    def with_default_policies(cls, *, callback: Callable[[QoSProfile], Any] | None = None,
                              entity_id: str | None = None) -> 'QoSOverridingOptions':
        """History, depth and reliability."""
        return cls((QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY),
                   callback=callback, entity_id=entity_id)


def declare_qos_parameters(kind: str, node: Any, topic: str, qos: QoSProfile,
                           options: QoSOverridingOptions) -> None:
    """Declare `qos_overrides.<topic>.<kind>.<policy>` and apply what they say to `qos`.

    Raises:
        InvalidQosOverridesError: The options' callback refused the profile.
        RuntimeError: A parameter names no value of its policy.
    """
    suffix = f'_{options.entity_id}' if options.entity_id else ''
    for policy in options.policy_kinds:
        if policy is QoSPolicyKind.LIFESPAN and kind == 'subscription':
            continue
        name = policy.name.lower()
        value = getattr(qos, name)
        if policy in _ENUMS:
            value = value.short_key
        elif policy in _DURATIONS:
            value = value.nanoseconds
        descriptor = message_class('rcl_interfaces/msg/ParameterDescriptor')(
            description=f'{name} for {kind} `{topic}`' + (
                f' with id `{options.entity_id}`' if options.entity_id else ''),
            read_only=True)
        full_name = f'qos_overrides.{topic}.{kind}{suffix}.{name}'
        try:
            chosen = node.declare_parameter(full_name, value, descriptor).value
        except ParameterAlreadyDeclaredException:
            chosen = node.get_parameter(full_name).value
        if policy in _ENUMS:
            try:
                chosen = _ENUMS[policy][chosen.upper()]
            except KeyError:
                keys = ', '.join(_ENUMS[policy].short_keys())
                raise RuntimeError(f'Unexpected QoS override: {full_name} is {chosen!r}, '
                                   f'expected one of {keys}') from None
        elif policy in _DURATIONS:
            chosen = Duration(nanoseconds=chosen)
        setattr(qos, name, chosen)
    if options.callback is not None:
        outcome = options.callback(qos)
        if not outcome.successful:
            raise InvalidQosOverridesError(
                f'QoS overrides for {kind} `{topic}` are not valid: {outcome.reason}')
