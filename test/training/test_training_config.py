# SPDX-License-Identifier: Apache-2.0
"""The YAML file has the defaults; unknown names are refused; dots select parts."""

from pathlib import Path

import pytest
import yaml

from robot_face_gen.training.config import TrainingConfig, read_training_config

CONFIG = Path(__file__).resolve().parents[2] / 'config' / 'training_config.yaml'


def test_yaml_file_has_the_defaults():
    values = yaml.safe_load(CONFIG.read_text())
    assert values['model'] == 'model_config.yaml'
    assert {**TrainingConfig().to_dict(), 'model': values['model']} == values
    assert read_training_config(CONFIG) == TrainingConfig()
    config = read_training_config(CONFIG)
    assert config == TrainingConfig()
    assert (config.batch_size, config.learning_rate, config.num_epochs) == (4, 1e-4, 100)
    weights = config.loss_weights
    assert (weights.vae, weights.smooth, weights.diversity) == (1.0, 15.0, 100.0)


def test_yaml_file_explains_every_option():
    lines = CONFIG.read_text().splitlines()[1:]
    assert all(line.partition('#')[2].strip() for line in lines)
    values = yaml.safe_load(CONFIG.read_text())
    assert len(lines) == len(values) + sum(len(v) for v in values.values() if type(v) is dict)


def test_overrides_of_parts_and_numbers():
    config = read_training_config(
        CONFIG,
        ['learning_rate=3e-4', 'loss_weights.smooth=5', 'model.feature_dim=64', 'data=x/1e5'],
    )
    assert config.learning_rate == 3e-4
    assert config.loss_weights.smooth == 5.0
    assert config.model.feature_dim == 64
    assert config.data == 'x/1e5'


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        (['learning_rat=1'], "unknown name 'learning_rat'; did you mean 'learning_rate'"),
        (['loss_weights.smoth=1'], "loss_weights: unknown name 'smoth'; did you mean 'smooth'"),
        (
            ['model.feature_dims=1'],
            "model: unknown name 'feature_dims'; did you mean 'feature_dim'",
        ),
        (['model.feature_dim=30'], 'feature_dim = 30: expected a multiple'),
        (['num_epochs=-1'], 'num_epochs = -1: expected at least 0'),
        (['num_epochs=0'], 'num_epochs = 0: without training, start_from must name'),
        (['num_epochs=many'], "num_epochs = 'many': expected int"),
        (['samples=1'], 'samples = 1: the diversity and contrastive losses need at least 2'),
        (['augmentation.temporal_dropout=1'], 'temporal_dropout = 1.0: expected 0 to below 1'),
        (['augmentation.value_dropout=-1'], 'value_dropout = -1.0: expected at least 0'),
        (['augmentation.partial_faces=2'], 'partial_faces = 2.0: expected 0 to 1'),
        (['learning_rate=-1'], 'learning_rate = -1.0: expected above 0'),
        (['accelerator=tpu'], "accelerator = 'tpu'"),
        (['nonsense'], "'nonsense': expected key=value"),
        (['seed.x=1'], "'seed.x=1': 'seed' is a value"),
    ],
)
def test_refused_by_name(overrides, message):
    with pytest.raises(ValueError, match=message):
        read_training_config(CONFIG, overrides)


def test_a_broken_file_is_named(tmp_path):
    path = tmp_path / 'mine.yaml'
    for text, message in (
        ('batchsize: 3', "unknown name 'batchsize'"),
        ('a: [', 'mine.yaml'),
        ('3', 'mapping'),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_training_config(path)
        assert 'mine.yaml' in str(error.value)
    path.write_text('learning_rate: 1e-3\n')  # a text in YAML 1.1
    assert read_training_config(path).learning_rate == 1e-3


def test_the_file_of_the_model_is_read(tmp_path):
    """A change of model_config.yaml is a change of the model that is trained."""
    (tmp_path / 'training.yaml').write_text('model: small.yaml\n')
    model = tmp_path / 'small.yaml'
    model.write_text('feature_dim: 32\nlatent_dim: 8\n')
    path = tmp_path / 'training.yaml'
    config = read_training_config(path, ['model.latent_dim=16'])
    assert (config.model.feature_dim, config.model.latent_dim) == (32, 16)
    model.write_text('feature_dims: 32\n')
    with pytest.raises(ValueError, match=r"small\.yaml: .*unknown name 'feature_dims'"):
        read_training_config(path)
    model.unlink()
    with pytest.raises(OSError, match=r'small\.yaml'):
        read_training_config(path)
