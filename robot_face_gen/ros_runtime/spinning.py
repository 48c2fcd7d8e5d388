"""rclpy's own functions: begin, end, make a node, let it work."""

from typing import Any

from . import utilities
from .context import Context, get_default_context
from .executor import Executor
from .executors import SingleThreadedExecutor
from .signals import SignalHandlerOptions, install_signal_handlers, uninstall_signal_handlers
from .task import Future

_executor: Executor | None = None


def init(*, args: list[str] | None = None, context: Context | None = None,
         domain_id: int | None = None,
         signal_handler_options: SignalHandlerOptions | None = None) -> None:
    """Begin.

    Args:
        args: Command line; None: the process' own.
        context: What to begin; None: the default context.
        domain_id: Domain to join; None: as ROS_DOMAIN_ID says.
        signal_handler_options: Signals to handle; None: SIGINT and SIGTERM for the default
            context, none for another.

    Raises:
        RuntimeError: It was begun before.
        RCLInvalidROSArgsError: The command line's ROS part is malformed.
    """
    context = get_default_context() if context is None else context
    if signal_handler_options is None:
        signal_handler_options = (SignalHandlerOptions.ALL if context is get_default_context()
                                  else SignalHandlerOptions.NO)
    context.init(args, domain_id=domain_id)
    install_signal_handlers(signal_handler_options)


def get_global_executor() -> Executor:
    """The executor of those who name none."""
    global _executor
    if _executor is None or _executor.context is not get_default_context():
        _executor = SingleThreadedExecutor()
        _executor.context.on_shutdown(_forget_executor)
    return _executor


def _forget_executor() -> None:
    global _executor
    executor, _executor = _executor, None
    if executor is not None:
        executor.shutdown()


def shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """End.

    Args:
        context: What to end; None: the default context.
        uninstall_handlers: Whether to give the signals back; None: for the default context.

    Raises:
        RCLError: It has ended already.
    """
    is_default = context is None or context is get_default_context()
    utilities.shutdown(context=context)
    if uninstall_handlers or (uninstall_handlers is None and is_default):
        uninstall_signal_handlers()


def create_node(node_name: str, *, context: Context | None = None,
                cli_args: list[str] | None = None, namespace: str | None = None,
                use_global_arguments: bool = True, enable_rosout: bool = True,
                start_parameter_services: bool = True, parameter_overrides: Any = None,
                allow_undeclared_parameters: bool = False,
                automatically_declare_parameters_from_overrides: bool = False) -> Any:
    """Make a node; see `rclpy.node.Node` for the arguments."""
    from .node import Node
    return Node(
        node_name, context=context, cli_args=cli_args, namespace=namespace,
        use_global_arguments=use_global_arguments, enable_rosout=enable_rosout,
        start_parameter_services=start_parameter_services,
        parameter_overrides=parameter_overrides,
        allow_undeclared_parameters=allow_undeclared_parameters,
        automatically_declare_parameters_from_overrides=(
            automatically_declare_parameters_from_overrides))


def spin_once(node: Any, *, executor: Executor | None = None,
              timeout_sec: float | None = None) -> None:
    """Do one piece of work of a node, or wait that long for one (None: without limit)."""
    executor = get_global_executor() if executor is None else executor
    try:
        executor.add_node(node)
        executor.spin_once(timeout_sec=timeout_sec)
    finally:
        executor.remove_node(node)


def spin(node: Any, executor: Executor | None = None) -> None:
    """Let a node work until its context is shut down.

    Raises:
        ExternalShutdownException: It was shut down meanwhile, by SIGTERM for example.
    """
    executor = get_global_executor() if executor is None else executor
    try:
        executor.add_node(node)
        while executor.context.ok():
            executor.spin_once()
    finally:
        executor.remove_node(node)


def spin_until_future_complete(node: Any, future: Future, executor: Executor | None = None,
                               timeout_sec: float | None = None) -> None:
    """Let a node work until the future is done, or that long (None: without limit)."""
    executor = get_global_executor() if executor is None else executor
    added = False
    try:
        added = executor.add_node(node)
        executor.spin_until_future_complete(future, timeout_sec)
    finally:
        if added:
            executor.remove_node(node)
