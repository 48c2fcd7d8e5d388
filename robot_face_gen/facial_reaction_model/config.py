# SPDX-License-Identifier: Apache-2.0
"""Configuration of a model, and the description that a checkpoint carries; no torch."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from ..layout import BRANCHES as BRANCHES
from ..layout import FACE_DIM as FACE_DIM
from ..timing import EMBEDDINGS_PER_FRAME as EMBEDDINGS_PER_FRAME
from ..timing import MAX_AUDIO_DELAY_S

MAX_TEMPERATURE = 10.0
# Largest value of each size. A checkpoint is data: its numbers must not exhaust the memory.
_LARGEST = {
    'feature_dim': 2048, 'audio_dim': 4096, 'window_size': 256, 'max_seq_len': 4096,
    'period': 1000, 'latent_dim': 2048, 'num_heads': 64, 'num_kv_heads': 64,
    'encoder_layers': 48, 'decoder_layers': 48, 'feedforward_dim': 8192,
}  # fmt: skip


def check_names(values: Any, known: Collection[str], where: str) -> None:
    """Refuse anything but a mapping of known names; the error suggests the closest name."""
    if not isinstance(values, Mapping):
        raise ValueError(f'{where}: {values!r}: expected a mapping of names to values')
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            hint = f'; did you mean {near[0]!r}?' if near else f'; known: {", ".join(known)}'
            raise ValueError(f'{where}: unknown name {name!r}{hint}')


def check_types(config: Any, where: str) -> None:
    """Check a frozen dataclass's fields against the types of their defaults.

    An int is accepted, and converted, where a float is expected.
    """
    for field_ in fields(config):
        value = getattr(config, field_.name)
        kind = type(field_.default)
        if field_.default is MISSING:
            continue
        if kind is float and type(value) is int:
            object.__setattr__(config, field_.name, float(value))
        elif type(value) is not kind:
            raise ValueError(f'{where}: {field_.name} = {value!r}: expected {kind.__name__}')


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network; ``config/model_config.yaml`` holds the same defaults.

    Raises:
        ValueError: a value is out of range; the message names it.
    """

    feature_dim: int = 256  # width of a frame inside the network
    audio_dim: int = 384  # width of one Whisper embedding (384 for `tiny`)
    window_size: int = 16  # frames that share a latent
    max_seq_len: int = 750  # frames that attention sees, the newest included
    period: int = 25  # frames per second; one rotary frequency has this period
    latent_dim: int = 64
    num_heads: int = 8
    num_kv_heads: int = 2  # key and value heads; each is shared by a group of query heads
    encoder_layers: int = 4
    decoder_layers: int = 2
    feedforward_dim: int = 512
    dropout: float = 0.1
    latent_correlation: float = 0.7  # of the noise of one window with the next, 0..1
    temperature: float = 1.0  # default scale of the noise
    speaker_reconstruction: bool = False  # also reconstruct the speaker's face (training task)

    def __post_init__(self) -> None:
        """Check every value, by name."""
        check_types(self, 'model config')
        for name, largest in _LARGEST.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ValueError(
                    f'model config: {name} = {getattr(self, name)}: expected 1 to {largest}'
                )
        heads, key_heads = self.num_heads, self.num_kv_heads
        for name, is_good, expected in (
            ('feature_dim', self.feature_dim % (2 * heads) == 0,
             f'a multiple of 2 x num_heads = {2 * heads}'),
            ('num_kv_heads', heads % key_heads == 0, f'a divisor of num_heads = {heads}'),
            ('max_seq_len', self.max_seq_len >= self.window_size,
             f'at least window_size = {self.window_size}'),
            ('dropout', 0.0 <= self.dropout < 1.0, '0 to below 1'),
            ('latent_correlation', 0.0 <= self.latent_correlation < 1.0, '0 to below 1'),
            ('temperature', 0.0 <= self.temperature <= MAX_TEMPERATURE,
             f'0 to {MAX_TEMPERATURE:.0f}'),
        ):  # fmt: skip
            if not is_good:
                raise ValueError(
                    f'model config: {name} = {getattr(self, name)}: expected {expected}'
                )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Make a configuration from names and values, as in a YAML file.

        Raises:
            ValueError: an unknown name (the closest known one is suggested) or a bad value.
        """
        check_names(values, [field_.name for field_ in fields(cls)], 'model config')
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain names and values."""
        return asdict(self)


def check_temperature(temperature: float | None, config: ModelConfig) -> float:
    """The temperature to use; None is the configuration's.

    Raises:
        ValueError: it is not in 0..MAX_TEMPERATURE.
    """
    value = config.temperature if temperature is None else float(temperature)
    if not 0.0 <= value <= MAX_TEMPERATURE:
        raise ValueError(f'temperature = {value}: expected 0 to {MAX_TEMPERATURE:.0f}')
    return value


@dataclass
class CheckpointInfo:
    """What a checkpoint says about its training and the inputs that it expects."""

    trained_on: str = ''  # '' if it is not trained
    audio_encoder: str = ''  # id of the Whisper weights; '' for any
    audio: dict[str, Any] = field(default_factory=dict)  # how embeddings were made (hop_s, ...)
    face_crop: dict[str, Any] = field(default_factory=dict)  # parameters of the landmark crop
    training: dict[str, Any] = field(default_factory=dict)  # configuration and results

    @property
    def trained(self) -> bool:
        """Whether the weights were trained."""
        return bool(self.trained_on)

    @property
    def audio_delay_s(self) -> float:
        """How much older than its face the sound of a frame is; 0 in older checkpoints.

        Raises:
            ValueError: the value is impossible.
        """
        value = self.audio.get('delay_s', 0.0)
        if type(value) not in (int, float) or not 0.0 <= value <= MAX_AUDIO_DELAY_S:
            raise ValueError(
                f'audio: delay_s = {value!r}: expected 0 to {MAX_AUDIO_DELAY_S:g} seconds'
            )
        return float(value)

    def to_dict(self) -> dict[str, Any]:
        """As plain names and values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CheckpointInfo:
        """The inverse of `to_dict`; unknown names (of a later version) are ignored.

        Raises:
            ValueError: a value has the wrong type, or is impossible.
        """
        known = {f.name: f for f in fields(cls)}
        for name, value in values.items():
            if name in known:
                kind = str if known[name].type == 'str' else dict
                if not isinstance(value, kind):
                    raise ValueError(f'{name} = {value!r}: expected {kind.__name__}')
        info = cls(**{name: value for name, value in values.items() if name in known})
        _ = info.audio_delay_s  # checks it
        return info


# 68 points of a neutral face in thousandths of the face crop: jaw, brows, nose, eyes, lips.
_X = (
    194, 199, 214, 238, 273, 318, 372, 434, 500, 566, 628, 682, 727, 762, 786, 801, 806, 239,
    286, 333, 383, 433, 567, 617, 667, 714, 761, 500, 500, 500, 500, 430, 464, 500, 536, 570,
    284, 321, 372, 405, 372, 321, 595, 628, 679, 716, 679, 628, 379, 420, 468, 500, 532, 580,
    621, 580, 532, 500, 468, 420, 395, 464, 500, 536, 605, 536, 500, 464,
)  # fmt: skip
_Y = (
    356, 455, 539, 616, 684, 742, 788, 819, 831, 819, 788, 742, 684, 616, 539, 455, 356, 222,
    201, 188, 188, 199, 199, 188, 188, 201, 222, 304, 361, 419, 479, 506, 522, 528, 522, 506,
    317, 294, 294, 321, 338, 339, 321, 294, 294, 317, 339, 338, 653, 635, 625, 630, 625, 635,
    653, 688, 706, 710, 706, 688, 655, 658, 659, 658, 655, 661, 661, 661,
)  # fmt: skip
# Mean and spread of each branch; landmarks x0..x67 then y0..y67, angles in radians, metres.
TYPICAL: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    'landmarks': (tuple(value / 1000 for value in (*_X, *_Y)), (0.02,) * 136),
    'au': ((0.3,) * 17 + (0.0,), (0.5,) * 17 + (0.1,)),
    'pose': ((0.0, 0.0, 0.0, 0.65), (0.05, 0.05, 0.05, 0.02)),
    'gaze': ((0.0, 0.0), (0.08, 0.08)),
}
