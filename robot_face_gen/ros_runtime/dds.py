"""The few operations on Cyclone DDS that everything else is made of."""

import ctypes
from threading import Lock
from typing import Any

from cyclonedds.core import DDSException, Entity, InstanceState, SampleState, ViewState
from cyclonedds.core import ReadCondition as DdsReadCondition
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy, Qos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic

from .exceptions import RCLError

ANY = SampleState.Any | ViewState.Any | InstanceState.Any
INFINITE = 0x7FFFFFFFFFFFFFFF

_TIMEOUT = -10


# What a sample of one of the Python binding's types is to Cyclone DDS: serialised bytes.
class _Written(ctypes.Structure):
    _fields_ = (('data', ctypes.c_char_p), ('size', ctypes.c_size_t))


class _Taken(ctypes.Structure):
    _fields_ = (('data', ctypes.c_void_p), ('size', ctypes.c_size_t))


class SampleInfo(ctypes.Structure):
    """`dds_sample_info_t`: what DDS knows of a sample."""

    _fields_ = (
        ('sample_state', ctypes.c_uint32),
        ('view_state', ctypes.c_uint32),
        ('instance_state', ctypes.c_uint32),
        ('valid_data', ctypes.c_bool),
        ('source_timestamp', ctypes.c_int64),
        ('instance_handle', ctypes.c_uint64),
        ('publication_handle', ctypes.c_uint64),
        ('disposed_generation_count', ctypes.c_uint32),
        ('no_writers_generation_count', ctypes.c_uint32),
        ('sample_rank', ctypes.c_uint32),
        ('generation_rank', ctypes.c_uint32),
        ('absolute_generation_rank', ctypes.c_uint32),
    )


# Called through ctypes, a write that waits for a slow reader does not hold the interpreter up. And
# the binding's own take builds its answer in Python: a Ctrl-C that arrives in the middle of that
# raises there, and the binding goes on with a null pointer.
_dds_write = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(_Written))(
    ('dds_write', Entity._dll_handle))
_dds_take = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(SampleInfo),
    ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint32)(('dds_take_mask', Entity._dll_handle))
_dds_free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(('dds_free', Entity._dll_handle))


def delete(entity: Entity | None) -> None:
    """Delete an entity now, whoever still refers to it."""
    if entity is not None:
        entity.__del__()


class _Endpoint:
    """What readers and writers share.

    Attributes:
        entity: Cyclone DDS' reader or writer.
        gid: 16 bytes that tell it from every other in the domain.
        context: Context of the node that owns it.
        topic_name: ROS' name of the topic.
        logger_name: Name of the owning node's logger.
    """

    entity: Any
    context: Any = None
    topic_name = ''
    logger_name = 'rclpy'

    def __init__(self) -> None:
        self.gid: bytes = self.entity.get_guid().bytes
        self._closed = False
        self._watched = 0
        self.entity.set_status_mask(0)

    def watch(self, status: int) -> None:
        """Let a status of DDS end waits for this entity."""
        self._watched |= status
        self.entity.set_status_mask(self._watched)


class Writer(_Endpoint):
    """Writes serialised messages to a topic."""

    #: Called with the topic when a message was given up because the queue stayed full.
    on_full: Any = staticmethod(lambda topic: None)

    def __init__(self, participant: 'Participant', name: str, idl: type, qos: Qos) -> None:
        self.entity = DataWriter(participant.entity, participant.topic(name, idl), qos=qos)
        super().__init__()
        self.handle: int = self.entity.get_instance_handle()

    def write(self, data: bytes) -> bool:
        """Write one message: a CDR header and the fields.

        Returns:
            False where a reliable reader is so slow that the writer's queue stayed full.

        Raises:
            RCLError: The writer is closed, or the bytes are not of the topic's type.
        """
        if self._closed:
            raise RCLError('Failed to publish: the publisher is destroyed')
        data = data.ljust((len(data) + 3) & ~3, b'\0')
        code = _dds_write(self.entity._ref, _Written(data, len(data)))
        if code not in (0, _TIMEOUT):
            raise RCLError(f'Failed to publish: {DDSException(code)}')
        return code == 0

    def matched(self) -> int:
        """Number of readers that this writer reaches."""
        return 0 if self._closed else max(
            0, self.entity._get_matched_subscriptions(self.entity._ref, None, 0))

    def close(self) -> None:
        """Take the writer out of the graph."""
        if not self._closed:
            self._closed = True
            delete(self.entity)


class Reader(_Endpoint):
    """Takes serialised messages from a topic."""

    def __init__(self, participant: 'Participant', name: str, idl: type, qos: Qos) -> None:
        self.entity = DataReader(participant.entity, participant.topic(name, idl), qos=qos)
        super().__init__()
        #: Triggers a wait while there is something to take.
        self.condition = DdsReadCondition(self.entity, ANY)

    def take(self) -> tuple[bytes, SampleInfo] | None:
        """The oldest message and what DDS knows of it; None where there is none."""
        while not self._closed:
            sample, info = _Taken(), SampleInfo()
            place = ctypes.c_void_p(ctypes.addressof(sample))
            if _dds_take(self.entity._ref, place, info, 1, 1, ANY) <= 0:
                return None
            try:
                if info.valid_data:
                    return ctypes.string_at(sample.data, sample.size), info
                # Only tells that a writer went away.
            finally:
                _dds_free(sample.data)
        return None

    def matched(self) -> int:
        """Number of writers that reach this reader."""
        return 0 if self._closed else max(
            0, self.entity._get_matched_publications(self.entity._ref, None, 0))

    def close(self) -> None:
        """Take the reader out of the graph."""
        if not self._closed:
            self._closed = True
            delete(self.condition)
            delete(self.entity)


class Participant:
    """This process in one domain; entities of a context share one."""

    _domains: dict[int, list[Any]] = {}  # noqa: RUF012 (one for the process, see _open_domain)
    _lock = Lock()

    def __init__(self, domain_id: int, config: str, enclave: str) -> None:
        """Join a domain.

        Raises:
            RCLError: DDS refuses, for example because no port is free for a further process.
        """
        self.domain_id = domain_id
        self._topics: dict[tuple[str, type], Topic] = {}
        self._open_domain(config)
        try:
            self.entity = DomainParticipant(
                domain_id, qos=Qos(Policy.Userdata(f'enclave={enclave};'.encode())))
        except DDSException as error:
            self._close_domain()
            raise RCLError(f'cannot join domain {domain_id}: {error}') from error
        self.gid = self.entity.get_guid().bytes

    def _open_domain(self, config: str) -> None:
        # DDS takes a configuration for each domain once in a process.
        with self._lock:
            entry = self._domains.setdefault(self.domain_id, [None, 0])
            if not entry[1] and config:
                try:
                    entry[0] = Domain(self.domain_id, config)
                except DDSException as error:
                    raise RCLError(
                        f'cannot open domain {self.domain_id}: {error}; configuration: {config}'
                    ) from error
            entry[1] += 1

    def _close_domain(self) -> None:
        with self._lock:
            entry = self._domains[self.domain_id]
            entry[1] -= 1
            if not entry[1]:
                delete(self._domains.pop(self.domain_id)[0])

    def topic(self, name: str, idl: type) -> Topic:
        """The DDS topic of that name and type."""
        key = name, idl
        if key not in self._topics:
            self._topics[key] = Topic(self.entity, name, idl)
        return self._topics[key]

    def close(self) -> None:
        """Leave the domain; closes what is left in it."""
        self._topics.clear()
        delete(self.entity)
        self._close_domain()
