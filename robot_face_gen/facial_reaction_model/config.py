# SPDX-License-Identifier: Apache-2.0
"""What a model is made of: one frozen table of numbers, each checked by name."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

# Width of each branch of a face: 68 landmarks (x, then y), 18 action units, head pose, gaze.
BRANCHES: dict[str, int] = {'landmarks': 136, 'au': 18, 'pose': 4, 'gaze': 2}
FACE_DIM = sum(BRANCHES.values())
EMBEDDINGS_PER_FRAME = 2  # Whisper gives 50 embeddings a second, a face has 25 frames.


def check_names(values: Any, known: Collection[str], where: str) -> None:
    """Refuse what is no mapping, or has a name that is not known; the nearest one is offered."""
    if not isinstance(values, Mapping):
        raise ValueError(f'{where}: {values!r}: expected a mapping of names to values')
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f'; did you mean {near[0]!r}?' if near else f'; known: {", ".join(known)}'
            raise ValueError(f'{where}: unknown name {name!r}{hint}')


def check_types(config: Any, where: str) -> None:
    """Hold a frozen dataclass's fields against their defaults' types; an int may be a float."""
    for field in fields(config):
        value = getattr(config, field.name)
        kind = type(field.default)
        if field.default is MISSING:
            continue
        if kind is float and type(value) is int:
            object.__setattr__(config, field.name, float(value))
        elif type(value) is not kind:
            raise ValueError(f'{where}: {field.name} = {value!r}: expected {kind.__name__}')


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the network; the defaults are those of ``config/model_config.yaml``.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    feature_dim: int = 256  # width of a frame inside the network
    audio_dim: int = 384  # width of one Whisper embedding (384 for `tiny`)
    window_size: int = 16  # frames that share a latent
    max_seq_len: int = 750  # frames that attention sees, the newest included
    period: int = 25  # frames in a second; one wheel of the rotary code turns in it
    latent_dim: int = 64
    num_heads: int = 8
    num_kv_heads: int = 2  # heads of keys and values; heads of queries share them in groups
    encoder_layers: int = 4
    decoder_layers: int = 2
    feedforward_dim: int = 512
    dropout: float = 0.1
    latent_correlation: float = 0.7  # between the noise of one window and the next, 0..1
    temperature: float = 1.0  # scale of the noise where a call gives none
    speaker_reconstruction: bool = (
        False  # also give the speaker's face back (an extra training task)
    )

    def __post_init__(self) -> None:
        """Check every value, by name."""
        check_types(self, 'model config')
        for name in (
            'feature_dim',
            'audio_dim',
            'window_size',
            'max_seq_len',
            'period',
            'latent_dim',
            'num_heads',
            'num_kv_heads',
            'encoder_layers',
            'decoder_layers',
            'feedforward_dim',
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f'model config: {name} = {getattr(self, name)}: expected at least 1'
                )
        if self.feature_dim % (2 * self.num_heads):
            raise ValueError(
                f'model config: feature_dim = {self.feature_dim}: expected a multiple of '
                f'2 x num_heads = {2 * self.num_heads}'
            )
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f'model config: num_kv_heads = {self.num_kv_heads}: expected a divisor of '
                f'num_heads = {self.num_heads}'
            )
        if self.max_seq_len < self.window_size:
            raise ValueError(
                f'model config: max_seq_len = {self.max_seq_len}: expected at least '
                f'window_size = {self.window_size}'
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f'model config: dropout = {self.dropout}: expected 0 to below 1')
        if not 0.0 <= self.latent_correlation < 1.0:
            raise ValueError(
                f'model config: latent_correlation = {self.latent_correlation}: '
                'expected 0 to below 1'
            )
        if not 0.0 <= self.temperature <= 10.0:
            raise ValueError(f'model config: temperature = {self.temperature}: expected 0 to 10')

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Make a configuration from names and values, as a YAML file gives them.

        Raises:
            ValueError: a name is unknown (the nearest known one is offered) or a value impossible.
        """
        check_names(values, [field.name for field in fields(cls)], 'model config')
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain names and values."""
        return asdict(self)


def check_temperature(temperature: float | None, config: ModelConfig) -> float:
    """The temperature to use; None is the configuration's."""
    value = config.temperature if temperature is None else float(temperature)
    if not 0.0 <= value <= 10.0:
        raise ValueError(f'temperature = {value}: expected 0 to 10')
    return value
