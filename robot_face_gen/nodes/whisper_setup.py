# SPDX-License-Identifier: Apache-2.0
"""Makes the stream of `whisper_node` from its parameters: where it can, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_exported import ExportedWhisper, exported
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.models.backends import CPU_BACKENDS, EAGER, ONNX_INT8

from .compute_place import compute_place
from .health import Health
from .made_by import MADE_BY
from .parameter_table import Parameters

if TYPE_CHECKING:
    from robot_face_gen.features.whisper_encoder import WhisperEncoder


def make_stream(parameters: Parameters, health: Health, logger: Any) -> WhisperStream:
    """Load the encoder, say what it is, and let it run once.

    Raises:
        ValueError: weights that are none, a device that is not there or not for this backend.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """
    weights, (device, backend) = parameters['weights'], compute_place(parameters, CPU_BACKENDS)
    encoder: WhisperEncoder | ExportedWhisper
    if backend == EAGER:
        encoder = _eager(parameters, device)
    else:
        encoder = _exported(parameters, backend, logger)
    stream = WhisperStream(encoder, *(parameters[name] for name in MADE_BY))
    # The first time takes many times as long.
    encoder.encode(np.zeros((1, encoder.n_mels, _frames(parameters)), np.float32))
    if weights == UNTRAINED:
        logger.warning(
            f'{encoder.id}: an untrained encoder: it knows nothing of speech; on {device}'
        )
    else:
        logger.info(f'{weights}: {encoder.id}, on {device}')
    facts = {'encoder': encoder.id, 'device': device, 'backend': backend}
    for name, value in (*facts.items(), *((name, parameters[name]) for name in MADE_BY)):
        health.fact(name, value)
    return stream


def _frames(parameters: Parameters) -> int:
    return round(parameters['context_s'] * 100)


def _eager(parameters: Parameters, device: str) -> WhisperEncoder:
    import torch

    from robot_face_gen.features.whisper_encoder import WhisperEncoder

    if parameters['threads']:
        torch.set_num_threads(parameters['threads'])
    return WhisperEncoder.from_name_or_path(parameters['weights'], device)


def _exported(parameters: Parameters, backend: str, logger: Any) -> ExportedWhisper:
    weights, frames, int8 = parameters['weights'], _frames(parameters), backend == ONNX_INT8
    there = exported(weights, frames, int8=int8) is not None
    encoder = ExportedWhisper(weights, frames, int8=int8, threads=parameters['threads'])
    if not there:
        logger.info(f'{weights}: exported for ONNX Runtime, this once')
    return encoder
