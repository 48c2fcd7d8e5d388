"""QoS profiles by rclpy's names."""

from enum import Enum, IntEnum
from typing import Any

from .duration import Duration, Infinite


class QoSPolicyKind(IntEnum):
    """Which policy is meant."""

    INVALID = 1
    DURABILITY = 2
    DEADLINE = 4
    LIVELINESS = 8
    RELIABILITY = 16
    HISTORY = 32
    LIFESPAN = 64
    DEPTH = 128
    LIVELINESS_LEASE_DURATION = 256
    AVOID_ROS_NAMESPACE_CONVENTIONS = 512


def qos_policy_name_from_kind(policy_kind: QoSPolicyKind | int) -> str:
    """Name of a policy."""
    return QoSPolicyKind(policy_kind).name


class InvalidQoSProfileException(Exception):
    """A profile lacks something or contradicts itself."""

    def __init__(self, *args: Any) -> None:
        super().__init__('Invalid QoSProfile', *args)


class QoSPolicyEnum(IntEnum):
    """Base of the policies' values."""

    @classmethod
    def short_keys(cls) -> list[str]:
        """Names of the values as command lines and parameters write them."""
        return [value.short_key for value in cls if value.name != 'UNKNOWN']

    @classmethod
    def get_from_short_key(cls, name: str) -> 'QoSPolicyEnum':
        """The value of that short name; KeyError where there is none."""
        return cls[name.upper()]

    @property
    def short_key(self) -> str:
        """Name in small letters."""
        return self.name.lower()


class HistoryPolicy(QoSPolicyEnum):
    """How many messages are kept."""

    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class ReliabilityPolicy(QoSPolicyEnum):
    """Whether lost messages are sent again."""

    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3


class DurabilityPolicy(QoSPolicyEnum):
    """Whether those who come later get what was sent before."""

    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3


class LivelinessPolicy(QoSPolicyEnum):
    """How a publisher shows that it lives."""

    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4


QoSHistoryPolicy = HistoryPolicy
QoSReliabilityPolicy = ReliabilityPolicy
QoSDurabilityPolicy = DurabilityPolicy
QoSLivelinessPolicy = LivelinessPolicy

_UNSPECIFIED = Duration()
_DEFAULTS: dict[str, Any] = {
    'reliability': ReliabilityPolicy.RELIABLE,
    'durability': DurabilityPolicy.VOLATILE,
    'lifespan': _UNSPECIFIED,
    'deadline': _UNSPECIFIED,
    'liveliness': LivelinessPolicy.SYSTEM_DEFAULT,
    'liveliness_lease_duration': _UNSPECIFIED,
    'avoid_ros_namespace_conventions': False,
}
_TYPES: dict[str, Any] = {
    'history': HistoryPolicy, 'depth': int, 'reliability': ReliabilityPolicy,
    'durability': DurabilityPolicy, 'lifespan': Duration, 'deadline': Duration,
    'liveliness': LivelinessPolicy, 'liveliness_lease_duration': Duration,
    'avoid_ros_namespace_conventions': bool,
}


def _policy(name: str) -> Any:
    slot, wanted = f'_{name}', _TYPES[name]

    def getter(self: 'QoSProfile') -> Any:
        return getattr(self, slot)

    def setter(self: 'QoSProfile', value: Any) -> None:
        if issubclass(wanted, QoSPolicyEnum):
            value = wanted(value)
        assert isinstance(value, wanted), f'{name} must be a {wanted.__name__}, not {value!r}'
        setattr(self, slot, value)

    return property(getter, setter, doc=f'Policy {name} ({wanted.__name__}).')


class QoSProfile:
    """How messages of a topic are sent, kept and received."""

    __slots__ = tuple(f'_{name}' for name in _TYPES)

    def __init__(self, **kwargs: Any) -> None:
        """Make a profile; at least `history` or `depth` must be given.

        Raises:
            InvalidQoSProfileException: Neither is given, or no depth where the last are kept.
        """
        unknown = kwargs.keys() - _TYPES.keys()
        assert not unknown, f'Invalid arguments passed to constructor: {sorted(unknown)}'
        if 'history' not in kwargs:
            if 'depth' not in kwargs:
                raise InvalidQoSProfileException('history and/or depth settings are required')
            kwargs['history'] = HistoryPolicy.KEEP_LAST
        if kwargs['history'] == HistoryPolicy.KEEP_LAST and 'depth' not in kwargs:
            raise InvalidQoSProfileException('history set to KEEP_LAST without a depth setting')
        kwargs.setdefault('depth', 0)
        for name in _TYPES:
            setattr(self, name, kwargs[name] if name in kwargs else _DEFAULTS[name])

    history = _policy('history')
    depth = _policy('depth')
    reliability = _policy('reliability')
    durability = _policy('durability')
    lifespan = _policy('lifespan')
    deadline = _policy('deadline')
    liveliness = _policy('liveliness')
    liveliness_lease_duration = _policy('liveliness_lease_duration')
    avoid_ros_namespace_conventions = _policy('avoid_ros_namespace_conventions')

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QoSProfile) and all(
            getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f'QoSProfile({", ".join(f"{name}={getattr(self, name)}" for name in _TYPES)})'

    __repr__ = __str__


def _preset(history: str, depth: int, reliability: str, durability: str,
            liveliness: str = 'SYSTEM_DEFAULT') -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy[history], depth=depth, reliability=ReliabilityPolicy[reliability],
        durability=DurabilityPolicy[durability], liveliness=LivelinessPolicy[liveliness])


qos_profile_unknown = _preset('UNKNOWN', 0, 'UNKNOWN', 'UNKNOWN', 'UNKNOWN')
qos_profile_system_default = _preset('SYSTEM_DEFAULT', 0, 'SYSTEM_DEFAULT', 'SYSTEM_DEFAULT')
qos_profile_sensor_data = _preset('KEEP_LAST', 5, 'BEST_EFFORT', 'VOLATILE')
qos_profile_services_default = _preset('KEEP_LAST', 10, 'RELIABLE', 'VOLATILE')
qos_profile_parameters = _preset('KEEP_LAST', 1000, 'RELIABLE', 'VOLATILE')
qos_profile_parameter_events = _preset('KEEP_LAST', 1000, 'RELIABLE', 'VOLATILE')
qos_profile_action_status_default = _preset('KEEP_LAST', 1, 'RELIABLE', 'TRANSIENT_LOCAL')


class QoSPresetProfiles(Enum):
    """The profiles that ROS 2 names."""

    UNKNOWN = qos_profile_unknown
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default

    @classmethod
    def short_keys(cls) -> list[str]:
        """Names of the profiles as command lines write them."""
        return [name.lower() for name in cls.__members__ if name != 'UNKNOWN']

    @classmethod
    def get_from_short_key(cls, name: str) -> QoSProfile:
        """The profile of that short name; KeyError where there is none."""
        return cls[name.upper()].value


class QoSCompatibility(Enum):
    """Whether a publisher and a subscription understand each other."""

    OK = 0
    WARNING = 1
    ERROR = 2


def qos_check_compatible(publisher_qos: QoSProfile,
                         subscription_qos: QoSProfile) -> tuple[QoSCompatibility, str]:
    """Whether messages flow between endpoints of these profiles, and why not."""
    reasons = []
    if (publisher_qos.reliability, subscription_qos.reliability) == (
            ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE):
        reasons.append('Best effort publisher and reliable subscription')
    if (publisher_qos.durability, subscription_qos.durability) == (
            DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
        reasons.append('Volatile publisher and transient local subscription')
    wanted, offered = (profile.deadline if profile.deadline.nanoseconds else Infinite
                       for profile in (subscription_qos, publisher_qos))
    if offered > wanted:
        reasons.append("Publisher's deadline is longer than the subscription's")
    if (publisher_qos.liveliness, subscription_qos.liveliness) == (
            LivelinessPolicy.AUTOMATIC, LivelinessPolicy.MANUAL_BY_TOPIC):
        reasons.append("Publisher's liveliness is automatic and the subscription's is manual")
    if reasons:
        return QoSCompatibility.ERROR, ''.join(f'ERROR: {reason};' for reason in reasons)
    return QoSCompatibility.OK, ''
