"""Services and clients by rclpy's names, in the form of ROS 2's middleware for Cyclone DDS.

There every request begins with the caller's id and the number of the call; the reply repeats both.
"""

import itertools
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cyclonedds.qos import Policy, Qos

from .dds import Participant, Reader, Writer
from .definitions import type_hash_entry
from .exceptions import RCLError
from .idl import service_idl
from .messages import deserialize, serialize
from .names import dds_reply, dds_request
from .qos import QoSProfile
from .qos_dds import to_dds
from .task import Future

_HEADER = struct.Struct('<Qq')
_CDR = b'\0\1\0\0'
#: How long to wait for a caller whose answer could not reach it yet.
_CALLER_WAIT_S = 0.1


@dataclass(frozen=True)
class RequestHeader:
    """Who called, and the number of the call."""

    guid: int
    sequence_number: int
    publication_handle: int


def _pack(guid: int, number: int, message: Any) -> bytes:
    return _CDR + _HEADER.pack(guid, number) + serialize(message)[4:]


def _unpack(data: bytes, cls: Any) -> tuple[int, int, Any]:
    if len(data) < 4 + _HEADER.size or data[:2] != _CDR[:2]:
        raise ValueError(f'not a call of {cls.__ros_type__}: {len(data)} bytes')
    guid, number = _HEADER.unpack_from(data, 4)
    return guid, number, deserialize(data[:4] + data[4 + _HEADER.size:], cls)


class ServiceChannel:
    """The reader and writer of a service's server or client."""

    def __init__(self, participant: Participant, srv_type: Any, name: str, qos: QoSProfile, *,
                 server: bool) -> None:
        self.topic_name = name
        role = 'serviceid' if server else 'clientid'
        own_id = f'{participant.gid.hex(".")}.{id(self):x}'
        request = dds_request(name), f'{srv_type.__ros_type__}_Request'
        reply = dds_reply(name), f'{srv_type.__ros_type__}_Response'
        incoming, outgoing = (request, reply) if server else (reply, request)

        def policies(type_name: str, *, writer: bool) -> Qos:
            # The id tells which reader and writer belong together.
            user_data = f'{role}={own_id};{type_hash_entry(type_name)}'
            return to_dds(qos, user_data.encode(), writer=writer)

        self.writer = Writer(participant, outgoing[0], service_idl(outgoing[1]),
                             policies(outgoing[1], writer=True))
        self.reader = Reader(participant, incoming[0], service_idl(incoming[1]),
                             policies(incoming[1], writer=False))

    def close(self) -> None:
        """Leave the graph."""
        self.reader.close()
        self.writer.close()


class Service:
    """Answers calls."""

    def __init__(self, service_impl: ServiceChannel, srv_type: Any, srv_name: str,
                 callback: Callable[[Any, Any], Any], callback_group: Any,
                 qos_profile: QoSProfile) -> None:
        self._impl = service_impl
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.callback = callback
        self.callback_group = callback_group
        self.qos_profile = qos_profile
        self._reachable: set[int] = set()

    def _handles(self) -> list[int]:
        return [] if self._impl.reader._closed else [self._impl.reader.condition._ref]

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.reader.take()
        if taken is None:
            return None
        try:
            guid, number, request = _unpack(taken[0], self.srv_type.Request)
        except ValueError:
            # Another middleware's call: without the header there is nobody to answer to.
            return None
        header = RequestHeader(guid, number, taken[1].publication_handle)

        def work() -> Any:
            response = self.callback(request, self.srv_type.Response())
            if hasattr(response, '__await__'):
                return self._answer_later(response, header)
            self.send_response(response, header)
            return None
        return work

    async def _answer_later(self, response: Any, header: RequestHeader) -> None:
        self.send_response(await response, header)

    def send_response(self, response: Any, header: RequestHeader) -> None:
        """Send the answer to a call; TypeError where it is of another type."""
        if not isinstance(response, self.srv_type.Response):
            raise TypeError(f'service {self.srv_name}: the callback returned {response!r}, '
                            f'expected a {self.srv_type.__name__}.Response')
        self._await_reader(header.publication_handle)
        self._impl.writer.write(_pack(header.guid, header.sequence_number, response))

    def _await_reader(self, caller: int) -> None:
        """Wait until the caller's reader is known: its writer may have been found before it."""
        if caller in self._reachable:
            return
        limit = time.monotonic() + _CALLER_WAIT_S
        while time.monotonic() < limit:
            data = self._impl.reader.entity.get_matched_publication_data(caller)
            if data is None or any(
                    other is not None and other.participant_key == data.participant_key
                    for other in map(self._impl.writer.entity.get_matched_subscription_data,
                                     self._impl.writer.entity.get_matched_subscriptions())):
                self._reachable.add(caller)
                return
            time.sleep(0.002)

    @property
    def handle(self) -> ServiceChannel:
        """What lies below."""
        return self._impl

    @property
    def service_name(self) -> str:
        """Resolved name of the service."""
        return self._impl.topic_name

    def destroy(self) -> None:
        """Leave the graph."""
        self._impl.close()


class Client:
    """Calls a service of a node of this runtime, or of one that uses Cyclone DDS as well."""

    def __init__(self, context: Any, client_impl: ServiceChannel, srv_type: Any, srv_name: str,
                 qos_profile: QoSProfile, callback_group: Any) -> None:
        self.context = context
        self._impl = client_impl
        self.srv_type = srv_type
        self.srv_name = srv_name
        self.qos_profile = qos_profile
        self.callback_group = callback_group
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future] = {}
        self._lock = threading.Lock()
        self._guid = client_impl.writer.handle & (2 ** 64 - 1)
        self._executor: Callable[[], Any] = lambda: None

    def _handles(self) -> list[int]:
        return [] if self._impl.reader._closed else [self._impl.reader.condition._ref]

    def _take(self) -> Callable[[], Any] | None:
        taken = self._impl.reader.take()
        if taken is None:
            return None
        guid, number, response = _unpack(taken[0], self.srv_type.Response)
        if guid != self._guid:
            # The answer to another client of the same service.
            return None
        with self._lock:
            future = self._pending.pop(number, None)
        return None if future is None else (lambda: future.set_result(response))

    def call(self, request: Any) -> Any:
        """Call and wait for the answer; another thread has to spin the node meanwhile."""
        done = threading.Event()
        future = self.call_async(request)
        future.add_done_callback(lambda _: done.set())
        while not done.wait(0.5):
            if not self.context.ok():
                raise RCLError('the context was shut down during a call')
        return future.result()

    def call_async(self, request: Any) -> Future:
        """Call; the future gets the answer.

        Raises:
            TypeError: The request is of another type.
            RCLError: The service belongs to a node with another middleware, which must not be
                sent calls of this form.
        """
        if not isinstance(request, self.srv_type.Request):
            raise TypeError(f'expected a {self.srv_type.__name__}.Request, got {type(request)}')
        servers = self._servers()
        if not all(servers):
            raise RCLError(f'service {self.srv_name} is offered by a node whose middleware is not '
                           'Cyclone DDS: it cannot be called from here')
        number = next(self._numbers)
        future = Future(executor=self._executor())
        with self._lock:
            self._pending[number] = future
        future.add_done_callback(self.remove_pending_request)
        self._impl.writer.write(_pack(self._guid, number, request))
        return future

    def _servers(self) -> list[bool]:
        """For each server found, whether it understands calls of this form."""
        writer = self._impl.writer.entity
        found = map(writer.get_matched_subscription_data, writer.get_matched_subscriptions())
        return [b'serviceid=' in getattr(data.qos[Policy.Userdata], 'data', b'')
                for data in found if data is not None]

    def get_pending_request(self, sequence_number: int) -> Future:
        """Future of a call that has no answer yet; KeyError where there is none."""
        return self._pending[sequence_number]

    def remove_pending_request(self, future: Future) -> None:
        """Wait for a call's answer no more."""
        with self._lock:
            for number, pending in list(self._pending.items()):
                if pending is future:
                    del self._pending[number]

    def service_is_ready(self) -> bool:
        """Whether a server is there and can answer."""
        servers = self._servers()
        return bool(servers) and all(servers) and self._impl.reader.matched() > 0

    def wait_for_service(self, timeout_sec: float | None = None) -> bool:
        """Wait until a server is there, for at most that long; whether it is."""
        limit = None if timeout_sec is None else time.monotonic() + timeout_sec
        while self.context.ok() and not self.service_is_ready():
            if limit is not None and time.monotonic() >= limit:
                return False
            time.sleep(0.02)
        return self.service_is_ready()

    @property
    def handle(self) -> ServiceChannel:
        """What lies below."""
        return self._impl

    @property
    def service_name(self) -> str:
        """Resolved name of the service."""
        return self._impl.topic_name

    def destroy(self) -> None:
        """Leave the graph."""
        self._impl.close()
