# SPDX-License-Identifier: Apache-2.0
"""Device and backend of a node's network; torch is imported only if there may be CUDA."""

from __future__ import annotations

from collections.abc import Sequence

from robot_face_gen.models.backends import (
    AUTO,
    BACKENDS,
    ONNX,
    ONNX_INT8,
    cuda_is_possible,
    resolve_backend,
)

from .parameter_table import Parameters


def compute_place(parameters: Parameters, among: Sequence[str] = BACKENDS) -> tuple[str, str]:
    """Device and backend that the parameters ask for; 'auto' is CUDA where available.

    Args:
        parameters: with `device` and `backend`.
        among: the backends that the network has.

    Raises:
        ValueError: the device is not available or the backend does not run on it.
    """
    device, backend = parameters['device'], parameters['backend']
    if device == AUTO and (backend in (ONNX, ONNX_INT8) or not cuda_is_possible()):
        device = 'cpu'
    if device != 'cpu':
        from robot_face_gen.facial_reaction_model import resolve_device

        device = str(resolve_device(device))
    return device, resolve_backend(backend, device, among)
