# SPDX-License-Identifier: Apache-2.0
"""What a caller gives, checked by name, and the noise that belongs to a seed; no torch.

What is drawn for a window depends on its session's seed and its number only. Nothing is drawn in
sequence, so a session can be cut, saved and resumed anywhere.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..layout import VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from .config import BRANCHES, EMBEDDINGS_PER_FRAME, ModelConfig

Seeds = int | Sequence[int] | None
_MASK64 = (1 << 64) - 1
# Masks and what follows (B, T) in their shapes.
MASKS: dict[str, tuple[int, ...]] = {
    'face_valid': (),
    'face_mask': (VALUE_MASK_WIDTH,),
    'audio_valid': (),
}
SPEAKER = (*BRANCHES, 'audio', *MASKS)  # what a step takes of the speaker, in this order


def check_speaker(data: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    """Check a speaker's data and bring it into one form.

    Args:
        data: arrays or tensors: `landmarks` (B, T, 136), `au` (B, T, 18), `pose` (B, T, 4), `gaze`
            (B, T, 2); `audio` (B, T, 2, audio_dim) or (B, 2 T, audio_dim), or (B, T, audio_dim)
            with one embedding per frame; left out if there is no sound; `face_valid` and
            `audio_valid` (B, T) bool, true by default; `face_mask` (B, T, 25) bool, which values
            of a valid face are valid, in the order of `layout.VALUE_MASK_SLICES`, true by default.
            A value that is not valid may be any number, NaN too.
        config: of the model.

    Returns:
        dict: the names of `SPEAKER`; `audio` is (B, T, 2, audio_dim). Tensors stay tensors.

    Raises:
        ValueError: a name is missing or unknown, a shape wrong, a number not finite.
    """
    if not isinstance(data, Mapping):
        raise ValueError(
            f'speaker_data is a {type(data).__name__}: expected a dict of {", ".join(SPEAKER)}'
        )
    for name in data:
        if name not in SPEAKER:
            raise ValueError(
                f'speaker_data has an unknown name {name!r}: expected {", ".join(SPEAKER)}'
            )
    out = check_face(data, 'speaker_data')
    batch, frames = out['landmarks'].shape[:2]
    audio = data.get('audio')
    if audio is None:
        out['audio'] = np.zeros((batch, frames, EMBEDDINGS_PER_FRAME, config.audio_dim), 'f')
    else:
        out['audio'] = _audio(_array(audio), batch, frames, config.audio_dim)
    out['face_valid'] = _mask('speaker_data', 'face_valid', data, (batch, frames))
    heard = _mask('speaker_data', 'audio_valid', data, (batch, frames))
    out['audio_valid'] = heard if audio is not None else heard & False
    return out


def check_face(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The four branches (B, T, width) of a face and `face_mask`; see `check_speaker`."""
    missing = [name for name in BRANCHES if name not in data]
    if missing:
        raise ValueError(f'{where} lacks {", ".join(missing)}: expected {", ".join(BRANCHES)}')
    out = {name: _array(data[name]) for name in BRANCHES}
    batch, frames = (*out['landmarks'].shape, 0, 0)[:2]
    for name, value in out.items():
        shape, width = tuple(value.shape), BRANCHES[name]
        if len(shape) != 3 or shape[2] != width:
            raise ValueError(f'{where}[{name!r}] has shape {shape}: expected (B, T, {width})')
        if shape[:2] != (batch, frames):
            raise ValueError(
                f'{where}[{name!r}] has shape {shape}: '
                f'expected {batch} x {frames} frames, as its landmarks have'
            )
    if batch == 0 or frames == 0:
        raise ValueError(f'{where} has {batch} x {frames} frames: expected at least one')
    mask = _mask(where, 'face_mask', data, (batch, frames))
    for name, value in out.items():
        _check_finite(where, name, value, mask)
    out['face_mask'] = mask
    return out


def _array(value: Any) -> Any:
    return value if hasattr(value, 'ndim') else np.asarray(value)


def _check_finite(where: str, name: str, value: Any, mask: Any = None) -> None:
    """Refuse numbers that are not finite, except where a face's mask is false."""
    value = value.detach() if hasattr(value, 'detach') else value
    # Fast path: a finite sum implies finite values; a sum of finite values may overflow.
    if math.isfinite(value.sum()):
        return
    with np.errstate(invalid='ignore'):
        bad = np.asarray((value - value != 0).tolist())  # inf - inf and nan - nan are nan
    if mask is not None:
        bad &= np.asarray(mask[..., VALUE_MASK_SLICES[name]].tolist())
    if bad.any():
        place = [int(i) for i in np.argwhere(bad)[0]]
        raise ValueError(
            f'{where}[{name!r}]{place} = {float(value[tuple(place)])}: expected finite numbers'
        )


def _audio(value: Any, batch: int, frames: int, dim: int) -> Any:
    """Any of the three accepted forms to (B, T, 2, dim)."""
    shape, pair = tuple(value.shape), EMBEDDINGS_PER_FRAME
    if shape == (batch, frames * pair, dim):
        value = value.reshape(batch, frames, pair, dim)
    elif shape == (batch, frames, dim):
        value = value[:, :, None][:, :, [0] * pair]
    elif shape != (batch, frames, pair, dim):
        raise ValueError(
            f"speaker_data['audio'] has shape {shape}: expected ({batch}, {frames}, {pair}, "
            f'{dim}), two embeddings per frame, or the same as ({batch}, {pair * frames}, {dim}), '
            f'or one per frame, ({batch}, {frames}, {dim})'
        )
    _check_finite('speaker_data', 'audio', value)
    return value


def _mask(where: str, name: str, data: Mapping[str, Any], frames: tuple[int, int]) -> Any:
    """A mask (B, T) or (B, T, width); all true where none is given."""
    given, shape = data.get(name), (*frames, *MASKS[name])
    value = np.full(shape, True) if given is None else _array(given)
    is_bool = value.dtype == bool or str(value.dtype) == 'torch.bool'
    if tuple(value.shape) != shape or not is_bool:
        raise ValueError(
            f'{where}[{name!r}] is {tuple(value.shape)} {value.dtype}: expected {shape} bool'
        )
    return value


def random_seed() -> int:
    """A seed from the operating system."""
    return secrets.randbits(62)


def resolve_seeds(seed: Seeds, speakers: int, draw: Callable[[], int] = random_seed) -> list[int]:
    """One seed for each session.

    Args:
        seed: an int gives seed, seed + 1, ... to the speakers; a sequence holds one seed for each
            speaker, or any number for one speaker (several reactions); None draws.
        speakers: in the batch.
        draw: gives a new seed.

    Raises:
        ValueError: the number of seeds does not fit.
    """
    if seed is None:
        return [draw() for _ in range(speakers)]
    if isinstance(seed, (int, np.integer)):
        return [int(seed) + i for i in range(speakers)]
    seeds = [int(s) for s in seed]
    if not seeds or (speakers != 1 and len(seeds) != speakers):
        raise ValueError(
            f'seed holds {len(seeds)} seeds: expected one for each of the {speakers} speakers'
        )
    return seeds


def fresh_noise(seed: int, window: int, latent_dim: int) -> np.ndarray:
    """The innovation e of a session's window, (latent_dim,) float32, standard normal.

    Philox, a counter-based generator (Salmon et al. 2011), keyed by seed and window.
    """
    key = np.array([seed & _MASK64, window & _MASK64], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key))
    return generator.standard_normal(latent_dim, np.float32)


def beginning_window(seen: int, frames: int, window_size: int) -> int | None:
    """Number of the window that begins within the next frames (at most one); None for none."""
    return -(-seen // window_size) if -seen % window_size < frames else None
