"""Exceptions of rclpy, by rclpy's names."""

from typing import Any


class NotInitializedException(Exception):
    """rclpy is used before it is initialised."""

    def __init__(self, *args: Any) -> None:
        super().__init__('rclpy.init() has not been called', *args)


class RCLError(RuntimeError):
    """An operation failed below rclpy."""


class InvalidHandle(RuntimeError):
    """Something is used after it was destroyed."""


class RCLInvalidROSArgsError(RCLError):
    """The arguments after --ros-args cannot be understood."""


class UnknownROSArgsError(RCLError):
    """There are unknown arguments after --ros-args."""


class NodeNameNonExistentError(RCLError):
    """No node of that name is in the graph."""


class UnsupportedEventTypeError(RCLError):
    """The middleware does not know that event."""


class NoTypeSupportImportedException(Exception):
    """A class is no message type."""

    def __init__(self, *args: Any) -> None:
        super().__init__('no type_support imported', *args)


class NameValidationException(Exception):
    """A name is not valid in ROS."""

    def __init__(self, name_type: str, name: str, error_msg: str, invalid_index: int,
                 *args: Any) -> None:
        super().__init__(
            f"Invalid {name_type}: {error_msg}:\n  '{name}'\n   {' ' * invalid_index}^",
            name_type, name, error_msg, invalid_index, *args)

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidNamespaceException(NameValidationException):
    """A namespace is not valid."""

    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: Any) -> None:
        super().__init__('namespace', name, error_msg, invalid_index)


class InvalidNodeNameException(NameValidationException):
    """A node name is not valid."""

    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: Any) -> None:
        super().__init__('node name', name, error_msg, invalid_index)


class InvalidTopicNameException(NameValidationException):
    """A topic name is not valid."""

    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: Any) -> None:
        super().__init__('topic name', name, error_msg, invalid_index)


class InvalidServiceNameException(NameValidationException):
    """A service name is not valid."""

    def __init__(self, name: str, error_msg: str, invalid_index: int, *args: Any) -> None:
        super().__init__('service name', name, error_msg, invalid_index)


class ParameterException(Exception):
    """Base of everything that can go wrong with parameters."""

    def __init__(self, error_msg: str, parameters: Any, *args: Any) -> None:
        super().__init__(f'{error_msg}: {parameters}', parameters, *args)

    def __str__(self) -> str:
        return str(self.args[0])


class ParameterNotDeclaredException(ParameterException):
    """A parameter is used that was not declared."""

    def __init__(self, parameters: Any, *args: Any) -> None:
        super().__init__('Invalid access to undeclared parameter(s)', parameters, *args)


class ParameterAlreadyDeclaredException(ParameterException):
    """A parameter is declared a second time."""

    def __init__(self, parameters: Any, *args: Any) -> None:
        super().__init__('Parameter(s) already declared', parameters, *args)


class InvalidParameterException(ParameterException):
    """A parameter's name is not valid."""

    def __init__(self, parameter: Any, *args: Any) -> None:
        super().__init__('Invalid parameter name', parameter, *args)


class InvalidParameterTypeException(ParameterException):
    """A value's type is not the parameter's."""

    def __init__(self, desired_parameter: Any, expected_type: str, *args: Any) -> None:
        super().__init__(
            f"Trying to set parameter '{desired_parameter.name}' to '{desired_parameter.value}' "
            f"of type '{desired_parameter.type_.name}', expecting type '{expected_type}'",
            desired_parameter.name, *args)


class InvalidParameterValueException(ParameterException):
    """A parameter's value was refused."""

    def __init__(self, parameter: Any, value: Any, reason: str, *args: Any) -> None:
        super().__init__(f'Invalid parameter value ({value}) for parameter. Reason: {reason}',
                         parameter, *args)


class ParameterImmutableException(ParameterException):
    """A read-only parameter was to be changed."""

    def __init__(self, parameter: Any, *args: Any) -> None:
        super().__init__('Attempted to modify read-only parameter', parameter, *args)


class ParameterUninitializedException(ParameterException):
    """A parameter was declared without a value and none was set."""

    def __init__(self, parameter_name: str, *args: Any) -> None:
        super().__init__('The parameter is not initialized', parameter_name, *args)


class ROSInterruptException(Exception):
    """rclpy was shut down during the call."""

    def __init__(self, *args: Any) -> None:
        super().__init__('rclpy.shutdown() has been called', *args)


class TimeoutException(Exception):
    """A time limit was reached."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down, by a signal for example."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*(args or ('The context was shut down',)))


class ConditionReachedException(Exception):
    """A wait ended because its condition came true."""
