# SPDX-License-Identifier: Apache-2.0
"""Whisper's encoder as an ONNX file: the same embeddings."""

import numpy as np
import pytest
import torch
from whisper.model import AudioEncoder, ModelDimensions

from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_exported import ContextEncoder
from robot_face_gen.features.whisper_onnx import export_encoder
from robot_face_gen.models.onnx_session import open_session

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

DIMS = ModelDimensions(80, 60, 32, 4, 3, 10, 10, 32, 4, 3)


class Encoders:
    """The same weights, in torch and exported."""

    def __init__(self, folder):
        torch.manual_seed(0)
        self.torch = AudioEncoder(DIMS.n_mels, DIMS.n_audio_ctx, 32, 4, 3)
        with torch.no_grad():
            for parameter in self.torch.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        self.eager = WhisperEncoder(self.torch, DIMS, 'small')
        self.folder = folder

    def exported(self, mel, begin, end, int8=False):
        frames = mel.shape[2]
        file = self.folder / f'{frames}-{int8}.onnx'
        if not file.is_file():
            export_encoder(self.torch, frames, file, int8=int8)
        contexts = ContextEncoder(open_session(file, 1))
        return np.stack([contexts.encode(one, begin, end) for one in mel])


@pytest.fixture(scope='module')
def encoders(tmp_path_factory):
    return Encoders(tmp_path_factory.mktemp('exported'))


@pytest.mark.parametrize('frames', [20, 100])
@pytest.mark.parametrize('wanted', [(0, 10), (3, 9), (8, 10), (0, 1)])
def test_equal_to_eager_and_a_part_is_the_same_as_in_the_whole(encoders, frames, wanted):
    mel = np.random.default_rng(frames).normal(size=(2, 80, frames)).astype(np.float32)
    whole = encoders.eager.encode(mel)
    assert whole.shape == (2, frames // 2, 32)
    for encode in (encoders.eager.encode, encoders.exported):
        part = encode(mel, *wanted)
        assert part.dtype == np.float32
        np.testing.assert_allclose(part, whole[:, wanted[0] : wanted[1]], atol=1e-4)


def test_a_little_error_in_8_bits(encoders):
    mel = np.random.default_rng(5).normal(size=(1, 80, 100)).astype(np.float32)
    whole, near = encoders.eager.encode(mel), encoders.exported(mel, 0, 50, int8=True)
    error = np.sqrt(np.square(whole - near).mean())
    assert 0.0 < error < 0.1 * whole.std()
