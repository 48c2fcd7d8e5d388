"""Nodes, and what holds for all nodes of a group."""

from launch._subset import subset

from .node import Node
from .scope import (
    PushROSNamespace,
    SetParameter,
    SetParametersFromFile,
    SetRemap,
)

PushRosNamespace = PushROSNamespace

__all__ = [
    'Node',
    'PushROSNamespace',
    'PushRosNamespace',
    'SetParameter',
    'SetParametersFromFile',
    'SetRemap',
]
__getattr__ = subset(__name__, __all__)
