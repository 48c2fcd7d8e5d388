# SPDX-License-Identifier: Apache-2.0
"""What a live session remembers, apart from the weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .components import Ring
from .noise import beginning_window

_TENSORS = ('starts', 'context', 'noise', 'last', 'own')


@dataclass
class SessionState:
    """State of a batch of sessions that step together; its size never grows.

    A batch of B speakers has B sessions, or one speaker has S sessions that differ in their seed
    (several answers to one person): then the encoder runs once.
    """

    clock: int  # frames since this object was made
    seeds: list[int]  # one a session
    starts: Tensor  # (S,) int64 on the CPU: the clock at which each session began
    encoder: list[Ring]  # (B, kv_heads, ring_size, head_dim) a layer
    decoder: list[Ring]  # (S, kv_heads, ring_size, head_dim) a layer
    context: Tensor  # (S, feature_dim): the encoded frame before the next one
    noise: Tensor  # (S, latent_dim): the noise of the window under way
    last: Tensor  # (S, latent_dim): the latent of the window before it
    own: Tensor  # (S, latent_dim): the latent of the window under way

    @property
    def speakers(self) -> int:
        """Speakers in the batch."""
        return self.encoder[0].keys.shape[0]

    @property
    def sessions(self) -> int:
        """Sessions in the batch."""
        return len(self.seeds)

    @property
    def frames(self) -> Tensor:
        """(S,) int64: frames that each session has seen."""
        return self.clock - self.starts

    def beginning_windows(self, frames: int, window_size: int) -> dict[int, int]:
        """Sessions in which a window begins within the next frames, and the window's number."""
        begin = {
            session: beginning_window(self.clock - start, frames, window_size)
            for session, start in enumerate(self.starts.tolist())
        }
        return {session: window for session, window in begin.items() if window is not None}

    def reset(
        self, sessions: Sequence[int] | None = None, seeds: Sequence[int] | None = None
    ) -> None:
        """Begin sessions anew, in place, without touching the others.

        Args:
            sessions: which; None is all.
            seeds: new ones, one for each of `sessions`; None keeps the old.
        """
        chosen = list(range(self.sessions)) if sessions is None else list(sessions)
        if self.speakers != self.sessions and len(chosen) != self.sessions:
            raise ValueError(
                f'sessions {chosen} share their speaker with others: expected all {self.sessions}'
            )
        self.starts[chosen] = self.clock
        self.forget(chosen)
        if seeds is not None:
            for session, seed in zip(chosen, seeds, strict=True):
                self.seeds[session] = int(seed)

    def forget(self, sessions: Sequence[int]) -> None:
        """Wipe what sessions remember: a number that is not finite would get past any mask."""
        rows = list(sessions)
        for name in _TENSORS:
            if name != 'starts':
                getattr(self, name)[rows] = 0.0
        speakers = rows if self.speakers == self.sessions else [0]
        for part, of in ((self.encoder, speakers), (self.decoder, rows)):
            for ring in part:
                ring.keys[of] = 0.0
                ring.values[of] = 0.0

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin all sessions anew in the same memory, as if this object had just been made."""
        self.clock, self.seeds = 0, list(seeds)
        rings = (*self.encoder, *self.decoder)
        for tensor in (
            *(getattr(self, name) for name in _TENSORS),
            *(part for ring in rings for part in (ring.keys, ring.values)),
        ):
            tensor.zero_()

    def nbytes(self) -> int:
        """Bytes that the state holds."""
        tensors = [getattr(self, name) for name in _TENSORS]
        tensors += [t for ring in (*self.encoder, *self.decoder) for t in (ring.keys, ring.values)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def state_dict(self) -> dict[str, Any]:
        """A copy as plain numbers, lists and tensors, safe to keep while the session goes on."""
        out: dict[str, Any] = {'clock': self.clock, 'seeds': list(self.seeds)}
        out.update({name: getattr(self, name).clone() for name in _TENSORS})
        for part in ('encoder', 'decoder'):
            for layer, ring in enumerate(getattr(self, part)):
                out[f'{part}.{layer}.keys'] = ring.keys.clone()
                out[f'{part}.{layer}.values'] = ring.values.clone()
        return out

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave; the shapes must be this state's.

        Raises:
            ValueError: a part is missing, unknown or of another shape; nothing is changed then.
        """
        mine = self.state_dict()
        for name in (*mine.keys() - saved.keys(), *saved.keys() - mine.keys()):
            raise ValueError(
                f'saved session: {name!r} is {"missing" if name in mine else "unknown"}: '
                'it is of another model'
            )
        for name, tensor in mine.items():
            shape = tuple(getattr(saved[name], 'shape', ()))
            if isinstance(tensor, Tensor) and tuple(tensor.shape) != shape:
                raise ValueError(
                    f'saved session: {name!r} has shape {shape}: expected {tuple(tensor.shape)}'
                )
        clock, seeds = int(saved['clock']), [int(seed) for seed in saved['seeds']]
        self.clock, self.seeds = clock, seeds
        for name in _TENSORS:
            getattr(self, name).copy_(torch.as_tensor(saved[name]))
        for part in ('encoder', 'decoder'):
            for layer, ring in enumerate(getattr(self, part)):
                ring.keys.copy_(torch.as_tensor(saved[f'{part}.{layer}.keys']))
                ring.values.copy_(torch.as_tensor(saved[f'{part}.{layer}.values']))
