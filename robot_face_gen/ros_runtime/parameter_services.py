"""The services through which others see and set a node's parameters."""

import weakref
from typing import Any

from .exceptions import ParameterNotDeclaredException, ParameterUninitializedException
from .messages import service_class
from .parameter import PARAMETER_SEPARATOR_STRING, Parameter
from .parameter_checks import result
from .qos import qos_profile_parameters


class ParameterService:
    """Answers `ros2 param` and whoever else asks."""

    def __init__(self, node: Any) -> None:
        """Offer the services of a node: `<node>/get_parameters` and so on."""
        self._node = weakref.ref(node)
        for name, type_name, answer in (
                ('describe_parameters', 'DescribeParameters', self._describe),
                ('get_parameters', 'GetParameters', self._get),
                ('get_parameter_types', 'GetParameterTypes', self._get_types),
                ('list_parameters', 'ListParameters', self._list),
                ('set_parameters', 'SetParameters', self._set),
                ('set_parameters_atomically', 'SetParametersAtomically', self._set_all)):
            node.create_service(service_class(f'rcl_interfaces/srv/{type_name}'),
                                f'~/{name}', answer, qos_profile=qos_profile_parameters)

    def _get_node(self) -> Any:
        node = self._node()
        if node is None:
            raise ReferenceError('the node is gone')
        return node

    def _describe(self, request: Any, response: Any) -> Any:
        try:
            response.descriptors = self._get_node().describe_parameters(request.names)
        except ParameterNotDeclaredException:
            # An empty answer is how ROS says that there is no such parameter.
            response.descriptors = []
        return response

    def _get(self, request: Any, response: Any) -> Any:
        try:
            response.values = [parameter.get_parameter_value() for parameter
                               in self._get_node().get_parameters(request.names)]
        except (ParameterNotDeclaredException, ParameterUninitializedException):
            response.values = []
        return response

    def _get_types(self, request: Any, response: Any) -> Any:
        try:
            types = self._get_node().get_parameter_types(request.names)
            response.types = [0 if kind is Parameter.Type.NOT_SET else kind for kind in types]
        except ParameterNotDeclaredException:
            response.types = []
        return response

    def _list(self, request: Any, response: Any) -> Any:
        names, prefixes = [], []
        for name in self._get_node()._parameters:
            above, _, _ = name.rpartition(PARAMETER_SEPARATOR_STRING)
            if request.depth and name.count(PARAMETER_SEPARATOR_STRING) >= request.depth:
                continue
            if request.prefixes and not any(
                    name == prefix or name.startswith(f'{prefix}{PARAMETER_SEPARATOR_STRING}')
                    for prefix in request.prefixes):
                continue
            names.append(name)
            if above and above not in prefixes:
                prefixes.append(above)
        response.result.names, response.result.prefixes = names, prefixes
        return response

    def _set(self, request: Any, response: Any) -> Any:
        response.results = [self._try([message]) for message in request.parameters]
        return response

    def _set_all(self, request: Any, response: Any) -> Any:
        response.result = self._try(request.parameters)
        return response

    def _try(self, messages: list[Any]) -> Any:
        try:
            return self._get_node().set_parameters_atomically(
                [Parameter.from_parameter_msg(message) for message in messages])
        except (ParameterNotDeclaredException, KeyError, ValueError) as error:
            return result(False, str(error))
