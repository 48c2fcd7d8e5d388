# SPDX-License-Identifier: Apache-2.0
"""Seeds and noise: what is drawn for a window depends on its session's seed and its number only.

Nothing is drawn in sequence, so a session can be cut, saved and resumed anywhere. No torch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import numpy as np

Seeds = int | Sequence[int] | None
_MASK64 = (1 << 64) - 1


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
