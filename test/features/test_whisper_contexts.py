# SPDX-License-Identifier: Apache-2.0
"""Convolutions of sound that is still in view are kept, and nothing else is."""

import numpy as np
import pytest
import torch
from whisper.model import AudioEncoder, ModelDimensions

from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_exported import ContextEncoder
from robot_face_gen.features.whisper_onnx import export_encoder
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.models.onnx_session import open_session

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

DIMS = ModelDimensions(80, 60, 32, 4, 3, 10, 10, 32, 4, 3)


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    return AudioEncoder(DIMS.n_mels, DIMS.n_audio_ctx, 32, 4, 3)


@pytest.fixture(scope='module')
def eager(encoder):
    return WhisperEncoder(encoder, DIMS, 'small')


@pytest.fixture(scope='module')
def session(encoder, tmp_path_factory):
    file = tmp_path_factory.mktemp('exported') / 'encoder.onnx'
    export_encoder(encoder, 60, file, int8=False)
    return open_session(file, 1)


class Counting:
    """A session that remembers how many frames it was given."""

    def __init__(self, session):
        self.session, self.frames = session, []

    def run(self, names, given):
        self.frames.append(given['mel'].shape[0] * given['mel'].shape[2])
        return self.session.run(names, given)

    def get_inputs(self):
        return self.session.get_inputs()


@pytest.mark.parametrize('moved', [2, 4, 16])
def test_convolutions_of_frames_that_are_still_there_are_kept(eager, session, moved):
    long = np.random.default_rng(7).normal(size=(80, 400)).astype(np.float32)
    counting = Counting(session)
    contexts = ContextEncoder(counting)
    begins = [0, *range(moved, 200, moved)]
    for begin in begins:
        mel = long[:, begin : begin + 60]
        expected = eager.encode(mel[None], 26, 30)[0]
        np.testing.assert_allclose(contexts.encode(mel, 26, 30), expected, atol=1e-4)
    assert counting.frames == [60] + [2 * (moved + 4)] * (len(begins) - 1)
    assert contexts.reused == len(begins) - 1


def test_what_is_not_there_any_more_is_not_taken(eager, session):
    rng = np.random.default_rng(8)
    mel = rng.normal(size=(80, 60)).astype(np.float32)
    contexts = ContextEncoder(session)
    moved = np.concatenate((mel[:, 4:], mel[:, :4]), axis=1)
    changed = moved.copy()
    changed[3, 30] += 1.0
    odd = np.concatenate((changed[:, 3:], mel[:, :3]), axis=1)
    silence = np.full((80, 60), -1.5, np.float32)
    sound = silence.copy()
    sound[:, 50:] = mel[:, :10]
    other = rng.normal(size=(80, 60)).astype(np.float32)
    for reused, context in (
        (0, mel), (1, moved), (1, changed), (1, odd), (1, other),
        (1, silence), (2, silence), (3, sound),
    ):  # fmt: skip
        expected = eager.encode(context[None])[0]
        np.testing.assert_allclose(contexts.encode(context, 0, 30), expected, atol=1e-4)
        assert contexts.reused == reused


class Exported:
    """What a stream needs of an encoder."""

    device = 'cpu'

    def __init__(self, eager, session):
        self.filters, self.n_mels, self.most_frames = eager.filters, 80, 120
        self.contexts = ContextEncoder(session)

    def encode(self, mel, begin, end):
        return np.stack([self.contexts.encode(one, begin, end) for one in mel])


def test_a_stream_keeps_nearly_all(eager, session):
    """Also where the quietest bins follow the loudest one so far."""
    sound = (0.3 * np.random.default_rng(9).normal(size=80000)).astype(np.float32)
    sound[20000:26000] = 0.0
    sound[40000:46000] *= 3.0
    encoder = Exported(eager, session)
    blocks = WhisperStream(encoder, 0.04, 0.6).push(sound, 16000, 0, 0)
    assert sum(len(block.data) for block in blocks) == 250
    assert encoder.contexts.reused > 105  # of 125
