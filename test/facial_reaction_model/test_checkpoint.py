# SPDX-License-Identifier: Apache-2.0
"""One file holds all of a model, and a bad one is refused without running anything of it."""

import json
import os
import pickle
import resource
import struct
import time

import pytest
import torch
from safetensors.torch import load_file, save_file
from speakers import SMALL, largest_difference, make_speaker

from robot_face_gen.facial_reaction_model import (
    CheckpointInfo,
    create_model,
    load_checkpoint,
    save_checkpoint,
)


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / 'model.safetensors'
    model.info = CheckpointInfo(
        trained_on='a test', audio_encoder='whisper-x', audio={'hop_s': 0.04, 'delay_s': 0.2}
    )
    save_checkpoint(model, path)
    return path


@torch.no_grad()
def test_round_trip(model, path):
    other = create_model(checkpoint=path)
    speaker = make_speaker(9)
    assert largest_difference(model(speaker, seed=1)[0], other(speaker, seed=1)[0]) == 0.0
    assert other.config == SMALL
    assert other.info == model.info
    assert not other.training


@torch.no_grad()
def test_half_precision_is_smaller_and_close(model, path, tmp_path):
    half = tmp_path / 'half.safetensors'
    save_checkpoint(model, half, half=True)
    assert half.stat().st_size < 0.6 * path.stat().st_size
    speaker = make_speaker(9)
    other = load_checkpoint(half).eval()
    assert other.vae.beginning.dtype == torch.float32
    assert largest_difference(model(speaker, seed=1)[0], other(speaker, seed=1)[0]) < 0.02


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.safetensors: no such checkpoint'):
        create_model(checkpoint=tmp_path / 'none.safetensors')


def test_cut_off_and_flipped(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r'model\.safetensors: .*damaged'):
        load_checkpoint(path)
    path.write_bytes(b'\xff' * 8 + whole[8:])
    with pytest.raises(ValueError, match=r'model\.safetensors: .*damaged'):
        load_checkpoint(path)


class Evil:
    def __reduce__(self):
        return (pytest.fail, ('code of a checkpoint was run',))


def test_a_pickle_is_not_run(tmp_path):
    path = tmp_path / 'evil.safetensors'
    path.write_bytes(pickle.dumps({'state_dict': Evil()}))
    with pytest.raises(ValueError, match=r'evil\.safetensors: not a safetensors file'):
        load_checkpoint(path)


def rewrite(path, tensors=None, **metadata):
    old = path.read_bytes()
    header = json.loads(old[8 : 8 + struct.unpack('<Q', old[:8])[0]])['__metadata__']
    save_file(tensors or load_file(path), path, metadata={**header, **metadata})


@pytest.mark.parametrize(
    ('metadata', 'message'),
    [
        ({'format': 'other/9'}, "format 'other/9': expected 'robot_face_gen/2'"),
        ({'config': '{"feature_dims": 3}'}, "its description is damaged: .*'feature_dims'"),
        ({'config': 'no json'}, 'its description is damaged'),
        ({'info': '[1]'}, 'its description is damaged'),
        ({'info': '{"audio": 3}'}, 'audio = 3: expected dict'),
        ({'info': '{"audio": {"delay_s": -1}}'}, 'damaged: audio: delay_s = -1: expected 0 to 1'),
        ({'info': '{"audio": {"delay_s": NaN}}'}, 'audio: delay_s = nan: expected 0 to 1'),
        ({'info': '{"audio": {"delay_s": "x"}}'}, "audio: delay_s = 'x': expected 0 to 1"),
    ],
)
def test_bad_description(path, metadata, message):
    rewrite(path, **metadata)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_bad_weights(path):
    good = load_file(path)
    rewrite(path, {**good, 'vae.beginning': torch.zeros(3)})
    with pytest.raises(ValueError, match=r'vae\.beginning has shape \(3,\): expected \(32,\)'):
        load_checkpoint(path)
    rewrite(path, {**good, 'vae.beginning': torch.full((32,), float('nan'))})
    with pytest.raises(ValueError, match=r'vae\.beginning holds values that are not finite'):
        load_checkpoint(path)
    rewrite(path, {name: value for name, value in good.items() if name != 'vae.beginning'})
    with pytest.raises(ValueError, match=r'vae\.beginning is missing'):
        load_checkpoint(path)


def test_another_configuration_than_the_checkpoints_is_refused(path):
    with pytest.raises(ValueError, match=r'feature_dim = 256 \(the checkpoint has 32\)'):
        create_model(config={}, checkpoint=path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'feature_dim': 16000}, 'feature_dim = 16000: expected 1 to 2048'),
        ({'encoder_layers': 1_000_000}, 'encoder_layers = 1000000: expected 1 to 48'),
        ({'max_seq_len': 10**9}, 'max_seq_len = 1000000000: expected 1 to 4096'),
        ({'latent_dim': 0}, 'latent_dim = 0: expected 1 to 2048'),
        # Within the bounds, but not what the tensors are: nothing of this size is allocated.
        ({'feature_dim': 2048, 'encoder_layers': 48, 'feedforward_dim': 8192}, 'is missing'),
        ({'feature_dim': 2048}, r'has shape .*: expected'),
    ],
)
def test_a_small_file_cannot_ask_for_a_large_model(path, changes, message):
    config = {**SMALL.to_dict(), **changes}
    rewrite(path, config=json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.monotonic()
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)
    assert time.monotonic() - begin < 5.0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB


@pytest.mark.parametrize('spread', [0.0, -1.0])
@pytest.mark.parametrize('part', ['encoder', 'decoder.heads'])
def test_a_spread_that_is_not_positive_is_refused(path, part, spread):
    good, name = load_file(path), f'{part}.statistics.au_std'
    changed = good[name].clone()
    changed[3] = spread
    rewrite(path, {**good, name: changed})
    with pytest.raises(
        ValueError, match=rf'{part}\.statistics\.au_std holds .*: expected above 0'
    ):
        load_checkpoint(path)


def test_weights_in_double_precision_become_single(model, path):
    good = load_file(path)
    rewrite(path, {name: value.double() for name, value in good.items()})
    for name, value in load_checkpoint(path).state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, model.state_dict()[name])


def test_a_failed_write_leaves_the_old_file(model, path, monkeypatch):
    good = path.read_bytes()
    monkeypatch.setattr(
        os, 'fsync', lambda fd: (_ for _ in ()).throw(OSError(28, 'No space left'))
    )
    with pytest.raises(OSError, match=r'No space left.*model\.safetensors'):
        save_checkpoint(model, path)
    assert path.read_bytes() == good
    assert [file.name for file in path.parent.iterdir()] == ['model.safetensors']
