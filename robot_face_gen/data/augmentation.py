# SPDX-License-Identifier: Apache-2.0
"""What is done to a speaker in training, so that the network gets used to a camera's failings."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .store import WIDTHS, Track

# Faces and voices are lost for a while, not frame by frame: mean length of a loss, in frames.
MEAN_LOSS = 6.0


class Augmentation(Protocol):
    """What is done, and how much.

    Attributes:
        temporal_dropout: share of frames whose face, and share whose voice, is taken away.
        feature_noise: noise on the face, in standard deviations of each value.
        cropping: begin a clip anywhere, not at fixed places alone.
    """

    @property
    def temporal_dropout(self) -> float: ...  # noqa: D102
    @property
    def feature_noise(self) -> float: ...  # noqa: D102
    @property
    def cropping(self) -> bool: ...  # noqa: D102


def losses(rng: np.random.Generator, frames: int, share: float) -> np.ndarray:
    """Stretches of frames to take away: (frames,) bool, True with the probability `share`.

    A two-state chain whose stretches have the mean length `MEAN_LOSS`.
    """
    lost = np.zeros(frames, dtype=bool)
    if share <= 0:
        return lost
    mean_kept = MEAN_LOSS * (1 - share) / share
    now, t = bool(rng.random() < share), 0
    while t < frames:
        # Geometric stretches have no memory, so the chain is stationary from its first frame.
        length = int(rng.geometric(1 / max(1.0, MEAN_LOSS if now else mean_kept)))
        lost[t : t + length] = now
        now, t = not now, t + length
    return lost


def hold(x: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Repeat the last valid frame wherever one is not valid (the live timeline does the same).

    Args:
        x: (T, ...).
        valid: (T,) bool.

    Returns:
        np.ndarray: like x; what comes before the first valid frame stays as it is.
    """
    index = np.where(valid, np.arange(len(x)), -1)
    index = np.maximum.accumulate(index)
    return x[np.where(index < 0, np.arange(len(x)), index)]


def augment(
    speaker: Track,
    augmentation: Augmentation,
    spread: dict[str, list[float]],
    rng: np.random.Generator,
) -> Track:
    """A speaker seen by a worse tracker and heard by a worse microphone.

    Args:
        speaker: arrays of the speaker; not changed.
        augmentation: what to do.
        spread: standard deviation of each value of each branch.
        rng: the source of randomness.

    Returns:
        dict: new arrays of the same shapes.
    """
    out = dict(speaker)
    frames = len(speaker['face_valid'])
    for branch in WIDTHS:
        scale = augmentation.feature_noise * np.asarray(spread[branch], dtype=np.float32)
        noise = rng.standard_normal(speaker[branch].shape, dtype=np.float32)
        out[branch] = speaker[branch] + scale * noise
    seen = speaker['face_valid'] & ~losses(rng, frames, augmentation.temporal_dropout)
    heard = speaker['audio_valid'] & ~losses(rng, frames, augmentation.temporal_dropout)
    for branch in WIDTHS:
        out[branch] = hold(out[branch], seen)
    out['audio'] = np.where(heard[:, None, None], speaker['audio'], 0).astype(np.float32)
    out['face_valid'], out['audio_valid'] = seen, heard
    return out
