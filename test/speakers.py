"""Speakers for the model's tests."""

import torch

from robot_face_gen.facial_reaction_model import ModelConfig

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


def make_speaker(frames, batch=1, audio_dim=SMALL.audio_dim, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        'landmarks': (136,),
        'au': (18,),
        'pose': (4,),
        'gaze': (2,),
        'audio': (2, audio_dim),
    }
    return {
        name: torch.randn(batch, frames, *shape, generator=generator)
        for name, shape in shapes.items()
    }


def cut(speaker, begin, end):
    return {name: value[:, begin:end] for name, value in speaker.items()}


def join(parts):
    return {name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]}


def largest_difference(a, b):
    assert a.keys() == b.keys()
    assert all(a[name].shape == b[name].shape for name in a)
    return max(float((a[name] - b[name]).abs().max()) for name in a)
