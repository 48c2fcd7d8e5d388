# SPDX-License-Identifier: Apache-2.0
"""A model's reactions to recorded speakers, made as the robot makes them: streamed."""

from __future__ import annotations

import torch
from tqdm import tqdm

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import FacialReactionModel, OnlineInferenceManager

from .baselines import joined


def stream_reactions(
    model: FacialReactionModel,
    dataset: ClipDataset,
    clips: int,
    samples: int,
    hop: int,
    seed: int,
    temperature: float | None = None,
):
    """Sampled reactions (N, M, T, 160) float64 to the first clips of a set.

    Args:
        model: that answers.
        dataset: of speakers.
        clips: how many of them.
        samples: reactions to each.
        hop: frames a call, as the robot's node hands them over.
        seed: the first of the samples' seeds; a clip's are all different.
        temperature: None is the model's own.
    """
    import numpy as np

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
