# SPDX-License-Identifier: Apache-2.0
"""Reactions to recorded speakers: of the model, streamed as on the robot, and of baselines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import FacialReactionModel, OnlineInferenceManager
from robot_face_gen.facial_reaction_model.encoder import seen_values
from robot_face_gen.layout import BRANCHES

from .plain_metrics import seen_mean, seen_std


@dataclass
class Clips:
    """A batch of clips; F are all branches, concatenated in the order of `BRANCHES`.

    Attributes:
        speakers: (N, T, F) float64; NaN is a value that was not seen.
        listeners: (N, T, F) float64, as the speakers.
        appropriate: (N, N); [k, j] is 1 if listener j is appropriate for speaker k, otherwise 0.
        speaker_numbers: (N,), the same for clips of the same speaker.
    """

    speakers: np.ndarray
    listeners: np.ndarray
    appropriate: np.ndarray
    speaker_numbers: np.ndarray


def joined(face: dict) -> np.ndarray:
    """Concatenate the branches of a face, a dict of (..., F) tensors: (..., 160) float64."""
    return np.concatenate([np.asarray(face[name], dtype=np.float64) for name in BRANCHES], axis=-1)


def seen(face: dict) -> np.ndarray:
    """As `joined`, for a person of a data set: NaN where a value was not seen."""
    parts = {n: torch.where(mask, face[n], torch.nan) for n, mask in seen_values(face).items()}
    return joined(parts)


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (F,) of what was seen; 0 for a value that never was."""
    return np.nan_to_num(seen_mean(x, (0, 1))), np.nan_to_num(seen_std(x, (0, 1)))


def number_speakers(dataset: ClipDataset, clips: int) -> np.ndarray:
    """Number of the speaker of each clip (N,): the same group or the same recorded face."""
    names = []
    for clip in dataset.clips[:clips]:
        speaker = 1 - clip.listener
        names.append(clip.session.groups[speaker] or clip.session.tracks[speaker])
    return np.unique(names, return_inverse=True)[1]


def gather(dataset: ClipDataset, clips: int | None = None) -> Clips:
    """Read the first `clips` clips of a data set (default: all)."""
    items = [dataset[i] for i in range(min(len(dataset), clips or len(dataset)))]
    groups = [item['group'] for item in items]
    return Clips(
        speakers=np.stack([seen(item['speaker']) for item in items]),
        listeners=np.stack([seen(item['listener']) for item in items]),
        appropriate=np.array([[int(a == b) for b in groups] for a in groups]),
        speaker_numbers=number_speakers(dataset, len(items)),
    )


def random_reactions(known: Clips, test: Clips, samples: int, seed: int) -> np.ndarray:
    """White noise with the mean and standard deviation of the known listeners."""
    generator = np.random.default_rng(seed)
    mean, std = _moments(known.listeners)
    clips, frames, width = test.speakers.shape
    return mean + std * generator.standard_normal((clips, samples, frames, width))


def mean_face(known: Clips, test: Clips, samples: int) -> np.ndarray:
    """The mean face of the known listeners, without motion."""
    clips, frames, width = test.speakers.shape
    return np.broadcast_to(_moments(known.listeners)[0], (clips, samples, frames, width))


def mime(test: Clips, samples: int) -> np.ndarray:
    """A copy of what was seen of the speaker."""
    clips, frames, width = test.speakers.shape
    return np.broadcast_to(test.speakers[:, None], (clips, samples, frames, width))


def nearest_neighbours(known: Clips, test: Clips, samples: int) -> np.ndarray:
    """The listeners of the most similar known speakers.

    Similarity is the mean squared distance between standardised faces, frame by frame, over the
    values that were seen of both.
    """
    mean, std = _moments(known.speakers)
    flat = ((known.speakers - mean) / (std + 1e-6)).reshape(len(known.speakers), -1)
    answers = []
    for speaker in test.speakers:
        difference = flat - ((speaker - mean) / (std + 1e-6)).ravel()
        distance = seen_mean(np.square(difference), 1)  # NaN, nothing to compare, comes last
        answers.append(known.listeners[np.resize(np.argsort(distance)[:samples], samples)])
    return np.stack(answers)


def real_listeners(test: Clips, samples: int, seed: int) -> np.ndarray:
    """The appropriate real listeners of each speaker, each at least once if `samples` allows."""
    generator = np.random.default_rng(seed)
    answers = []
    for row in test.appropriate:
        listeners = generator.permutation(np.flatnonzero(row))
        answers.append(test.listeners[np.resize(listeners, samples)])
    return np.stack(answers)


def stream_reactions(
    model: FacialReactionModel,
    dataset: ClipDataset,
    clips: int,
    samples: int,
    hop: int,
    seed: int,
    temperature: float | None = None,
) -> np.ndarray:
    """Sample reactions of a model to the first clips of a data set.

    Args:
        model: the model.
        dataset: clips with the speakers.
        clips: number of clips N.
        samples: reactions to each clip M.
        hop: frames per call, as on the robot.
        seed: of the first sample; all samples have different seeds.
        temperature: default: the model's.

    Returns:
        np.ndarray: (N, M, T, 160) float64.
    """
    answers = []
    for index in tqdm(range(clips), desc='reactions', unit='clip', disable=None):
        speaker = {name: value[None] for name, value in dataset[index]['speaker'].items()}
        frames = speaker['au'].shape[1]
        manager = OnlineInferenceManager(
            model,
            seed=[seed + index * samples + i for i in range(samples)],
            temperature=temperature,
        )
        parts = [
            manager.process_window(
                {name: value[:, begin : begin + hop] for name, value in speaker.items()}
            )
            for begin in range(0, frames, hop)
        ]
        answers.append(
            joined(
                {name: torch.cat([part[name] for part in parts], dim=1).cpu() for name in parts[0]}
            )
        )
    return np.stack(answers)
