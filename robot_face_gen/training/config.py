# SPDX-License-Identifier: Apache-2.0
"""Configuration of a training run: a YAML file, all names and values are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from robot_face_gen.facial_reaction_model import ModelConfig
from robot_face_gen.facial_reaction_model.checkpoint import read_config
from robot_face_gen.facial_reaction_model.config import check_names, check_types
from robot_face_gen.timing import CLIP_FRAMES
from robot_face_gen.yaml_file import parse_yaml

_WHERE = 'training config'
_CHOICES = {
    'precision': ('32-true', '16-mixed', 'bf16-mixed'),
    'accelerator': ('auto', 'cpu', 'gpu'),
}


@dataclass(frozen=True)
class LossWeights:
    """Weights of the five losses."""

    vae: float = 1.0
    smooth: float = 15.0
    diversity: float = 100.0
    contrastive: float = 1.0
    consistency: float = 1.0

    def __post_init__(self) -> None:
        """Check every value."""
        check_types(self, 'loss_weights')
        _at_least(0, self, 'loss_weights', *(f.name for f in fields(self)))


@dataclass(frozen=True)
class AugmentationConfig:
    """What is done to the speaker; the target is never changed."""

    temporal_dropout: float = 0.1  # share of frames without a face, and without a voice
    partial_faces: float = 0.3  # share of clips without a part that real trackers leave out
    voiceless: float = 0.06  # share of clips without a voice
    value_dropout: float = 0.01  # share of frames without a value, for each value
    feature_noise: float = 0.02  # noise on the face, in standard deviations of each value
    cropping: bool = True  # clips begin at random frames, not only at fixed ones

    def __post_init__(self) -> None:
        """Check every value."""
        check_types(self, 'augmentation')
        _at_least(0, self, 'augmentation', *(f.name for f in fields(self)))
        for name in ('temporal_dropout', 'value_dropout'):
            if getattr(self, name) >= 1:
                raise ValueError(
                    f'augmentation: {name} = {getattr(self, name)}: expected 0 to below 1'
                )
        for name in ('partial_faces', 'voiceless'):
            if getattr(self, name) > 1:
                raise ValueError(f'augmentation: {name} = {getattr(self, name)}: expected 0 to 1')


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training run; `config/training_config.yaml` lists and explains them.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    data: str = 'data/prepared'
    output: str = 'runs/train'
    start_from: str = ''
    seed: int = 0
    num_epochs: int = 100
    batch_size: int = 4
    clip_frames: int = CLIP_FRAMES
    samples: int = 3
    learning_rate: float = 1e-4
    warmup_steps: int = 100
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    accumulate: int = 1
    kl_weight: float = 0.05
    free_bits: float = 0.02
    event_weight: float = 1.0
    patience: int = 0
    validate_every: int = 1
    precision: str = '32-true'
    accelerator: str = 'auto'
    devices: int = 0
    num_nodes: int = 1
    workers: int = 0
    resume: bool = True
    loss_weights: LossWeights = field(default_factory=LossWeights)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        """Check every value."""
        check_types(self, _WHERE)
        _at_least(
            0, self, _WHERE, 'weight_decay', 'kl_weight', 'free_bits', 'event_weight', 'patience',
            'warmup_steps', 'devices', 'workers', 'gradient_clip', 'num_epochs',
        )  # fmt: skip
        _at_least(
            1, self, _WHERE, 'batch_size', 'samples', 'accumulate',
            'validate_every', 'num_nodes', 'clip_frames',
        )  # fmt: skip
        if self.samples < 2 and (self.loss_weights.diversity or self.loss_weights.contrastive):
            raise ValueError(
                f'{_WHERE}: samples = 1: the diversity and contrastive losses need at least 2'
            )
        if not self.learning_rate > 0:
            raise ValueError(f'{_WHERE}: learning_rate = {self.learning_rate}: expected above 0')
        if not (self.num_epochs or self.start_from):
            raise ValueError(
                f'{_WHERE}: num_epochs = 0: without training, start_from must name trained weights'
            )
        if self.validate_every > max(self.num_epochs, 1):
            raise ValueError(
                f'{_WHERE}: validate_every = {self.validate_every}: expected at most '
                f'num_epochs = {self.num_epochs}'
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f'{_WHERE}: {name} = {getattr(self, name)!r}: expected {", ".join(allowed)}'
                )

    def to_dict(self) -> dict[str, Any]:
        """As plain names and values, as in the YAML file."""
        return asdict(self)


def _at_least(least: int, config: Any, where: str, *names: str) -> None:
    for name in names:
        if not getattr(config, name) >= least:
            raise ValueError(
                f'{where}: {name} = {getattr(config, name)}: expected at least {least}'
            )


_PARTS: dict[str, Any] = {
    'loss_weights': LossWeights,
    'augmentation': AugmentationConfig,
    'model': ModelConfig,
}


def from_mapping(values: Any) -> TrainingConfig:
    """Make a configuration from nested names and values.

    Raises:
        ValueError: an unknown name or an impossible value; the message names it.
    """
    check_names(values, [f.name for f in fields(TrainingConfig)], _WHERE)
    made = dict(values)
    for name, kind in _PARTS.items():
        if name in made and not is_dataclass(made[name]):
            part = made[name] if made[name] is not None else {}
            check_names(part, [f.name for f in fields(kind)], f'{_WHERE}: {name}')
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
            raise ValueError(f'{assignment!r}: {part!r} is a value, not a group of options')
    place[last] = parse_yaml(text)


def read_training_config(path: str | Path | None, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a YAML file and apply `key=value` changes, for example `loss_weights.smooth=5`.

    `model` is a mapping, or the name of a YAML file beside this one.

    Raises:
        ValueError: broken YAML, an unknown name or an impossible value, with the name of the file.
        OSError: the file cannot be read.
    """
    values: Any = {}
    where = f'{path}: ' if path else ''
    try:
        if path:
            values = parse_yaml(Path(path).read_text(encoding='utf-8')) or {}
        if not isinstance(values, Mapping):
            raise ValueError(f'{values!r}: expected a mapping of names to values')
        values = dict(values)
        if path and isinstance(values.get('model'), str):  # a file, seen from this one's folder
            values['model'] = read_config(Path(path).parent / values['model']).to_dict()
        from_mapping(values)
    except ValueError as error:
        raise ValueError(where + ' '.join(str(error).split())) from None
    for assignment in overrides:
        _override(values, assignment)
    return from_mapping(values)
