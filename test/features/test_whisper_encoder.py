# SPDX-License-Identifier: Apache-2.0
"""The encoder: the same everywhere, Whisper's own where it is given the whole context."""

import dataclasses
import os
import pickle
import resource
import sys

import numpy as np
import pytest
import torch
from whisper.audio import mel_filters
from whisper.model import ModelDimensions, Whisper, sinusoids

from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_encoder import WhisperEncoder

SMALL = ModelDimensions(
    n_mels=80, n_audio_ctx=50, n_audio_state=32, n_audio_head=2, n_audio_layer=2,
    n_vocab=51, n_text_ctx=8, n_text_state=32, n_text_head=2, n_text_layer=1,
)  # fmt: skip


@pytest.fixture(scope='module')
def untrained():
    return WhisperEncoder.from_name_or_path(UNTRAINED)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Whisper(SMALL).eval()


def save(path, model, **changes):
    """As OpenAI writes its files."""
    dims = dataclasses.asdict(SMALL) | changes.pop('dims', {})
    state = model.state_dict() | changes.pop('state', {})
    torch.save({'dims': dims, 'model_state_dict': state} | changes, path)
    return path


def test_the_untrained_weights_are_the_same_everywhere(untrained):
    # Shipped checkpoints name this id: another one means that they no longer fit.
    assert untrained.id == 'whisper-untrained:f74922f1903c'
    assert (untrained.dim, untrained.n_mels, untrained.filters.shape) == (384, 80, (80, 201))
    torch.manual_seed(1)
    assert WhisperEncoder.from_name_or_path(UNTRAINED).id == untrained.id


def test_embeddings_tell_sounds_apart(untrained):
    mel = np.full((3, 80, 40), -1.5, np.float32)
    mel[1, 20:23] = 1.0  # a tone
    mel[2] = np.random.default_rng(0).uniform(0, 1, (80, 40))  # noise
    silence, tone, noise = untrained.encode(mel)
    assert silence.shape == (20, 384) and silence.dtype == np.float32
    for one, two in ((silence, tone), (silence, noise), (tone, noise)):
        assert np.linalg.norm(one - two, axis=1).min() > 3.0
    alone = untrained.encode(mel[1:2])[0]
    assert np.abs(alone - tone).max() < 1e-4


@pytest.mark.parametrize('shape', [(80, 40), (1, 79, 40), (1, 80, 41)])
def test_another_shape_is_refused(untrained, shape):
    with pytest.raises(ValueError, match=r'mel of shape \(.*expected \(B, 80, even frames\)'):
        untrained.encode(np.zeros(shape, np.float32))


@pytest.mark.parametrize('half', [False, True])
def test_a_file_in_whispers_format_gives_whispers_numbers(tmp_path, model, half):
    if half:  # the official files are
        model = model.half()
    path = save(tmp_path / 'small.pt', model)
    encoder = WhisperEncoder.from_name_or_path(path)
    assert encoder.dim == 32 and encoder.id.startswith('whisper-2x32:')
    mel = np.random.default_rng(0).uniform(-1, 1, (2, 80, 100)).astype(np.float32)
    # The table of positions is computed, not rounded.
    model.float().encoder.positional_embedding.copy_(sinusoids(50, 32))
    with torch.no_grad():
        expected = model.encoder(torch.from_numpy(mel)).numpy()
    assert np.abs(encoder.encode(mel) - expected).max() < 1e-5
    assert encoder.encode(mel[:, :, :20]).shape == (2, 10, 32)  # the first positions alone
    assert np.array_equal(encoder.filters, mel_filters('cpu', 80).numpy())


def test_the_id_is_of_the_weights_and_not_of_the_file(tmp_path, model):
    one = WhisperEncoder.from_name_or_path(save(tmp_path / 'a.pt', model)).id
    assert WhisperEncoder.from_name_or_path(save(tmp_path / 'b.pt', model, more=1)).id == one
    with torch.no_grad():
        model.encoder.conv1.bias[0] += 0.01
    assert WhisperEncoder.from_name_or_path(save(tmp_path / 'a.pt', model)).id != one


def test_a_file_without_the_table_of_positions(tmp_path, model):
    expected = WhisperEncoder.from_name_or_path(save(tmp_path / 'a.pt', model)).id
    state = model.state_dict()
    del state['encoder.positional_embedding']
    path = tmp_path / 'b.pt'
    torch.save({'dims': dataclasses.asdict(SMALL), 'model_state_dict': state}, path)
    assert WhisperEncoder.from_name_or_path(path).id == expected


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


def refused(path):
    with pytest.raises(ValueError) as error:
        WhisperEncoder.from_name_or_path(path)
    text = str(error.value)
    assert text.startswith(f'{path}: ') and '\n' not in text and len(text) < 600
    assert 'weights_only' not in text  # no advice to load it unsafely
    return text


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    victim = tmp_path / 'ran'
    for write in (torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))):
        path = tmp_path / 'bomb.pt'
        write({'dims': Bomb(victim), 'model_state_dict': {}}, path)
        assert 'more than weights' in refused(path)
        assert not victim.exists()


def test_files_that_are_something_else_or_damaged_are_refused(tmp_path, model):
    whole = save(tmp_path / 'a.pt', model).read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2 : len(whole) // 2 + 64] = bytes(64)
    for content in (b'', b'hello', b'\x80\x02}.', whole[: len(whole) // 2], whole[:100]):
        (tmp_path / 'b.pt').write_bytes(content)
        assert 'format' in refused(tmp_path / 'b.pt')
    for foreign in ([1, 2], {'weights': torch.zeros(3)}, {'dims': {}, 'model_state_dict': 3},
                    {'dims': dataclasses.asdict(SMALL), 'model_state_dict': [1]}):  # fmt: skip
        torch.save(foreign, tmp_path / 'b.pt')
        assert "expected 'dims' and 'model_state_dict'" in refused(tmp_path / 'b.pt')


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'dims': {'n_audio_layer': 10**9}}, 'n_audio_layer = 1000000000: expected 1 to 96'),
        ({'dims': {'n_audio_state': -1}}, 'n_audio_state = -1'),
        ({'dims': {'n_audio_ctx': 2.5}}, 'n_audio_ctx = 2.5'),
        ({'dims': {'n_audio_head': 3}}, 'dims that no Whisper model has'),
        ({'dims': {'n_mels': 81}}, 'dims that no Whisper model has'),
        ({'dims': {'n_audio_state': 4096}}, 'do not fit its dimensions'),
        ({'dims': {'n_audio_layer': 3}}, 'do not fit its dimensions'),
        ({'state': {'encoder.conv1.bias': 7}}, 'do not fit its dimensions'),
        ({'state': {'encoder.conv1.bias': torch.full((32,), torch.nan)}}, 'not finite'),
    ],
)
def test_weights_that_cannot_be_are_refused(tmp_path, model, changes, words):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert words in refused(save(tmp_path / 'a.pt', model, **changes))
    if sys.platform == 'linux':  # in kB; a state of 4096 takes 0.8 GB a layer
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r'^no_such: no such file.* known are untrained, tiny.en'):
        WhisperEncoder.from_name_or_path('no_such')


@pytest.mark.parametrize('weights', ['tiny.en', 'whisper-tiny.en'])
def test_a_name_is_a_file_of_the_store(tmp_path, monkeypatch, model, weights):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(ValueError) as error:
        WhisperEncoder.from_name_or_path(weights)
    text = str(error.value)
    assert text.startswith(f"Whisper weights '{weights}': ") and '\n' not in text
    assert '`robot-face-gen models get whisper-tiny.en`' in text
    stored = tmp_path / 'robot_face_gen' / 'models' / 'whisper-tiny.en.pt'
    assert str(stored) in text and not stored.parent.exists()  # nothing is downloaded unasked
    stored.parent.mkdir(parents=True)
    save(stored, model)
    assert WhisperEncoder.from_name_or_path(weights).dim == 32


def test_what_openai_whisper_has_downloaded_is_found(tmp_path, monkeypatch, model):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    (tmp_path / 'whisper').mkdir()
    path = save(tmp_path / 'whisper' / 'base.pt', model)
    expected = WhisperEncoder.from_name_or_path(path).id
    assert WhisperEncoder.from_name_or_path('base').id == expected
