"""Which nodes and endpoints there are: telling others of ours, and seeing theirs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from cyclonedds.builtin import (
    BuiltinDataReader,
    BuiltinTopicDcpsParticipant,
    BuiltinTopicDcpsPublication,
    BuiltinTopicDcpsSubscription,
)
from cyclonedds.core import InstanceState

from .dds import Participant, Reader, Writer, delete
from .definitions import definitions, type_hash_entry
from .idl import message_idl
from .messages import deserialize, message_class, serialize
from .qos import DurabilityPolicy, QoSProfile
from .qos_dds import to_dds

_INFO = 'rmw_dds_common/msg/ParticipantEntitiesInfo'
_TOPIC = 'ros_discovery_info'


@dataclass
class NodeEntry:
    """A node and the gids (16 bytes) of its endpoints."""

    name: str
    namespace: str
    readers: list[bytes] = field(default_factory=list)
    writers: list[bytes] = field(default_factory=list)


class Announcer:
    """Tells other processes which nodes this one has, so that `ros2 node` shows them."""

    def __init__(self, participant: Participant) -> None:
        self._gid_type = message_class('rmw_dds_common/msg/Gid')
        self._gid_size = dict(definitions().fields('rmw_dds_common/msg/Gid'))['data'].size
        self._participant = participant
        self._nodes: list[NodeEntry] = []
        self._lock = RLock()
        self._held = 0
        profile = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        idl, user_data = message_idl(_INFO), type_hash_entry(_INFO).encode()
        self._writer = Writer(participant, _TOPIC, idl, to_dds(profile, user_data, writer=True))
        # Every process announces itself here, and the last word of each is wanted.
        profile.depth = 1000
        self.reader = Reader(participant, _TOPIC, idl, to_dds(profile, user_data, writer=False))

    def add(self, node: NodeEntry) -> None:
        """Tell of a node."""
        with self._lock:
            self._nodes.append(node)
            self.changed()

    def remove(self, node: NodeEntry) -> None:
        """Tell that a node is gone."""
        with self._lock:
            self._nodes.remove(node)
            self.changed()

    def hold(self) -> None:
        """Say nothing until `release`: a node that is being made changes often."""
        with self._lock:
            self._held += 1

    def release(self) -> None:
        """Say what is to be said."""
        with self._lock:
            self._held -= 1
            self.changed()

    def changed(self) -> None:
        """Tell how it is now."""
        with self._lock:
            if self._held:
                return
            node_type = message_class('rmw_dds_common/msg/NodeEntitiesInfo')
            message = message_class(_INFO)(
                gid=self._gid(self._participant.gid),
                node_entities_info_seq=[node_type(
                    node_namespace=node.namespace, node_name=node.name,
                    reader_gid_seq=[self._gid(gid) for gid in node.readers],
                    writer_gid_seq=[self._gid(gid) for gid in node.writers],
                ) for node in self._nodes])
            self._writer.write(serialize(message))

    def _gid(self, gid: bytes) -> Any:
        return self._gid_type(data=list(gid.ljust(self._gid_size, b'\0')))

    def close(self) -> None:
        """Leave the graph."""
        self._writer.close()
        self.reader.close()


@dataclass(frozen=True)
class Endpoint:
    """A reader or writer of some process.

    Attributes:
        gid: 16 bytes.
        participant: Gid of its process' participant.
        topic: DDS' name of the topic.
        type_name: DDS' name of the type.
        qos: Cyclone DDS' policies.
        is_writer: Whether it writes.
    """

    gid: bytes
    participant: bytes
    topic: str
    type_name: str
    qos: Any
    is_writer: bool


class Observer:
    """What is known of everybody's nodes and endpoints, brought up to date when asked."""

    def __init__(self, participant: Participant, announcer: Announcer) -> None:
        self._announcer = announcer
        self._lock = RLock()
        self._participants: set[bytes] = set()
        self._endpoints: dict[bytes, Endpoint] = {}
        self._nodes: dict[bytes, list[NodeEntry]] = {}
        self._readers: list[tuple[BuiltinDataReader, Callable[[Any], None]]] = [
            (BuiltinDataReader(participant.entity, topic), note) for topic, note in (
                (BuiltinTopicDcpsParticipant, self._note_participant),
                (BuiltinTopicDcpsPublication, lambda sample: self._note_endpoint(sample, True)),
                (BuiltinTopicDcpsSubscription, lambda sample: self._note_endpoint(sample, False)))]

    def _note_participant(self, sample: Any) -> None:
        if sample.sample_info.instance_state == InstanceState.Alive:
            self._participants.add(sample.key.bytes)
        else:
            self._participants.discard(sample.key.bytes)
            self._nodes.pop(sample.key.bytes, None)

    def _note_endpoint(self, sample: Any, is_writer: bool) -> None:
        gid = sample.key.bytes
        if sample.sample_info.instance_state != InstanceState.Alive:
            self._endpoints.pop(gid, None)
        elif sample.topic_name:
            self._endpoints[gid] = Endpoint(
                gid, sample.participant_key.bytes, sample.topic_name, sample.type_name,
                sample.qos, is_writer)

    def _update(self) -> None:
        for reader, note in self._readers:
            while samples := reader.take(N=100):
                for sample in samples:
                    note(sample)
        while taken := self._announcer.reader.take():
            try:
                info = deserialize(taken[0], message_class(_INFO))
            except ValueError:
                continue
            self._nodes[_plain(info.gid)] = [
                NodeEntry(node.node_name, node.node_namespace,
                          [_plain(gid) for gid in node.reader_gid_seq],
                          [_plain(gid) for gid in node.writer_gid_seq])
                for node in info.node_entities_info_seq]

    def nodes(self) -> list[NodeEntry]:
        """Every node that is announced by a process that lives."""
        with self._lock:
            self._update()
            return [node for gid, nodes in self._nodes.items() for node in nodes
                    if gid in self._participants]

    def endpoints(self) -> list[Endpoint]:
        """Every reader and writer."""
        with self._lock:
            self._update()
            return list(self._endpoints.values())

    def close(self) -> None:
        """Stop looking."""
        for reader, _ in self._readers:
            delete(reader)


def _plain(gid: Any) -> bytes:
    return bytes(gid.data[:16])
