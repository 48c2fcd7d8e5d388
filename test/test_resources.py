# SPDX-License-Identifier: Apache-2.0
"""What ships: weights that fit the default encoder, and a recording."""

from safetensors import safe_open

from robot_face_gen.facial_reaction_model import load_checkpoint
from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.pipeline.embedding_contract import trained_with
from robot_face_gen.resources import default_checkpoint, demo_recording


def test_shipped_weights_fit_the_encoder_that_needs_no_download():
    path = default_checkpoint()
    assert path is not None
    model = load_checkpoint(path)
    encoder = WhisperEncoder.from_name_or_path('untrained')
    assert model.info.audio_encoder == encoder.id
    assert model.info.audio == WhisperStream(encoder).description()
    assert trained_with(model.info) == {'weights': 'untrained', **model.info.audio}
    assert model.config.audio_dim == encoder.dim
    assert model.info.trained


def test_shipped_weights_are_small_and_say_nothing_of_where_they_were_made():
    path = default_checkpoint()
    assert path is not None
    assert path.stat().st_size < 20_000_000
    with safe_open(path, 'pt') as file:
        text = ' '.join(file.metadata().values())
    assert '/' not in text.replace('robot_face_gen/2', '')


def test_the_demo_recording_is_there():
    assert all(path.is_file() for path in demo_recording())
