# SPDX-License-Identifier: Apache-2.0
"""What ships: weights that fit the default encoder, and a recording."""

import pytest
from safetensors import safe_open

from robot_face_gen.facial_reaction_model import load_checkpoint
from robot_face_gen.features.whisper_cache import find_cached
from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.resources import default_checkpoint, demo_recording


def test_shipped_weights_say_which_encoder_they_need():
    path = default_checkpoint()
    assert path is not None
    model = load_checkpoint(path)
    assert model.info.audio == {
        'weights': 'tiny.en', 'hop_s': 0.08, 'context_s': 2.0, 'settle_s': 0.12, 'delay_s': 0.2
    }  # fmt: skip
    assert model.config.audio_dim == 384
    assert model.info.trained


def test_it_is_the_encoder_of_the_model_store():
    if find_cached('tiny.en') is None:
        pytest.skip('robot-face-gen models get whisper-tiny.en has not been run')
    encoder = WhisperEncoder.from_name_or_path('tiny.en')
    model = load_checkpoint(default_checkpoint())
    assert model.info.audio_encoder == encoder.id


def test_shipped_weights_are_small_and_say_nothing_of_where_they_were_made():
    path = default_checkpoint()
    assert path is not None
    assert path.stat().st_size < 20_000_000
    with safe_open(path, 'pt') as file:
        text = ' '.join(file.metadata().values())
    assert '/' not in text.replace('robot_face_gen/2', '')


def test_the_demo_recording_is_there():
    assert all(path.is_file() for path in demo_recording())
