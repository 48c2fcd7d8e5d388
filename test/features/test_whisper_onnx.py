"""Whisper by ONNX Runtime: the same embeddings, live and offline."""

import numpy as np
import pytest
import torch
from whisper.model import AudioEncoder, ModelDimensions

from robot_face_gen.features.whisper_contexts import ContextEncoder
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
def test_convolutions_of_frames_that_are_still_there_are_kept(encoders, moved):
    long = np.random.default_rng(7).normal(size=(80, 400)).astype(np.float32)
    encoders['onnx'].encode(long[None, :, :60])
    contexts = encoders['onnx']._onnx._contexts[60]
    session = Counting(contexts._session)
    fresh = ContextEncoder(session)
    begins = [0, *range(moved, 200, moved)]
    for begin in begins:
        mel = long[:, begin : begin + 60]
        expected = encoders['eager'].encode(mel[None], 26, 30)[0]
        np.testing.assert_allclose(fresh.encode(mel, 26, 30), expected, atol=1e-4)
    assert session.frames == [60] + [2 * (moved + 4)] * (len(begins) - 1)
    assert fresh.reused == len(begins) - 1


def test_what_is_not_there_any_more_is_not_taken(encoders):
    rng = np.random.default_rng(8)
    mel = rng.normal(size=(80, 60)).astype(np.float32)
    encoders['onnx'].encode(mel[None])
    contexts = ContextEncoder(encoders['onnx']._onnx._contexts[60]._session)
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
        expected = encoders['eager'].encode(context[None])[0]
        np.testing.assert_allclose(contexts.encode(context, 0, 30), expected, atol=1e-4)
        assert contexts.reused == reused


def test_a_stream_keeps_nearly_all(encoders):
    """Also where the quietest bins follow the loudest one so far."""
    sound = (0.3 * np.random.default_rng(9).normal(size=80000)).astype(np.float32)
    sound[20000:26000] = 0.0
    sound[40000:46000] *= 3.0
    stream = WhisperStream(encoders['onnx'], 0.04, 0.6)
    before = encoders['onnx']._onnx._contexts[60].reused
    blocks = stream.push(sound, 16000, 0, 0)
    assert sum(len(block.data) for block in blocks) == 250
    assert encoders['onnx']._onnx._contexts[60].reused - before > 105  # of 125


def test_what_is_wrong_is_said(encoders):
    mel = np.zeros((1, 80, 20), np.float32)
    with pytest.raises(ValueError, match=r'embeddings 3 to 11: expected 0 <= begin <= end <= 10'):
        encoders['onnx'].encode(mel, 3, 11)
    with pytest.raises(ValueError, match="backend = 'fast'"):
        WhisperEncoder.from_name_or_path('untrained', backend='fast')
