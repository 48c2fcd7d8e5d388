# SPDX-License-Identifier: Apache-2.0
"""Optional dependencies: import a module of an extra, or name the pip command that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

# extra -> what it is needed for, as it reads after 'is needed for'.
PURPOSES = {
    'training': 'training, evaluation and generated data',
    'bags': 'reading ROS 2 bags',
    'onnx': 'ONNX export and the ONNX backends',
    'camera': 'tracking a face in camera images',
    'ros': 'the ROS 2 nodes',
    'screen': 'the face in a web browser',
}


def require(module: str, extra: str) -> ModuleType:
    """Import a module that only an optional extra, a key of `PURPOSES`, installs.

    Raises:
        ImportError: the module is missing or cannot be imported; one line with the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition('.')[0]
        missing = isinstance(error, ModuleNotFoundError) and error.name == package
        reason = '' if missing else f' and cannot be imported ({" ".join(str(error).split())})'
        raise ImportError(
            f'{package} is needed for {PURPOSES[extra]}{reason}: '
            f"pip install 'robot_face_gen[{extra}]'",
            name=error.name,
        ) from error
