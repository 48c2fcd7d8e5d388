"""A node's parameters: declared, described, checked and set as rclpy does it."""

import copy
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from .exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from .messages import message_class
from .parameter import Parameter, validate_parameter_name
from .parameter_checks import REL_TOL, WRONG_TYPE, problem_of, result


class ParametersMixin:
    """The part of a node that has to do with parameters."""

    PARAM_REL_TOL = REL_TOL

    def _init_parameters(self, overrides: dict[str, Parameter], allow_undeclared: bool,
                         publish_event: Callable[[Any], None]) -> None:
        self._parameter_overrides = overrides
        self._allow_undeclared_parameters = allow_undeclared
        self._publish_parameter_event = publish_event
        self._parameters: dict[str, Parameter] = {}
        self._descriptors: dict[str, Any] = {}
        self._parameters_callbacks: list[Callable[[list[Parameter]], Any]] = []
        self._post_set_callbacks: list[Callable[[list[Parameter]], None]] = []

    def declare_parameter(self, name: str, value: Any = None, descriptor: Any = None,
                          ignore_override: bool = False) -> Parameter:
        """Declare a parameter.

        Args:
            name: Its name.
            value: Its default, or a Parameter.Type for one that has to be set from outside.
            descriptor: rcl_interfaces/msg/ParameterDescriptor: text, range, read-only.
            ignore_override: Whether to leave out of account what was set from outside.

        Returns:
            The parameter with the value that it has now.

        Raises:
            ParameterAlreadyDeclaredException: It was declared before.
            InvalidParameterException: Its name is not valid.
            InvalidParameterTypeException: The value set from outside is of another type.
            InvalidParameterValueException: A value is out of range, or a callback refused it.
        """
        if value is None and descriptor is None:
            return self.declare_parameters('', [(name,)], ignore_override)[0]
        if descriptor is None:
            descriptor = message_class('rcl_interfaces/msg/ParameterDescriptor')()
        return self.declare_parameters('', [(name, value, descriptor)], ignore_override)[0]

    def declare_parameters(self, namespace: str, parameters: list[Any],
                           ignore_override: bool = False) -> list[Parameter]:
        """Declare several parameters: (name,), (name, value or type) or (name, value, descriptor).

        Raises:
            TypeError: A tuple is not of this form; see `declare_parameter` for the rest.
        """
        wanted: list[tuple[str, Any, Any]] = []
        for index, entry in enumerate(parameters):
            name, value, descriptor = self._read_declaration(index, entry)
            full_name = f'{namespace}.{name}' if namespace else name
            if not ignore_override and full_name in self._parameter_overrides:
                value = self._override_value(full_name, descriptor)
            validate_parameter_name(full_name)
            wanted.append((full_name, value, descriptor))
        declared = [name for name, _, _ in wanted if name in self._parameters]
        if declared:
            raise ParameterAlreadyDeclaredException(declared)
        for name, value, descriptor in wanted:
            if hasattr(value, 'bool_array_value'):
                parameter = Parameter.from_parameter_msg(
                    message_class('rcl_interfaces/msg/Parameter')(name=name, value=value))
            else:
                parameter = Parameter(name, value=value)
            outcome = self._set_atomically([parameter], {name: descriptor}, keep_unset=True)
            if not outcome.successful:
                if outcome.reason.startswith(WRONG_TYPE):
                    raise InvalidParameterTypeException(
                        parameter, Parameter.Type(descriptor.type).name)
                raise InvalidParameterValueException(name, parameter.value, outcome.reason)
        return [self._parameters[name] for name, _, _ in wanted]

    def _override_value(self, name: str, descriptor: Any) -> Any:
        value = self._parameter_overrides[name].value
        # An empty list has no type of its own: it takes the declared one.
        if isinstance(value, list) and not value and not descriptor.dynamic_typing and (
                descriptor.type >= Parameter.Type.BYTE_ARRAY.value):
            return message_class('rcl_interfaces/msg/ParameterValue')(type=descriptor.type)
        return value

    @staticmethod
    def _read_declaration(index: int, entry: Any) -> tuple[str, Any, Any]:
        descriptor_type = message_class('rcl_interfaces/msg/ParameterDescriptor')
        if not 1 <= len(entry) <= 3:
            raise TypeError(f'Invalid parameter tuple length at index {index} in parameters '
                            f'list: {entry}; expecting length between 1 and 3')
        name = entry[0]
        second = entry[1] if len(entry) > 1 else None
        descriptor = entry[2] if len(entry) > 2 else descriptor_type()
        if not isinstance(name, str):
            raise TypeError(f'First element {name} at index {index} in parameters list is not '
                            'a str.')
        if not isinstance(descriptor, descriptor_type):
            raise TypeError(f'Third element {descriptor} at index {index} in parameters list is '
                            'not a ParameterDescriptor.')
        if len(entry) == 1:
            warnings.warn(f"declaring parameter '{name}' only by its name is deprecated: give a "
                          'value, a type, or a descriptor with dynamic_typing=True', stacklevel=4)
            descriptor.dynamic_typing = True
        if isinstance(second, Parameter.Type):
            if second is Parameter.Type.NOT_SET:
                raise ValueError(f'Cannot declare parameter {{{name}}} as statically typed of '
                                 'type NOT_SET')
            if descriptor.dynamic_typing:
                raise ValueError(f'Parameter {{{name}}} is declared with a type and with '
                                 'dynamic_typing=True')
            descriptor.type = second.value
            return name, None, descriptor
        if second is not None and not descriptor.dynamic_typing:
            descriptor.type = (second.type if hasattr(second, 'bool_array_value')
                               else Parameter.Type.from_parameter_value(second).value)
        return name, second, descriptor

    def undeclare_parameter(self, name: str) -> None:
        """Forget a parameter.

        Raises:
            ParameterNotDeclaredException: It was not declared.
            ParameterImmutableException: It is read-only.
        """
        if name not in self._parameters:
            raise ParameterNotDeclaredException(name)
        if self._descriptors[name].read_only:
            raise ParameterImmutableException(name)
        del self._parameters[name], self._descriptors[name]

    def has_parameter(self, name: str) -> bool:
        """Whether a parameter is declared."""
        return name in self._parameters

    def get_parameter_types(self, names: list[str]) -> list[Any]:
        """Types of parameters; see `get_parameter_type`."""
        _check_names(names)
        return [self.get_parameter_type(name) for name in names]

    def get_parameter_type(self, name: str) -> Any:
        """Number of a parameter's type; ParameterNotDeclaredException where it is not declared."""
        if name in self._parameters:
            return self._parameters[name].type_.value
        if self._allow_undeclared_parameters:
            return Parameter.Type.NOT_SET
        raise ParameterNotDeclaredException(name)

    def get_parameters(self, names: list[str]) -> list[Parameter]:
        """Several parameters; see `get_parameter`."""
        _check_names(names)
        return [self.get_parameter(name) for name in names]

    def get_parameter(self, name: str) -> Parameter:
        """A parameter.

        Raises:
            ParameterNotDeclaredException: It is not declared.
            ParameterUninitializedException: It was declared with a type and never set.
        """
        if name in self._parameters:
            parameter = self._parameters[name]
            if parameter.type_ is not Parameter.Type.NOT_SET or (
                    self._descriptors[name].dynamic_typing):
                return parameter
            raise ParameterUninitializedException(name)
        if self._allow_undeclared_parameters:
            return Parameter(name, Parameter.Type.NOT_SET, None)
        raise ParameterNotDeclaredException(name)

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """A parameter, or the alternative where it is not declared."""
        if alternative_value is None:
            alternative_value = Parameter(name, Parameter.Type.NOT_SET)
        return self._parameters.get(name, alternative_value)

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """The parameters below a prefix, by what follows it."""
        start = f'{prefix}.' if prefix else ''
        return {name[len(start):]: parameter for name, parameter in self._parameters.items()
                if name.startswith(start)}

    def set_parameters(self, parameter_list: list[Parameter]) -> list[Any]:
        """Set parameters one after the other; a result for each.

        Raises:
            ParameterNotDeclaredException: One is not declared; those before it stay set.
        """
        outcomes = []
        for parameter in parameter_list:
            self._check_declared([parameter])
            outcomes.append(self._set_atomically([parameter]))
        return outcomes

    def set_parameters_atomically(self, parameter_list: list[Parameter]) -> Any:
        """Set all of the parameters or none; ParameterNotDeclaredException as above."""
        self._check_declared(parameter_list)
        return self._set_atomically(parameter_list)

    def _check_declared(self, parameter_list: Iterable[Parameter]) -> None:
        for parameter in parameter_list:
            if not isinstance(parameter, Parameter):
                raise TypeError(f"parameter must be instance of type '{Parameter!r}'")
        if self._allow_undeclared_parameters:
            return
        undeclared = [parameter.name for parameter in parameter_list
                      if parameter.name not in self._parameters]
        if undeclared:
            raise ParameterNotDeclaredException(undeclared)

    def _set_atomically(self, parameters: list[Parameter],
                        new_descriptors: dict[str, Any] | None = None, *,
                        keep_unset: bool = False) -> Any:
        descriptors = self._descriptors if new_descriptors is None else new_descriptors
        for parameter in parameters:
            if parameter.name in descriptors:
                problem = problem_of(parameter, descriptors[parameter.name],
                                     is_declared=parameter.name in self._parameters,
                                     check_read_only=new_descriptors is None)
                if problem:
                    return result(False, problem)
        for callback in self._parameters_callbacks:
            outcome = callback(parameters)
            if not outcome.successful:
                return outcome
        event = message_class('rcl_interfaces/msg/ParameterEvent')()
        for parameter in parameters:
            name = parameter.name
            if parameter.type_ is Parameter.Type.NOT_SET and not keep_unset:
                event.deleted_parameters.append(parameter.to_parameter_msg())
                self._parameters.pop(name, None)
                self._descriptors.pop(name, None)
                continue
            if new_descriptors is not None:
                # A copy: the caller may use one descriptor for several parameters.
                self._descriptors[name] = copy.deepcopy(new_descriptors[name])
            elif name not in self._descriptors:
                self._descriptors[name] = message_class(
                    'rcl_interfaces/msg/ParameterDescriptor')(
                        name=name, type=parameter.type_.value, dynamic_typing=True)
            had_value = self.get_parameter_or(name).type_ is not Parameter.Type.NOT_SET
            changes = event.changed_parameters if had_value else event.new_parameters
            changes.append(parameter.to_parameter_msg())
            self._parameters[name] = parameter
        self._publish_parameter_event(event)
        for post_callback in self._post_set_callbacks:
            post_callback(parameters)
        return result(True)

    def add_on_set_parameters_callback(self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Ask this before parameters are set; it answers with a SetParametersResult."""
        self._parameters_callbacks.insert(0, callback)

    def remove_on_set_parameters_callback(
            self, callback: Callable[[list[Parameter]], Any]) -> None:
        """Ask it no more; ValueError where it was not asked."""
        self._parameters_callbacks.remove(callback)

    def add_post_set_parameters_callback(
            self, callback: Callable[[list[Parameter]], None]) -> None:
        """Call this after parameters were set (not in humble's rclpy)."""
        self._post_set_callbacks.insert(0, callback)

    def remove_post_set_parameters_callback(
            self, callback: Callable[[list[Parameter]], None]) -> None:
        """Call it no more; ValueError where it was not called."""
        self._post_set_callbacks.remove(callback)

    def describe_parameter(self, name: str) -> Any:
        """Descriptor of a parameter; ParameterNotDeclaredException where it is not declared."""
        if name in self._descriptors:
            return self._descriptors[name]
        if self._allow_undeclared_parameters:
            return message_class('rcl_interfaces/msg/ParameterDescriptor')()
        raise ParameterNotDeclaredException(name)

    def describe_parameters(self, names: list[str]) -> list[Any]:
        """Descriptors of several parameters."""
        return [self.describe_parameter(name) for name in names]

    def set_descriptor(self, name: str, descriptor: Any, alternative_value: Any = None) -> Any:
        """Describe a parameter anew.

        Args:
            name: The parameter.
            descriptor: Its new descriptor.
            alternative_value: ParameterValue to take where the value does not fit the descriptor.

        Returns:
            The ParameterValue that it has now.

        Raises:
            ParameterNotDeclaredException: It is not declared.
            ParameterImmutableException: It is read-only.
            InvalidParameterValueException: Neither value fits.
        """
        if name not in self._parameters:
            return self.get_parameter(name).get_parameter_value()
        if self._descriptors[name].read_only:
            raise ParameterImmutableException(name)
        candidates = [self.get_parameter(name)]
        if alternative_value is not None:
            candidates.append(Parameter.from_parameter_msg(message_class(
                'rcl_interfaces/msg/Parameter')(name=name, value=alternative_value)))
        for parameter in candidates:
            problem = problem_of(parameter, descriptor, is_declared=True, check_read_only=False)
            if not problem:
                self._parameters[name] = parameter
                self._descriptors[name] = descriptor
                return parameter.get_parameter_value()
        raise InvalidParameterValueException(name, candidates[-1].value, problem)


def _check_names(names: list[str]) -> None:
    if not all(isinstance(name, str) for name in names):
        raise TypeError('All names must be instances of type str')
