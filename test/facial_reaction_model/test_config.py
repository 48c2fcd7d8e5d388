# SPDX-License-Identifier: Apache-2.0
"""Configuration: the YAML file is the defaults, and a wrong name or value is named."""

from pathlib import Path

import pytest
import yaml

from robot_face_gen.facial_reaction_model import ModelConfig, create_model

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


def test_devices():
    with pytest.raises(ValueError, match="device = 'gpu'"):
        create_model(device='gpu')
