# SPDX-License-Identifier: Apache-2.0
"""Where a node's network runs, without asking torch unless it could know of a CUDA device."""

from __future__ import annotations

from robot_face_gen.onnx_files import AUTO, ONNX, ONNX_INT8, cuda_is_possible, resolve_backend

from .tables import ModelParameters, WhisperParameters


def compute_place(parameters: ModelParameters | WhisperParameters) -> tuple[str, str]:
    """Device and backend that parameters of these names ask for.

    Raises:
        ValueError: a device that is not there.
    """
    device, backend = parameters.device, parameters.backend
    if device == AUTO and (backend in (ONNX, ONNX_INT8) or not cuda_is_possible()):
        device = 'cpu'
    if device != 'cpu':
        from robot_face_gen.facial_reaction_model import resolve_device

        device = str(resolve_device(device))
    return device, resolve_backend(backend, device)
