# SPDX-License-Identifier: Apache-2.0
"""Names of the backends that run a network, and the devices that each one runs on; no torch."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence

EAGER, ONNX, ONNX_INT8, CUDA_GRAPH = 'eager', 'onnx', 'onnx-int8', 'cuda-graph'
CPU_BACKENDS = (EAGER, ONNX, ONNX_INT8)
BACKENDS = (*CPU_BACKENDS, CUDA_GRAPH)
AUTO = 'auto'
# The device that a backend needs; EAGER (torch) runs on any.
_NEEDS = {ONNX: 'cpu', ONNX_INT8: 'cpu', CUDA_GRAPH: 'cuda'}


def resolve_backend(name: str, device: object, among: Sequence[str] = BACKENDS) -> str:
    """The backend to use on a device, among those that a network has.

    'auto' is onnx on a CPU if its packages are installed, cuda-graph on CUDA, otherwise eager. The
    device is a `torch.device` or its name.

    Raises:
        ValueError: the backend is unknown or does not run on this device.
    """
    kind = str(device).partition(':')[0]
    if name == AUTO:
        if kind == 'cuda' and CUDA_GRAPH in among:
            return CUDA_GRAPH
        installed = all(importlib.util.find_spec(module) for module in ('onnx', 'onnxruntime'))
        return ONNX if kind == 'cpu' and installed else EAGER
    if name not in among:
        raise ValueError(f'backend = {name!r}: expected {", ".join(among)}')
    if _NEEDS.get(name, kind) != kind:
        raise ValueError(
            f'backend = {name!r} runs on {_NEEDS[name]} only: the model is on {device}'
        )
    return name


def cuda_is_possible() -> bool:
    """Whether this machine may have a CUDA device; if not, torch need not be imported."""
    try:
        if importlib.metadata.version('torch').endswith('+cpu'):
            return False
        ctypes.CDLL('nvcuda' if os.name == 'nt' else 'libcuda.so.1')  # the driver
    except (importlib.metadata.PackageNotFoundError, OSError):
        return False
    return True
