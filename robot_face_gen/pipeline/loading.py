# SPDX-License-Identifier: Apache-2.0
"""Loads the two networks for live use and for recordings; without torch for ONNX Runtime.

The nodes and the offline pipeline use the same functions, so that the results are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_face_gen.features.whisper_exported import ExportedWhisper, exported
from robot_face_gen.layout import BRANCHES
from robot_face_gen.models.backends import (
    AUTO,
    BACKENDS,
    EAGER,
    ONNX,
    ONNX_INT8,
    cuda_is_possible,
    resolve_backend,
)

from .timeline_frame import TimelineFrame

if TYPE_CHECKING:
    from robot_face_gen.facial_reaction_model import ExportedModel, FacialReactionModel
    from robot_face_gen.features.whisper_encoder import WhisperEncoder

_DEVICE_ERRORS = ('CUDA', 'CUBLAS', 'CUDNN', 'cuDNN', 'NVIDIA')  # in the texts of torch's errors
_UNTRAINED_SEED = 0  # of the random weights if no checkpoint is given

Report = Callable[[str], Any]


def resolve_place(device: str, backend: str, among: Sequence[str] = BACKENDS) -> tuple[str, str]:
    """Replace 'auto' by a device and a backend; torch is imported only if CUDA is possible.

    `among` are the backends of the network.

    Raises:
        ValueError: the device is missing, or the backend is unknown or does not run on it.
    """
    if device == AUTO and (backend in (ONNX, ONNX_INT8) or not cuda_is_possible()):
        device = 'cpu'
    if device != 'cpu':
        from robot_face_gen.facial_reaction_model import resolve_device

        device = str(resolve_device(device))
    return device, resolve_backend(backend, device, among)


def is_device_error(error: Exception) -> bool:
    """Whether a GPU has failed: no memory left, lost, or its driver does not answer."""
    text = str(error)
    return isinstance(error, RuntimeError) and any(word in text for word in _DEVICE_ERRORS)


def load_model(
    checkpoint: Path | None,
    *,
    device: str,
    backend: str,
    faces: int = 1,
    threads: int = 1,
    report: Report = str,
) -> FacialReactionModel | ExportedModel:
    """Load the model; without torch for a checkpoint, ONNX Runtime and one face.

    Without a checkpoint it has fixed random weights. Device and backend are those of
    `resolve_place`; 0 threads: chosen by the backend. `report` is called with one line of text if
    loading takes long.

    Raises:
        ValueError: not a checkpoint, or the device is missing.
        ImportError: the backend's package is missing.
        OSError: the checkpoint cannot be read, or the cache folder cannot be written.
    """
    if checkpoint and faces == 1 and backend in (ONNX, ONNX_INT8):
        from robot_face_gen.facial_reaction_model.onnx_runner import ExportedModel, is_exported

        int8 = backend == ONNX_INT8
        if not is_exported(checkpoint, int8=int8):
            report(f'{checkpoint}: exporting for ONNX Runtime (first start only)')
        return ExportedModel.of(checkpoint, int8=int8)
    import torch

    from robot_face_gen.facial_reaction_model import create_model

    if threads:
        torch.set_num_threads(threads)
    if checkpoint:
        return create_model(device=device, checkpoint=checkpoint)
    with torch.random.fork_rng():
        torch.manual_seed(_UNTRAINED_SEED)
        return create_model(device=device)


def load_encoder(
    weights: str,
    context_s: float,
    *,
    device: str,
    backend: str,
    threads: int = 1,
    report: Report = str,
) -> WhisperEncoder | ExportedWhisper:
    """Load the Whisper encoder, which sees `context_s` of sound; see `load_model`.

    Raises:
        ValueError: weights that cannot be used.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """
    if backend == EAGER:
        import torch

        from robot_face_gen.features.whisper_encoder import WhisperEncoder

        if threads:
            torch.set_num_threads(threads)
        return WhisperEncoder.from_name_or_path(weights, device)
    frames, int8 = round(context_s * 100), backend == ONNX_INT8
    if exported(weights, frames, int8=int8) is None:
        report(f'{weights}: exporting for ONNX Runtime (first start only)')
    return ExportedWhisper(weights, frames, int8=int8, threads=threads)


def stack(frames: Sequence[TimelineFrame]) -> dict[str, np.ndarray]:
    """Input of the model for frames of one speaker, arrays of shape (1, n, ...)."""
    window = {
        name: np.stack([getattr(frame, name) for frame in frames])[None]
        for name in (*BRANCHES, 'audio', 'face_valid', 'audio_valid')
    }
    window['face_mask'] = np.stack([frame.mask for frame in frames])[None]
    return window
