"""QoS profiles in Cyclone DDS' terms, as ROS 2's own middleware for Cyclone DDS maps them."""

from cyclonedds.qos import Policy, Qos

from .duration import Duration, Infinite
from .qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
)

#: How long a write waits for a reliable reader that lags behind, before the message is given up.
MAX_BLOCKING_NS = 100_000_000

#: DDS' numbers of the policies that endpoints can disagree on.
POLICY_KINDS = {2: QoSPolicyKind.DURABILITY, 4: QoSPolicyKind.DEADLINE,
                8: QoSPolicyKind.LIVELINESS, 11: QoSPolicyKind.RELIABILITY,
                13: QoSPolicyKind.HISTORY, 10: QoSPolicyKind.LIFESPAN}


def _length(duration: Duration) -> int | None:
    """Nanoseconds of a policy, None where it is not restricted."""
    length = duration.nanoseconds
    return None if length in (0, Infinite.nanoseconds) else length


def to_dds(profile: QoSProfile, user_data: bytes, *, writer: bool) -> Qos:
    """The policies of a reader or writer."""
    keep_all = profile.history is HistoryPolicy.KEEP_ALL
    history = Policy.History.KeepAll if keep_all else Policy.History.KeepLast(
        max(1, profile.depth))
    policies = [
        Policy.Userdata(user_data),
        Policy.DataRepresentation(use_cdrv0_representation=True),
        history,
        (Policy.Reliability.BestEffort
         if profile.reliability is ReliabilityPolicy.BEST_EFFORT
         else Policy.Reliability.Reliable(max_blocking_time=MAX_BLOCKING_NS)),
    ]
    if profile.durability is DurabilityPolicy.TRANSIENT_LOCAL:
        policies += [
            Policy.Durability.TransientLocal,
            Policy.DurabilityService(
                cleanup_delay=0, history=history, max_samples=-1, max_instances=-1,
                max_samples_per_instance=-1),
        ]
    else:
        policies.append(Policy.Durability.Volatile)
    if (deadline := _length(profile.deadline)) is not None:
        policies.append(Policy.Deadline(deadline))
    lease = _length(profile.liveliness_lease_duration)
    lease = Infinite.nanoseconds if lease is None else lease
    policies.append(Policy.Liveliness.ManualByTopic(lease)
                    if profile.liveliness is LivelinessPolicy.MANUAL_BY_TOPIC
                    else Policy.Liveliness.Automatic(lease))
    if writer:
        if (lifespan := _length(profile.lifespan)) is not None:
            policies.append(Policy.Lifespan(lifespan))
        policies.append(Policy.WriterDataLifecycle(autodispose=False))
    return Qos(*policies)


def from_dds(qos: Qos) -> QoSProfile:
    """The profile of an endpoint as others see it; its history is not announced."""
    def span(policy: object, name: str) -> Duration:
        length = getattr(policy, name, None)
        return Infinite if length is None else Duration(
            nanoseconds=min(length, Infinite.nanoseconds))

    reliable = isinstance(qos[Policy.Reliability], Policy.Reliability.Reliable)
    volatile = qos[Policy.Durability] in (None, Policy.Durability.Volatile)
    liveliness = qos[Policy.Liveliness]
    manual = isinstance(liveliness, Policy.Liveliness.ManualByTopic)
    return QoSProfile(
        history=HistoryPolicy.UNKNOWN, depth=0,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE if volatile else DurabilityPolicy.TRANSIENT_LOCAL,
        deadline=span(qos[Policy.Deadline], 'deadline'),
        lifespan=span(qos[Policy.Lifespan], 'lifespan'),
        liveliness=(LivelinessPolicy.MANUAL_BY_TOPIC if manual else LivelinessPolicy.AUTOMATIC),
        liveliness_lease_duration=span(liveliness, 'lease_duration'))
