# SPDX-License-Identifier: Apache-2.0
"""Whisper without torch: exported by another process, once."""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from launching import run_python
from whisper.model import ModelDimensions, Whisper

from robot_face_gen.features import whisper_exported
from robot_face_gen.features.whisper_cache import UNTRAINED, WeightsMissing
from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_exported import ExportedWhisper, exported
from robot_face_gen.features.whisper_stream import WhisperStream, embed_recording
from robot_face_gen.models.store import MODELS

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

DIMS = ModelDimensions(80, 60, 32, 4, 3, 10, 10, 32, 4, 3)
FRAMES = 60


@pytest.fixture(scope='module', autouse=True)
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        yield folder


def save(path, seed=0):
    torch.manual_seed(seed)
    state = Whisper(DIMS).state_dict()
    torch.save({'dims': dataclasses.asdict(DIMS), 'model_state_dict': state}, path)
    return path


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return save(tmp_path_factory.mktemp('weights') / 'small.pt')


@pytest.fixture(scope='module')
def encoder(file):
    assert exported(str(file), FRAMES) is None
    return ExportedWhisper(file, FRAMES)


def test_the_numbers_and_the_name_of_the_encoder_itself(encoder, file):
    expected = WhisperEncoder.from_name_or_path(file)
    for name in ('id', 'dim', 'n_mels', 'most_frames'):
        assert getattr(encoder, name) == getattr(expected, name)
    assert np.array_equal(encoder.filters, expected.filters)
    mel = np.random.default_rng(0).normal(size=(2, 80, FRAMES)).astype(np.float32)
    for span in ((0, None), (20, 23)):
        np.testing.assert_allclose(
            encoder.encode(mel, *span), expected.encode(mel, *span), atol=1e-4
        )
    with pytest.raises(ValueError, match='expected 0 <= begin <= end <= 30'):
        encoder.encode(mel, 3, 31)
    with pytest.raises(ValueError, match=r'mel of shape \(2, 79, 60\)'):
        encoder.encode(mel[:, :79])


def test_a_stream_of_it_is_the_recording_of_the_other(encoder, file):
    sound = (0.1 * np.random.default_rng(2).normal(size=12000)).astype(np.float32)
    options = {'hop_s': 0.04, 'context_s': FRAMES / 100}
    offline = embed_recording(sound, 16000, WhisperEncoder.from_name_or_path(file), **options)
    live = WhisperStream(encoder, **options).push(sound, 16000, 0, 0)
    assert [block.stamp_ns for block in live] == [block.stamp_ns for block in offline]
    for one, other in zip(live, offline, strict=True):
        np.testing.assert_allclose(one.data, other.data, atol=1e-4)


WITHOUT_TORCH = """
import sys
import numpy as np
from robot_face_gen.features.whisper_exported import ExportedWhisper
from robot_face_gen.features.whisper_stream import WhisperStream
encoder = ExportedWhisper(sys.argv[1], 60)
assert WhisperStream(encoder, 0.04, 0.6).push(np.zeros(16000, np.float32), 16000, 0)
print(sorted({'torch', 'whisper'} & set(sys.modules)))
"""


def test_the_second_time_neither_torch_nor_whisper_is_there(encoder, file):
    done = run_python(WITHOUT_TORCH, file)
    assert (done.stdout.strip(), done.returncode) == ('[]', 0), done.stderr


@pytest.mark.usefixtures('export_here')
def test_other_weights_at_the_same_place_are_other_files(encoder, tmp_path):
    path = save(tmp_path / 'small.pt')
    first = ExportedWhisper(path, FRAMES)
    assert first.id == encoder.id  # the id is of the weights alone
    save(path, seed=1)
    assert exported(str(path), FRAMES) is None
    assert ExportedWhisper(path, FRAMES).id != first.id


@pytest.mark.usefixtures('export_here')
@pytest.mark.parametrize('suffix', ['.onnx', '.json'])
def test_a_damaged_export_is_made_again(encoder, file, suffix):
    entry = exported(str(file), FRAMES)
    (path,) = entry.path.parent.glob(f'{entry.path.stem.rpartition("-")[0]}*{suffix}')
    path.write_bytes(path.read_bytes()[:1000])
    assert exported(str(file), FRAMES) is None
    again = ExportedWhisper(file, FRAMES)
    assert exported(str(file), FRAMES).description == entry.description
    mel = np.random.default_rng(3).normal(size=(1, 80, FRAMES)).astype(np.float32)
    np.testing.assert_allclose(again.encode(mel), encoder.encode(mel), atol=1e-5)


@pytest.mark.usefixtures('export_here')
def test_8_bits_are_another_file(encoder, file):
    near = ExportedWhisper(file, FRAMES, int8=True)
    assert near.id == encoder.id
    mel = np.random.default_rng(5).normal(size=(1, 80, FRAMES)).astype(np.float32)
    error = np.sqrt(np.square(near.encode(mel) - encoder.encode(mel)).mean())
    assert 0.0 < error < 0.1 * encoder.encode(mel).std()


def test_what_cannot_be_is_told_as_by_the_encoder_itself(tmp_path, file):
    (tmp_path / 'bad.pt').write_bytes(b'hello')
    with pytest.raises(ValueError, match=r"bad\.pt: no checkpoint in Whisper's format"):
        ExportedWhisper(tmp_path / 'bad.pt', FRAMES)
    with pytest.raises(ValueError, match='contexts of 400 frames: expected 2 to 120'):
        ExportedWhisper(file, 400)


def test_damaged_weights_of_the_store_are_told_before_the_export(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    stored = MODELS['whisper-tiny'].path
    stored.parent.mkdir(parents=True)
    save(stored)  # not the file whose hash the store knows
    with pytest.raises(WeightsMissing, match=r'damaged: run .*models get whisper-tiny'):
        ExportedWhisper('tiny', FRAMES)


@pytest.mark.usefixtures('export_here')
def test_the_untrained_weights_need_no_file():
    assert ExportedWhisper(UNTRAINED, FRAMES).dim == 384


def test_a_missing_package_is_named_before_the_export(file, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    monkeypatch.setattr(whisper_exported, 'export_in_child', pytest.fail)
    with pytest.raises(ImportError, match=r"^onnxruntime is needed .*robot_face_gen\[onnx\]'"):
        ExportedWhisper(file, 50)
