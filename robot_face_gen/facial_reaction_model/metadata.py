# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint says of itself beside the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class CheckpointInfo:
    """Where the weights come from and what they expect of their input."""

    trained_on: str = ''  # '' means: not trained
    audio_encoder: str = ''  # id of the Whisper weights; '' means: any
    audio: dict[str, Any] = field(
        default_factory=dict
    )  # how embeddings were made (hop_s, context_s, ...)
    face_crop: dict[str, Any] = field(default_factory=dict)  # parameters of the landmarks' crop
    training: dict[str, Any] = field(
        default_factory=dict
    )  # configuration and results of the training

    @property
    def trained(self) -> bool:
        """Whether any training went into the weights."""
        return bool(self.trained_on)

    def to_dict(self) -> dict[str, Any]:
        """As plain names and values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CheckpointInfo:
        """The inverse of `to_dict`; names that a later version added are left out."""
        known = {f.name: f for f in fields(cls)}
        for name, value in values.items():
            if name in known:
                kind = str if known[name].type == 'str' else dict
                if not isinstance(value, kind):
                    raise ValueError(f'{name} = {value!r}: expected {kind.__name__}')
        return cls(**{name: value for name, value in values.items() if name in known})
