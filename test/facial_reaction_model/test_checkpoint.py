# SPDX-License-Identifier: Apache-2.0
"""One file holds all of a model, and a bad one is refused without running anything of it."""

import json
import pickle
import struct

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
        trained_on='a test', audio_encoder='whisper-x', audio={'hop_s': 0.04}
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
    with pytest.raises(ValueError, match=r'evil\.safetensors: no safetensors file'):
        load_checkpoint(path)


def rewrite(path, tensors=None, **metadata):
    old = path.read_bytes()
    header = json.loads(old[8 : 8 + struct.unpack('<Q', old[:8])[0]])['__metadata__']
    save_file(tensors or load_file(path), path, metadata={**header, **metadata})


@pytest.mark.parametrize(
    ('metadata', 'message'),
    [
        ({'format': 'other/9'}, "format 'other/9': expected 'robot_face_gen/1'"),
        ({'config': '{"feature_dims": 3}'}, "its description is damaged: .*'feature_dims'"),
        ({'config': 'no json'}, 'its description is damaged'),
        ({'info': '[1]'}, 'its description is damaged'),
        ({'info': '{"audio": 3}'}, 'audio = 3: expected dict'),
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
    with pytest.raises(ValueError, match=r'vae\.beginning holds numbers that are not finite'):
        load_checkpoint(path)
    rewrite(path, {name: value for name, value in good.items() if name != 'vae.beginning'})
    with pytest.raises(ValueError, match=r'vae\.beginning is missing'):
        load_checkpoint(path)


def test_another_configuration_than_the_checkpoints_is_refused(path):
    with pytest.raises(ValueError, match=r'feature_dim = 256 \(the checkpoint has 32\)'):
        create_model(config={}, checkpoint=path)
