"""Small functions of rclpy that need no node."""

import sys
from typing import Any

from .arguments import parse
from .context import Context, get_default_context, try_shutdown
from .messages import deserialize, serialize
from .qos import QoSProfile

__all__ = ['deserialize_message', 'get_available_rmw_implementations', 'get_default_context',
           'get_rmw_implementation_identifier', 'ok', 'remove_ros_args', 'serialize_message',
           'shutdown', 'timeout_sec_to_nsec', 'try_shutdown', 'wait_for_message']


def remove_ros_args(args: list[str] | None = None) -> list[str]:
    """A command line without its ROS part; None: the process' own."""
    return parse(sys.argv if args is None else args).rest


def ok(*, context: Context | None = None) -> bool:
    """Whether a context was begun and has not ended."""
    return (get_default_context() if context is None else context).ok()


def shutdown(*, context: Context | None = None) -> None:
    """End a context; RCLError where it has ended already."""
    (get_default_context(shutting_down=True) if context is None else context).shutdown()


def get_rmw_implementation_identifier() -> str:
    """Name of the middleware whose wire format is spoken."""
    return 'rmw_cyclonedds_cpp'


def get_available_rmw_implementations() -> set[str]:
    """Names of the middlewares to choose from."""
    return {get_rmw_implementation_identifier()}


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Nanoseconds of a time limit; -1 for none."""
    return -1 if timeout_sec is None or timeout_sec < 0 else int(float(timeout_sec) * 1e9)


def serialize_message(message: Any) -> bytes:
    """Bytes of a message."""
    return serialize(message)


def deserialize_message(serialized_message: bytes, message_type: Any) -> Any:
    """The message of a type that bytes hold; ValueError where they do not."""
    return deserialize(serialized_message, message_type)


def wait_for_message(msg_type: Any, node: Any, topic: str, *, qos_profile: QoSProfile | int = 1,
                     time_to_wait: float | None = -1) -> tuple[bool, Any]:
    """Wait for one message of a topic with a node that nothing else spins.

    Args:
        msg_type: Class of the message.
        node: Subscribes.
        topic: Name of the topic.
        qos_profile: How to receive.
        time_to_wait: Seconds to wait at most; negative: without limit.

    Returns:
        Whether one came, and it.
    """
    from .spinning import spin_until_future_complete
    from .task import Future
    future = Future()
    subscription = node.create_subscription(msg_type, topic, future.set_result, qos_profile)
    try:
        spin_until_future_complete(
            node, future, timeout_sec=None if time_to_wait is None else time_to_wait)
    finally:
        node.destroy_subscription(subscription)
    return future.done(), future.result()
