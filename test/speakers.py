# SPDX-License-Identifier: Apache-2.0
"""Speakers for the model's tests."""

import torch

from robot_face_gen.facial_reaction_model import ModelConfig
from robot_face_gen.facial_reaction_model.config import TYPICAL

SMALL = ModelConfig(
    feature_dim=32,
    audio_dim=24,
    window_size=4,
    max_seq_len=20,
    latent_dim=8,
    num_heads=4,
    encoder_layers=2,
    decoder_layers=2,
    feedforward_dim=48,
)

TINY = ModelConfig(
    feature_dim=32, audio_dim=8, latent_dim=4, num_heads=2, encoder_layers=1, decoder_layers=1,
    feedforward_dim=32, max_seq_len=50,
)  # fmt: skip


def make_speaker(frames, batch=1, audio_dim=SMALL.audio_dim, seed=0):
    """Numbers as faces have them, about a typical face."""
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for name, (mean, std) in TYPICAL.items():
        noise = torch.randn(batch, frames, len(mean), generator=generator)
        out[name] = torch.tensor(mean) + torch.tensor(std) * noise
    out['audio'] = torch.randn(batch, frames, 2, audio_dim, generator=generator)
    return out


def make_mask(frames, batch=1, seed=0):
    """Values at random, and for some frames whole branches, are missing."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, frames, 25, generator=generator) > 0.2
    for columns in ((0, 1), (1, 19), (19, 23), (23, 25)):
        mask[..., slice(*columns)] &= torch.rand(batch, frames, 1, generator=generator) > 0.15
    return mask


def cut(speaker, begin, end):
    return {name: value[:, begin:end] for name, value in speaker.items()}


def join(parts):
    return {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}


def largest_difference(a, b):
    assert a.keys() == b.keys()
    assert all(a[name].shape == b[name].shape for name in a)
    return max(float((a[name] - b[name]).abs().max()) for name in a)
