# SPDX-License-Identifier: Apache-2.0
"""Steps of one session as a robot makes them: without torch where it computes without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from robot_face_gen.bench.timing import rss_mb, timed
from robot_face_gen.facial_reaction_model.config import BRANCHES, EMBEDDINGS_PER_FRAME
from robot_face_gen.models.backends import ONNX, ONNX_INT8
from robot_face_gen.resources import default_checkpoint


def make_manager(backend: str, threads: int) -> Any:
    """What answers for one robot; see `nodes.reaction_setup`."""
    from robot_face_gen.facial_reaction_model import ExportedModel, OnlineInferenceManager

    path = default_checkpoint()
    if path and backend in (ONNX, ONNX_INT8):
        model = ExportedModel.of(path, int8=backend == ONNX_INT8)
        return OnlineInferenceManager(model, seed=0, threads=threads)
    import torch

    from robot_face_gen.bench.cases import full_model

    torch.set_num_threads(threads)
    return OnlineInferenceManager(full_model(), seed=0, backend=backend)


def reaction_step(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Calls of `process_window` at several histories of one session, paced as the robot runs.

    A history that is shorter than what attention sees grows by eight calls before it is restored.
    """
    manager = make_manager(case['backend'], case['threads'])
    config = manager.model.config
    filling = _speaker(16, config.audio_dim)
    full = 2 * config.max_seq_len  # rings are full: beyond, only the clock moves on
    rows, seen = [], 0
    for history in case['histories']:
        simulated = case['quick'] and history > full
        while seen < (min(history, full) if simulated else history):
            manager.process_window(filling)
            seen += 16
        saved = manager.state_dict()
        if simulated:
            # Keys keep their distances: the cost is that of a session that has come so far.
            saved['clock'] += history - seen
            manager.load_state_dict(saved)
            seen = history
        short = history < config.max_seq_len  # else it stays as full as it is
        for frames in case['frames']:
            window = _speaker(frames, config.audio_dim)
            figures = timed(
                lambda window=window: manager.process_window(window),  # type: ignore[misc]
                case['seconds'],
                period_s=0.02,
                before=_now_and_then(manager.load_state_dict, saved) if short else None,
            )
            state_mb = sum(getattr(part, 'nbytes', 0) for part in saved.values()) / 1e6
            rows.append(
                {'frames': frames, 'history': history, 'history_simulated': simulated, **figures,
                 'rss_mb': rss_mb(), 'state_mb': state_mb}
            )  # fmt: skip
    return rows


def _now_and_then(restore: Callable[[Any], None], saved: Any) -> Callable[[], None]:
    """Restore before one call of eight: it pushes what the others would find out of the caches."""
    count = 0

    def before() -> None:
        nonlocal count
        if count % 8 == 0:
            restore(saved)
        count += 1

    return before


def _speaker(frames: int, audio_dim: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(frames)
    shapes = {name: (width,) for name, width in BRANCHES.items()}
    shapes['audio'] = (EMBEDDINGS_PER_FRAME, audio_dim)  # type: ignore[assignment]
    out = {
        name: generator.standard_normal((1, frames, *shape), np.float32)
        for name, shape in shapes.items()
    }
    valid = np.ones((1, frames), bool)
    return {**out, 'face_valid': valid, 'audio_valid': valid}
