# SPDX-License-Identifier: Apache-2.0
"""Makes the stream of `whisper_node` from its parameters, without torch if possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.models.backends import AUTO, CPU_BACKENDS
from robot_face_gen.pipeline.embedding_contract import read_info, trained_with
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import is_device_error, load_encoder, resolve_place

from .tables import TRAINED, WhisperParameters


def settings(parameters: WhisperParameters) -> dict[str, Any]:
    """The weights and times in force: those of the parameters, or of the checkpoint's training.

    Raises:
        ValueError, OSError: the checkpoint cannot be read.
    """
    found = trained_with(read_info(parameters.checkpoint))
    given = {name: getattr(parameters, name) for name in found}
    return found | {name: value for name, value in given.items() if value not in (AUTO, TRAINED)}


def make_stream(
    parameters: WhisperParameters, health: Health, logger: Any, *, device: str = ''
) -> WhisperStream:
    """Load the encoder, log what it is, and warm it up; on the CPU if the GPU fails.

    A `device` replaces that of the parameters.

    Raises:
        WeightsMissing: weights that must be downloaded first.
        ValueError: weights that are none, a device that is not there or not for this backend.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """
    made_by = settings(parameters)
    weights, context_s = made_by.pop('weights'), made_by['context_s']
    device, backend = resolve_place(
        device or parameters.device, AUTO if device else parameters.backend, CPU_BACKENDS
    )
    try:
        encoder = load_encoder(
            weights, context_s, device=device, backend=backend,
            threads=parameters.threads, report=logger.info,
        )  # fmt: skip
        # Warm up: the first call is slow.
        encoder.encode(np.zeros((1, encoder.n_mels, round(context_s * 100)), np.float32))
    except RuntimeError as error:
        if device == 'cpu' or not is_device_error(error):
            raise
        return on_cpu(error, parameters, health, logger)
    stream = WhisperStream(encoder, **made_by)
    if weights == UNTRAINED:
        logger.warning(
            f'{encoder.id}: untrained encoder, its embeddings do not represent speech; on {device}'
        )
    else:
        logger.info(f'{weights}: {encoder.id}, on {device}')
    made_by |= {'weights': weights, 'encoder': encoder.id, 'device': device, 'backend': backend}
    for name, value in made_by.items():
        health.fact(name, value)
    return stream


def on_cpu(
    error: Exception, parameters: WhisperParameters, health: Health, logger: Any
) -> WhisperStream:
    """The stream on the CPU, after the GPU has failed; reported as an error from now on."""
    reason = str(error).strip().partition('\n')[0]
    health.fail('device', f'the GPU failed ({reason}): using the CPU')
    return make_stream(parameters, health, logger, device='cpu')
