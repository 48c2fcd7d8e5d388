# SPDX-License-Identifier: Apache-2.0
"""What a model must beat: reactions that need no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import BRANCHES


@dataclass
class Clips:
    """Clips side by side; F is all branches, in the order of `BRANCHES`."""

    speakers: np.ndarray  # (N, T, 160)
    listeners: np.ndarray  # (N, T, 160)
    appropriate: (
        np.ndarray
    )  # (N, N) of 0 and 1: the listener of clip j suits the speaker of clip k


def joined(face: dict) -> np.ndarray:
    """The branches of a face, dict of (..., F) tensors, side by side: (..., 160) float64."""
    return np.concatenate([np.asarray(face[name], dtype=np.float64) for name in BRANCHES], axis=-1)


def gather(dataset: ClipDataset, clips: int | None = None) -> Clips:
    """The first `clips` clips of a set (all by default) as arrays."""
    items = [dataset[i] for i in range(min(len(dataset), clips or len(dataset)))]
    groups = [item['group'] for item in items]
    return Clips(
        speakers=np.stack([joined(item['speaker']) for item in items]),
        listeners=np.stack([joined(item['listener']) for item in items]),
        appropriate=np.array([[int(a == b) for b in groups] for a in groups]),
    )


def random_reactions(known: Clips, test: Clips, samples: int, seed: int) -> np.ndarray:
    """Noise with the mean and spread of the known listeners, drawn anew at each frame."""
    generator = np.random.default_rng(seed)
    mean, std = known.listeners.mean(axis=(0, 1)), known.listeners.std(axis=(0, 1))
    clips, frames, width = test.speakers.shape
    return mean + std * generator.standard_normal((clips, samples, frames, width))


def mean_face(known: Clips, test: Clips, samples: int) -> np.ndarray:
    """The mean of the known listeners, standing still."""
    clips, frames, width = test.speakers.shape
    return np.broadcast_to(known.listeners.mean(axis=(0, 1)), (clips, samples, frames, width))


def mime(test: Clips, samples: int) -> np.ndarray:
    """The speaker, copied."""
    clips, frames, width = test.speakers.shape
    return np.broadcast_to(test.speakers[:, None], (clips, samples, frames, width))


def nearest_neighbours(known: Clips, test: Clips, samples: int) -> np.ndarray:
    """The listeners of the known speakers whose faces moved most like this one's.

    Likeness is the squared distance between standardised faces, frame by frame.
    """
    mean, std = known.speakers.mean(axis=(0, 1)), known.speakers.std(axis=(0, 1)) + 1e-6
    flat = ((known.speakers - mean) / std).reshape(len(known.speakers), -1)
    answers = []
    for speaker in test.speakers:
        distance = np.square(flat - ((speaker - mean) / std).ravel()).sum(axis=1)
        answers.append(known.listeners[np.resize(np.argsort(distance)[:samples], samples)])
    return np.stack(answers)


def real_listeners(test: Clips, samples: int, seed: int) -> np.ndarray:
    """The real listeners that suit each speaker, each at least once if `samples` allows."""
    generator = np.random.default_rng(seed)
    answers = []
    for row in test.appropriate:
        suited = generator.permutation(np.flatnonzero(row))
        answers.append(test.listeners[np.resize(suited, samples)])
    return np.stack(answers)
