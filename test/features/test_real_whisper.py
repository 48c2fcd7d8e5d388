# SPDX-License-Identifier: Apache-2.0
"""With the real weights of `tiny.en`, where `robot-face-gen models get` has stored them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper

from robot_face_gen.features.resample import RATE, Resampler, to_mono
from robot_face_gen.features.sound_file import read_audio
from robot_face_gen.features.whisper_cache import DEFAULT_WEIGHTS, find_cached
from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.features.whisper_exported import ExportedWhisper
from robot_face_gen.features.whisper_stream import embed_recording
from robot_face_gen.timing import CONTEXT_S, HOP_S, SETTLE_S

FILE = find_cached(DEFAULT_WEIGHTS)
pytestmark = pytest.mark.skipif(
    FILE is None, reason=f'not stored: robot-face-gen models get whisper-{DEFAULT_WEIGHTS}'
)


@pytest.fixture(scope='module')
def theirs():
    return whisper.load_model(str(FILE), device='cpu')


@pytest.fixture(scope='module')
def ours():
    return WhisperEncoder.from_name_or_path(DEFAULT_WEIGHTS)


@pytest.fixture(scope='module')
def voice(real_recordings):
    samples, rate = read_audio(real_recordings.audio)
    return np.ascontiguousarray(Resampler(rate).push(to_mono(samples)[0]))


def test_a_voice_is_transcribed(theirs, voice):
    found = theirs.transcribe(voice, fp16=False, language='en', temperature=0.0)['text'].lower()
    assert 'ask not what your country can do for you' in found


def test_the_id_is_the_one_that_checkpoints_name(ours):
    assert ours.id == 'whisper-4x384:36df2d80e7dc'


def test_equal_to_openai_whisper_over_30_s(theirs, ours, voice):
    mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(voice))[None]
    theirs.encoder.positional_embedding.copy_(whisper.model.sinusoids(1500, 384))  # not rounded
    with torch.no_grad():
        expected = theirs.encoder(mel).numpy()
    assert np.abs(ours.encode(mel.numpy()) - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_exported_encoder_gives_the_same_embeddings(ours, voice, tmp_path, monkeypatch):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    folder = tmp_path / 'robot_face_gen' / 'models'
    folder.mkdir(parents=True)
    (folder / Path(FILE).name).symlink_to(FILE)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    how = {'hop_s': HOP_S, 'context_s': CONTEXT_S, 'settle_s': SETTLE_S}
    exported = ExportedWhisper(DEFAULT_WEIGHTS, round(CONTEXT_S * 100))
    assert exported.id == ours.id
    one, other = (
        np.concatenate([b.data for b in embed_recording(voice[: 5 * RATE], RATE, each, **how)])
        for each in (ours, exported)
    )
    assert one.shape == other.shape and len(one) > 200
    assert np.abs(one - other).max() < 1e-3 * np.abs(one).max()
    assert os.listdir(tmp_path / 'robot_face_gen')  # the export is in this cache
