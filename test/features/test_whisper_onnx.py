# SPDX-License-Identifier: Apache-2.0
"""Whisper by ONNX Runtime: the same embeddings, live and offline."""

import numpy as np
import pytest
import torch
from whisper.model import AudioEncoder, ModelDimensions

from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_stream import WhisperStream, embed_recording

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

DIMS = ModelDimensions(80, 60, 32, 4, 3, 10, 10, 32, 4, 3)


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='module')
def encoders():
    torch.manual_seed(0)
    encoder = AudioEncoder(DIMS.n_mels, DIMS.n_audio_ctx, 32, 4, 3)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return {
        backend: WhisperEncoder(encoder, DIMS, 'small', backend)
        for backend in ('eager', 'onnx', 'onnx-int8')
    }


@pytest.mark.parametrize('frames', [20, 100])
@pytest.mark.parametrize('wanted', [(0, None), (3, 9), (8, 10), (0, 1)])
def test_equal_to_eager_and_a_part_is_the_same_as_in_the_whole(encoders, frames, wanted):
    mel = np.random.default_rng(frames).normal(size=(2, 80, frames)).astype(np.float32)
    whole = encoders['eager'].encode(mel)
    assert whole.shape == (2, frames // 2, 32)
    for backend in ('eager', 'onnx'):
        part = encoders[backend].encode(mel, *wanted)
        assert part.dtype == np.float32
        np.testing.assert_allclose(part, whole[:, wanted[0] : wanted[1]], atol=1e-4)


def test_same_name_of_the_weights_and_a_little_error_in_8_bits(encoders):
    assert len({encoder.id for encoder in encoders.values()}) == 1
    mel = np.random.default_rng(5).normal(size=(1, 80, 100)).astype(np.float32)
    whole, near = encoders['eager'].encode(mel), encoders['onnx-int8'].encode(mel)
    error = np.sqrt(np.square(whole - near).mean())
    assert 0.0 < error < 0.1 * whole.std()


@pytest.mark.parametrize('backend', ['eager', 'onnx'])
def test_live_is_offline(encoders, backend):
    sound = (0.1 * np.random.default_rng(2).normal(size=22000)).astype(np.float32)
    options = {'hop_s': 0.04, 'context_s': 0.6, 'settle_s': 0.02}
    offline = embed_recording(sound, 16000, encoders['eager'], **options)
    stream = WhisperStream(encoders[backend], **options)
    live, place = [], 0
    for size in np.random.default_rng(3).integers(1, 3000, 40):
        size = min(size, len(sound) - place)
        if not size:
            break
        live += stream.push(sound[place : place + size], 16000, round(place / 16e-6), place)
        place += size
    whole = np.concatenate([block.data for block in offline])
    np.testing.assert_allclose(np.concatenate([block.data for block in live]), whole, atol=1e-4)


def test_what_is_wrong_is_said(encoders):
    mel = np.zeros((1, 80, 20), np.float32)
    with pytest.raises(ValueError, match=r'embeddings 3 to 11: expected 0 <= begin <= end <= 10'):
        encoders['onnx'].encode(mel, 3, 11)
    with pytest.raises(ValueError, match="backend = 'fast'"):
        WhisperEncoder.from_name_or_path('untrained', backend='fast')
