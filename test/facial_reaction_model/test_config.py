# SPDX-License-Identifier: Apache-2.0
"""Configuration: the YAML file is the defaults, and a wrong name or value is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from robot_face_gen.facial_reaction_model import ModelConfig, create_model
from robot_face_gen.facial_reaction_model.checkpoint import resolve_device
from robot_face_gen.facial_reaction_model.config import TYPICAL

CONFIG = Path(__file__).resolve().parents[2] / 'config' / 'model_config.yaml'


def test_yaml_file_holds_the_defaults():
    assert yaml.safe_load(CONFIG.read_text()) == ModelConfig().to_dict()
    assert create_model(CONFIG).config == ModelConfig()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'feature_dims': 256}, "unknown name 'feature_dims'; did you mean 'feature_dim'"),
        ({'feature_dim': 100}, 'feature_dim = 100: expected a multiple of 2 x num_heads = 16'),
        ({'feature_dim': 'wide'}, "feature_dim = 'wide': expected int"),
        ({'feature_dim': True}, 'feature_dim = True: expected int'),
        ({'window_size': 0}, 'window_size = 0: expected 1 to 256'),
        ({'max_seq_len': 8}, 'max_seq_len = 8: expected at least window_size = 16'),
        ({'dropout': 1.0}, 'dropout = 1.0: expected 0 to below 1'),
        ({'latent_correlation': -0.5}, 'latent_correlation = -0.5'),
        ({'temperature': float('nan')}, 'temperature = nan'),
    ],
)
def test_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        create_model(values)


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / 'my.yaml'
    path.write_text('feature_dim: [1\n')
    with pytest.raises(ValueError, match=r'my\.yaml'):
        create_model(path)
    path.write_text('featuredim: 1\n')
    with pytest.raises(ValueError, match=r"my\.yaml: .*unknown name 'featuredim'"):
        create_model(path)


@pytest.mark.parametrize('has_cuda', [False, True])
def test_devices(monkeypatch, has_cuda):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: has_cuda)
    with pytest.raises(ValueError, match="device = 'gpu'"):
        create_model(device='gpu')
    assert resolve_device(None).type == resolve_device('cpu').type == 'cpu'
    assert resolve_device('auto').type == ('cuda' if has_cuda else 'cpu')
    if has_cuda:
        assert resolve_device('cuda:0') == torch.device('cuda:0')
    else:
        with pytest.raises(ValueError, match=r"device = 'cuda:0': .* no CUDA device"):
            resolve_device('cuda:0')


def test_the_typical_face_is_symmetric():
    """In the crop, whose middle is 0.5: iBUG's 68 points and their mirror images."""
    mirror = np.array([
        *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ])  # fmt: skip
    x, y = np.reshape(TYPICAL['landmarks'][0], (2, 68))
    assert x + x[mirror] == pytest.approx(np.ones(68), abs=1e-9)
    assert y == pytest.approx(y[mirror], abs=1e-9)
    assert {name: len(spread) for name, (_, spread) in TYPICAL.items()} == {
        'landmarks': 136, 'au': 18, 'pose': 4, 'gaze': 2,
    }  # fmt: skip
