# SPDX-License-Identifier: Apache-2.0
"""What a training run is made of: a YAML file, each name and value checked."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from robot_face_gen.facial_reaction_model import ModelConfig
from robot_face_gen.facial_reaction_model.checkpoint_file import read_config
from robot_face_gen.facial_reaction_model.config import check_names, check_types

_PRECISIONS = ('32-true', '16-mixed', 'bf16-mixed')


@dataclass(frozen=True)
class LossWeights:
    """Weights of the five losses."""

    vae: float = 1.0
    smooth: float = 15.0
    diversity: float = 100.0
    contrastive: float = 1.0
    consistency: float = 1.0

    def __post_init__(self) -> None:
        """Check every value, by name."""
        check_types(self, 'loss_weights')
        _not_negative(self, 'loss_weights', *(f.name for f in fields(self)))


@dataclass(frozen=True)
class AugmentationConfig:
    """What is done to the speaker, never to the target."""

    temporal_dropout: float = 0.1  # share of frames whose face or voice is taken away
    feature_noise: float = 0.02  # noise on the face, in standard deviations of each value
    cropping: bool = True  # begin a clip anywhere, not at its first frame alone

    def __post_init__(self) -> None:
        """Check every value, by name."""
        check_types(self, 'augmentation')
        _not_negative(self, 'augmentation', 'temporal_dropout', 'feature_noise')
        if self.temporal_dropout >= 1:
            raise ValueError(
                f'augmentation: temporal_dropout = {self.temporal_dropout}: expected 0 to below 1'
            )


@dataclass(frozen=True)
class TrainingConfig:
    """A training run; the defaults are those of `config/training_config.yaml`."""

    data: str = 'data/prepared'  # folder that `robot-face-gen prepare` made
    output: str = 'runs/train'  # folder of everything that the run leaves
    start_from: str = ''  # checkpoint whose weights are trained on; '' begins with random ones
    seed: int = 0
    num_epochs: int = 100
    batch_size: int = 4  # clips a step and process
    clip_frames: int = 750  # 30 s
    samples: int = 3  # reactions sampled for each speaker
    learning_rate: float = 1e-4
    warmup_steps: int = 100  # over which the learning rate rises
    weight_decay: float = 0.01
    gradient_clip: float = 1.0  # largest norm of the gradient
    accumulate: int = 1  # batches a step
    kl_weight: float = 0.05  # of a nat a frame beside a unit of squared error
    free_bits: float = 0.02  # nats of a latent dimension that cost nothing
    patience: int = 0  # epochs without a better validation loss; 0 never stops early
    validate_every: int = 1  # epochs
    precision: str = '32-true'  # 32-true, 16-mixed, bf16-mixed
    accelerator: str = 'auto'  # auto, cpu, gpu
    devices: int = 0  # processes on this machine; 0 is all GPUs, or one CPU process
    num_nodes: int = 1  # machines
    workers: int = 0  # processes that load data
    resume: bool = True  # go on where an interrupted run in `output` stopped
    loss_weights: LossWeights = field(default_factory=LossWeights)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        """Check every value, by name."""
        check_types(self, 'training config')
        _not_negative(
            self,
            'training config',
            'weight_decay',
            'kl_weight',
            'free_bits',
            'patience',
            'warmup_steps',
            'devices',
            'workers',
            'gradient_clip',
        )
        for name in (
            'num_epochs',
            'batch_size',
            'samples',
            'accumulate',
            'validate_every',
            'num_nodes',
            'clip_frames',
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'training config: {name} = {getattr(self, name)}: expected at least 1'
                )
        if self.samples < 2 and (self.loss_weights.diversity or self.loss_weights.contrastive):
            raise ValueError(
                'training config: samples = 1: the diversity and contrastive losses need 2'
            )
        if not self.learning_rate > 0:
            raise ValueError(
                f'training config: learning_rate = {self.learning_rate}: expected above 0'
            )
        if self.validate_every > self.num_epochs:
            raise ValueError(
                f'training config: validate_every = {self.validate_every}: expected at most '
                f'num_epochs = {self.num_epochs}'
            )
        if self.precision not in _PRECISIONS:
            raise ValueError(
                f'training config: precision = {self.precision!r}: expected one of '
                f'{", ".join(_PRECISIONS)}'
            )
        if self.accelerator not in ('auto', 'cpu', 'gpu'):
            raise ValueError(
                f'training config: accelerator = {self.accelerator!r}: expected auto, cpu or gpu'
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain names and values, as in the YAML file."""
        return asdict(self)


def _not_negative(config: Any, where: str, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= 0:
            raise ValueError(f'{where}: {name} = {getattr(config, name)}: expected at least 0')


_PARTS: dict[str, Any] = {
    'loss_weights': LossWeights,
    'augmentation': AugmentationConfig,
    'model': ModelConfig,
}


def from_mapping(values: Any) -> TrainingConfig:
    """A configuration from nested names and values.

    Raises:
        ValueError: an unknown name or an impossible value; the message names it.
    """
    check_names(values, [f.name for f in fields(TrainingConfig)], 'training config')
    made = dict(values)
    for name, kind in _PARTS.items():
        if name in made and not is_dataclass(made[name]):
            part = made[name] if made[name] is not None else {}
            check_names(part, [f.name for f in fields(kind)], f'training config: {name}')
            made[name] = kind(**part)
    return TrainingConfig(**made)


def _override(values: dict[str, Any], assignment: str) -> None:
    name, equals, text = assignment.partition('=')
    if not equals:
        raise ValueError(f'{assignment!r}: expected key=value, for example learning_rate=3e-4')
    *path, last = name.split('.')
    place = values
    for part in path:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise ValueError(f'{assignment!r}: {part!r} holds a value, no names')
    value = yaml.safe_load(text)
    if isinstance(value, str):  # YAML 1.1 takes 1e-4 for a word
        with contextlib.suppress(ValueError):
            value = float(value)
    place[last] = value


def read_training_config(path: str | Path | None, overrides: Sequence[str] = ()) -> TrainingConfig:
    """The configuration of a YAML file with `key=value` changes; dots reach into its parts.

    `model` is a mapping, or the name of a YAML file beside this one.

    Raises:
        ValueError: broken YAML, an unknown name or an impossible value, with the file's name.
        OSError: the file cannot be read.
    """
    values: Any = {}
    where = f'{path}: ' if path else ''
    try:
        if path:
            values = yaml.safe_load(Path(path).read_text(encoding='utf-8')) or {}
        if not isinstance(values, Mapping):
            raise ValueError(f'{values!r}: expected a mapping of names to values')
        values = dict(values)
        if path and isinstance(values.get('model'), str):  # a file, seen from this one's folder
            values['model'] = read_config(Path(path).parent / values['model']).to_dict()
        values = _numbers(values)
        from_mapping(values)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(where + ' '.join(str(error).split())) from None
    for assignment in overrides:
        _override(values, assignment)
    return from_mapping(values)


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """YAML 1.1 takes 1e-4 for a word: make numbers of such, wherever a number is expected."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out[name] = _numbers(value)
        elif isinstance(value, str) and name not in (
            'data',
            'output',
            'start_from',
            'precision',
            'accelerator',
        ):
            try:
                out[name] = float(value)
            except ValueError:
                out[name] = value
        else:
            out[name] = value
    return out
