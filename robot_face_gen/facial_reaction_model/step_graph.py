# SPDX-License-Identifier: Apache-2.0
"""A step of the model as a function of tensors alone, of fixed shape: what can be recorded.

`FacialReactionModel.step` looks at numbers on the way: which windows begin, where a ring wraps.
Here all of that is arithmetic of tensors, so that an exporter can follow it and a GPU
replay it.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from .components import CausalLayer, CausalStack
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .model import FacialReactionModel
from .step_names import CLOCKS, LATENTS, SPEAKER
from .step_operators import Attend, Rotary, Write
from .step_weights import Together, merged_out, merged_qkv
from .vae import blend_weight, phase_code

_KINDS = ('mean', 'std')


class StepGraph(nn.Module):
    """`FacialReactionModel.step`, without a look at any number on the way.

    Frames of all sessions are rows of matrices, and the number of sessions is fixed: so hardly a
    shape is left to be computed while it runs.

    Args:
        model: whose weights are used; it is not changed.
        speakers: in the batch.
        sessions: in the batch; several may share one speaker.
    """

    frames: Tensor
    phases: Tensor
    places: Tensor
    slot: Tensor
    copies: Tensor
    cos: Tensor
    sin: Tensor
    speaker_mean: Tensor
    speaker_std: Tensor

    def __init__(self, model: FacialReactionModel, speakers: int, sessions: int) -> None:
        super().__init__()
        self.model, self.speakers, self.sessions = model, speakers, sessions
        size, geometry = model.config.window_size, model.geometry
        phase = torch.arange(size).float()
        table = torch.cat((blend_weight(phase, size)[:, None], phase_code(phase, size)), dim=-1)
        half = geometry.cos.shape[1] // 2
        self.register_buffer('phases', table, persistent=False)
        self.register_buffer('cos', geometry.cos[:, :half].contiguous(), persistent=False)
        self.register_buffer('sin', geometry.sin[:, half:].contiguous(), persistent=False)
        self.register_buffer('frames', torch.arange(size), persistent=False)
        kv_heads = model.encoder.stack.kv_heads
        axes = [torch.arange(count) for count in (max(sessions, speakers), 1, kv_heads, 1)]
        session, slot, head, _ = torch.meshgrid(axes, indexing='ij')
        places = torch.stack((session, head, slot), dim=-1)
        self.register_buffer('places', places, persistent=False)  # but for the slot: see _places
        self.register_buffer('slot', torch.tensor([0, 0, 1]), persistent=False)
        self.register_buffer('copies', torch.zeros(geometry.group, 1), persistent=False)
        self.face = Together(model.encoder.face.branches, shared_input=False)
        self.heads = Together(model.decoder.heads.branches, shared_input=True)
        mean, std = (_joined_statistics(model.encoder.statistics, kind) for kind in _KINDS)
        self.register_buffer('speaker_mean', mean, persistent=False)
        self.register_buffer('speaker_std', std, persistent=False)
        mean, std = (_joined_statistics(model.decoder.heads.statistics, kind) for kind in _KINDS)
        last = cast(nn.Linear, self.heads.layers[-1])  # it gives the listener's own units
        last.weight.mul_(std[:, None])
        last.bias.mul_(std).add_(mean)
        layers = [*model.encoder.stack.layers, *model.decoder.stack.layers]
        self.qkv = nn.ModuleList(merged_qkv(cast(CausalLayer, layer)) for layer in layers)
        self.out = nn.ModuleList(merged_out(cast(CausalLayer, layer)) for layer in layers)
        self.to(model.device)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs and outputs as the module's description lists them."""
        names, rings = (*SPEAKER, *CLOCKS, *LATENTS), list(inputs)
        given = {name: rings.pop(0) for name in names}
        speaker = {name: given[name] for name in SPEAKER}
        clock, starts, temperature, fresh = (given[name] for name in CLOCKS)
        state = tuple(given[name] for name in LATENTS)
        model = self.model
        frames = clock[:, None] + self.frames[: speaker['au'].shape[1]]  # (S, n)
        held = places = self._places(frames)
        mask = seen = self._mask(frames, starts)
        x = self._embed(speaker)
        if self.sessions != self.speakers:  # who shares a speaker shares his clock
            held = self._places(frames[: self.speakers])
            seen = mask[: self.speakers]
        depth = len(model.encoder.stack.layers)
        x = self._stack(model.encoder.stack, 0, x, rings, held, seen)
        if self.sessions != self.speakers:
            x = x.repeat(self.sessions, 1)
        latents, state = self._latents(x, frames, starts, state, fresh, temperature)
        x = model.decoder.join(x, latents)
        x = self._stack(model.decoder.stack, depth, x, rings, places, mask)
        return (*self._face(x), *state, *rings)

    def _face(self, x: Tensor) -> list[Tensor]:
        """As `FaceHeads`, (S, n, width) each."""
        joined = self.heads(x).view(self.sessions, -1, sum(BRANCHES.values()))
        parts = joined.split(list(BRANCHES.values()), dim=-1)
        face = dict(zip(BRANCHES, parts, strict=True))
        face['au'] = torch.minimum(face['au'].clamp(min=0.0), self.model.decoder.heads.highest)
        return list(face.values())

    def _embed(self, speaker: dict[str, Tensor]) -> Tensor:
        """As `SpeakerEncoder.embed`, (B n, feature_dim)."""
        encoder = self.model.encoder
        face = torch.cat([speaker[name].view(-1, width) for name, width in BRANCHES.items()], 1)
        face = (face - self.speaker_mean) / self.speaker_std
        dim = self.model.config.audio_dim
        sound = encoder.audio.norm(speaker['audio'].view(-1, EMBEDDINGS_PER_FRAME, dim))
        return encoder.fusion(
            encoder.face.merge(self.face(face)),
            encoder.audio.net(sound.view(-1, EMBEDDINGS_PER_FRAME * dim)),
            speaker['face_valid'].view(-1),
            speaker['audio_valid'].view(-1),
        )

    def _places(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (S n, 1) of frames, and where in the rings they go, (S n, kv_heads, 1, 3)."""
        geometry, batch = self.model.geometry, frames.shape[0]
        slots = (frames % geometry.ring_size).view(batch, -1, 1, 1, 1)
        places = self.places if batch == len(self.places) else self.places[:batch]
        places = (places + slots * self.slot).view(-1, *self.places.shape[2:])
        return (frames % geometry.cycle).view(-1, 1), places

    def _mask(self, frames: Tensor, starts: Tensor) -> Tensor:
        """As `Geometry.ring_mask`: 0 where a frame sees a slot, -inf elsewhere."""
        geometry = self.model.geometry
        newest = frames[:, -1:]
        # The remainder of a negative number would differ between machines: this one is never.
        age = (newest + geometry.ring_size - geometry.slots) % geometry.ring_size  # (S, slots)
        lag = (newest - frames)[:, :, None]  # (S, n, 1): a frame sees nothing that came after it
        limit = torch.minimum(lag + geometry.window, (newest - starts[:, None] + 1)[:, :, None])
        visible = (age[:, None] >= lag) & (age[:, None] < limit)
        mask = torch.where(visible, 0.0, -math.inf)[:, :, None] + self.copies
        return mask.view(self.sessions, 1, -1, geometry.ring_size)

    def _stack(
        self,
        stack: CausalStack,
        below: int,
        x: Tensor,
        rings: list[Tensor],
        places: tuple[Tensor, Tensor],
        mask: Tensor,
    ) -> Tensor:
        """`CausalStack.step`, with `below` layers before it; `rings` are replaced by the new."""
        at, where = places
        batch, shared = len(rings[2 * below]), stack.kv_heads
        queries = shared * self.model.geometry.group
        for index, layer in enumerate(stack.layers, below):
            layer = cast(CausalLayer, layer)
            qkv = self.qkv[index](layer.attention_norm(x))
            qkv = qkv.view(-1, queries + 2 * shared, 1, stack.head_dim)
            qk, v = qkv.split((queries + shared, shared), dim=1)
            q, k = Rotary.apply(qk, at, self.cos, self.sin).split((queries, shared), dim=1)
            keys = rings[2 * index] = Write.apply(rings[2 * index], where, k)
            values = rings[2 * index + 1] = Write.apply(rings[2 * index + 1], where, v)
            q = q.reshape(batch, -1, shared * stack.head_dim)
            found = Attend.apply(q, keys, values, mask)
            found = found.view(-1, queries * stack.head_dim)
            x = x + self.out[index](found)
            x = x + layer.feedforward(x)
        return stack.norm(x)

    def _latents(
        self,
        encoded: Tensor,
        frames: Tensor,
        starts: Tensor,
        state: tuple[Tensor, ...],
        fresh: Tensor,
        temperature: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `FacialReactionModel._advance`; at most one window begins in a step."""
        vae, size = self.model.vae, self.model.config.window_size
        context, noise, last, own = state
        encoded = encoded.view(self.sessions, -1, context.shape[1])
        seen = frames - starts[:, None]  # (S, n)
        phase = seen % size
        begins = (size - phase[:, :1]) % size  # (S, 1)
        new = seen >= seen[:, :1] + begins  # (S, n)
        starting, first = new[:, -1:], seen[:, :1] + begins == 0
        before = torch.cat((context[:, None], encoded), dim=1)
        at = begins * starting
        index = at[:, :, None].expand(-1, -1, context.shape[1])
        seen_before = torch.where(first, vae.beginning, before.gather(1, index)[:, 0])
        mean, spread = vae.prior_moments(seen_before)
        a = vae.correlation
        correlated = a * noise + math.sqrt(1 - a * a) * fresh
        correlated = torch.where(first, fresh, correlated)
        latent = mean + spread * (temperature * correlated)
        previous = torch.where(first, latent, own)
        lasts = torch.where(new[..., None], previous[:, None], last[:, None])
        owns = torch.where(new[..., None], latent[:, None], own[:, None])
        code = self.phases[phase]
        latents = torch.cat((lasts + code[..., :1] * (owns - lasts), code[..., 1:]), dim=-1)
        noise = torch.where(starting, correlated, noise)
        width = vae.latent_dim + 2
        return latents.view(-1, width), (encoded[:, -1], noise, lasts[:, -1], owns[:, -1])


def _joined_statistics(statistics: nn.Module, kind: str) -> Tensor:
    """Mean or spread of all branches beside each other."""
    return torch.cat([getattr(statistics, f'{name}_{kind}') for name in BRANCHES])
