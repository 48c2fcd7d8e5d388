# SPDX-License-Identifier: Apache-2.0
"""Makes the stream of `whisper_node` from its parameters, without torch if possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.models.backends import CPU_BACKENDS
from robot_face_gen.pipeline.embedding_contract import MADE_BY
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import load_encoder, resolve_place

from .tables import WhisperParameters


def make_stream(parameters: WhisperParameters, health: Health, logger: Any) -> WhisperStream:
    """Load the encoder, log what it is, and warm it up.

    Raises:
        ValueError: weights that are none, a device that is not there or not for this backend.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """
    weights = parameters.weights
    device, backend = resolve_place(parameters.device, parameters.backend, CPU_BACKENDS)
    encoder = load_encoder(
        weights, parameters.context_s, device=device, backend=backend,
        threads=parameters.threads, report=logger.info,
    )  # fmt: skip
    made_by = {name: getattr(parameters, name) for name in MADE_BY}
    stream = WhisperStream(encoder, **made_by)
    # Warm up: the first call is slow.
    encoder.encode(np.zeros((1, encoder.n_mels, round(parameters.context_s * 100)), np.float32))
    if weights == UNTRAINED:
        logger.warning(
            f'{encoder.id}: untrained encoder, its embeddings do not represent speech; on {device}'
        )
    else:
        logger.info(f'{weights}: {encoder.id}, on {device}')
    facts = {'encoder': encoder.id, 'device': device, 'backend': backend, **made_by}
    for name, value in facts.items():
        health.fact(name, value)
    return stream
