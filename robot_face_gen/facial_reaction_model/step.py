# SPDX-License-Identifier: Apache-2.0
"""The step: the next frames of a stream, as a function of tensors only.

It computes what `FacialReactionModel.forward` computes. Nothing in it depends on a tensor's
values (which windows begin, where a ring wraps), so it can be run by torch, recorded as a CUDA
graph and exported to ONNX. Its inputs, for B speakers, S sessions and n frames (n <= window_size):

- `landmarks` (B, n, 136), `au` (B, n, 18), `pose` (B, n, 4), `gaze` (B, n, 2), `audio` (B, n, 2,
  audio_dim), `face_valid` (B, n), `face_mask` (B, n, 25) and `audio_valid` (B, n) bool: the
  speaker, as `check_speaker` describes it;
- `clock` (S,) int64: the frames that each session has seen; `temperature` (): scale of the noise;
- `fresh` (S, latent_dim): standard normal noise for a window that begins in these frames;
- the state: `context` (S, feature_dim), the encoded frame before these; `noise`, `last`, `own`
  (S, latent_dim), noise and latent of the current window and the latent before it; and for each
  layer the keys and values of the newest frames, `encoder.0.keys` ... (B or S, kv_heads,
  ring_size, head_dim), where frame f is in slot f % ring_size. A new session's state is zeros.

Its outputs: `listener.landmarks` ... (S, n, width), `listener.events` (S, n, E), the logits of
events (`events.LiveMotion` adds these to the face), and the new state, each part under the name of
its input with `next.` before it. A ring may be bound to the same memory as input and output: only
the slots of the new frames are written.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from ..layout import VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from .components import (
    Attend,
    CausalLayer,
    CausalStack,
    FusedBranches,
    Rotary,
    Write,
    regrouped_out,
    regrouped_qkv,
)
from .config import BRANCHES, EMBEDDINGS_PER_FRAME, FACE_DIM
from .events import EVENTS
from .inputs import SPEAKER
from .model import FacialReactionModel
from .sessions import CONTROLS, LATENTS
from .vae import blend_weight, phase_code


class StepFunction(nn.Module):
    """The next frames of a fixed number of sessions, of as many speakers or of one.

    Some of the model's weights are copied and fused, so its later changes are not seen.
    """

    frames: Tensor
    phases: Tensor
    rows: Tensor
    slot: Tensor
    slots: Tensor
    cos: Tensor
    sin: Tensor
    copies: Tensor
    absent: Tensor
    flags: Tensor
    speaker_mean: Tensor
    speaker_std: Tensor

    @torch.no_grad()
    def __init__(self, model: FacialReactionModel, speakers: int, sessions: int) -> None:
        super().__init__()
        self.model, self.speakers, self.sessions = model, speakers, sessions
        config, geometry = model.config, model.geometry
        self.kv_heads = config.num_kv_heads
        self.head_dim = config.feature_dim // config.num_heads
        weight = model.vae.beginning

        def constant(name: str, value: Tensor) -> None:
            dtype = weight.dtype if value.is_floating_point() else None
            self.register_buffer(name, value.to(weight.device, dtype), persistent=False)

        phase, size = torch.arange(config.window_size).float(), config.window_size
        weights = blend_weight(phase, size)[:, None]
        constant('phases', torch.cat((weights, phase_code(phase, size)), dim=-1))
        constant('frames', torch.arange(size))
        constant('slots', torch.arange(geometry.ring_size))
        half = geometry.cos.shape[1] // 2
        constant('cos', geometry.cos[:, :half].contiguous())
        constant('sin', geometry.sin[:, half:].contiguous())
        axes = [torch.arange(count) for count in (sessions, 1, self.kv_heads, 1)]
        session, slot, head, _ = torch.meshgrid(axes, indexing='ij')
        constant('rows', torch.stack((session, head, slot), dim=-1))  # see `_places`
        constant('slot', torch.tensor([0, 0, 1]))
        constant('copies', torch.zeros(geometry.group, 1))
        encoder, heads = model.encoder, model.decoder.heads
        # The mask follows the face as 25 more columns: 0 for a valid value, 1 for a missing one.
        mean, std = _joined_statistics(encoder.statistics)
        one, nothing = torch.ones(VALUE_MASK_WIDTH), torch.zeros(FACE_DIM)
        constant('speaker_mean', torch.cat((mean, one.to(mean))))
        constant('speaker_std', torch.cat((std, one.to(std))))
        constant('absent', torch.cat((nothing, one)))
        constant('flags', _flag_of_each_column())
        self.face = FusedBranches(
            encoder.face.branches, shared_input=False, more=encoder.face.missing
        )
        self.heads = FusedBranches(heads.branches, shared_input=True)
        mean, std = _joined_statistics(heads.statistics)
        last = cast(nn.Linear, self.heads.layers[-1])  # its output is in the branches' own units
        last.weight.mul_(std[:, None])
        last.bias.mul_(std).add_(mean)
        layers = [*encoder.stack.layers, *model.decoder.stack.layers]
        self.qkv = nn.ModuleList(regrouped_qkv(cast(CausalLayer, layer)) for layer in layers)
        self.out = nn.ModuleList(regrouped_out(cast(CausalLayer, layer)) for layer in layers)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs and outputs in the order of the module's description."""
        names, rings = (*SPEAKER, *CONTROLS, *LATENTS), list(inputs)
        given = {name: rings.pop(0) for name in names}
        clock, temperature, fresh = (given[name] for name in CONTROLS)
        model = self.model
        frames = clock[:, None] + self.frames[: given['au'].shape[1]]  # (S, n)
        at_speaker = at_session = self._places(frames)
        mask = self._mask(frames)
        if self.sessions != self.speakers:  # sessions that share a speaker have the same clock
            at_speaker = self._places(frames[: self.speakers])
        x = self._embed(given)
        x = self._stack(model.encoder.stack, 0, x, rings, at_speaker, mask[: self.speakers])
        if self.sessions != self.speakers:
            x = x.repeat(self.sessions, 1)
        events = model.motion(x).view(self.sessions, -1, len(EVENTS))
        state = tuple(given[name] for name in LATENTS)
        latents, state = self._latents(x, frames, state, fresh, temperature)
        x = model.decoder.join(x, latents)
        depth = len(model.encoder.stack.layers)
        x = self._stack(model.decoder.stack, depth, x, rings, at_session, mask)
        return (*self._face(x), events, *state, *rings)

    def _embed(self, speaker: dict[str, Tensor]) -> Tensor:
        """Each frame by itself, (B n, feature_dim); as in `SpeakerEncoder`."""
        encoder = self.model.encoder
        mask = speaker['face_mask'].view(-1, VALUE_MASK_WIDTH)
        parts = [speaker[name].view(-1, width) for name, width in BRANCHES.items()]
        face = torch.cat((*parts, mask.to(parts[0].dtype)), dim=1)
        face = (face - self.speaker_mean) / self.speaker_std
        # A missing value, which may be NaN, becomes 0, the mean; its flag becomes 1.
        face = torch.where(mask.index_select(1, self.flags), face, self.absent)
        dim = self.model.config.audio_dim
        audio = encoder.audio.norm(speaker['audio'].view(-1, EMBEDDINGS_PER_FRAME, dim))
        return encoder.fusion(
            encoder.face.merge(self.face(face)),
            encoder.audio.net(audio.view(-1, EMBEDDINGS_PER_FRAME * dim)),
            speaker['face_valid'].view(-1),
            speaker['audio_valid'].view(-1),
        )

    def _places(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (S n, 1) of frames, and where in the rings they go, (S n, kv_heads, 1, 3)."""
        geometry, batch = self.model.geometry, frames.shape[0]
        slots = (frames % geometry.ring_size).view(batch, -1, 1, 1, 1)
        rows = self.rows if batch == self.sessions else self.rows[:batch]
        places = (rows + slots * self.slot).view(-1, *self.rows.shape[2:])
        return (frames % geometry.cycle).view(-1, 1), places

    def _mask(self, frames: Tensor) -> Tensor:
        """What each frame sees of the rings, (S, 1, group n, ring_size): 0 for seen, or -inf."""
        geometry = self.model.geometry
        newest = frames[:, -1:]
        # The remainder of a negative number differs between runtimes: this one is never negative.
        age = (newest + geometry.ring_size - self.slots) % geometry.ring_size  # (S, slots)
        lag = (newest - frames)[:, :, None]  # (S, n, 1): no frame sees later ones
        limit = torch.minimum(lag + geometry.window, newest[:, :, None] + 1)
        visible = (age[:, None] >= lag) & (age[:, None] < limit)
        mask = torch.where(visible, 0.0, -math.inf).to(self.copies.dtype)[:, :, None] + self.copies
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
        """`CausalStack`, with `below` layers before it; the new rings replace those in `rings`."""
        at, where = places
        batch, shared, width = len(rings[2 * below]), self.kv_heads, self.head_dim
        queries = shared * self.model.geometry.group
        for index, layer in enumerate(stack.layers, below):
            layer = cast(CausalLayer, layer)
            qkv = self.qkv[index](layer.attention_norm(x))
            qkv = qkv.view(-1, queries + 2 * shared, 1, width)
            qk, v = qkv.split((queries + shared, shared), dim=1)
            q, k = Rotary.call(qk, at, self.cos, self.sin).split((queries, shared), dim=1)
            keys = rings[2 * index] = Write.call(rings[2 * index], where, k)
            values = rings[2 * index + 1] = Write.call(rings[2 * index + 1], where, v)
            q = q.reshape(batch, -1, shared * width)
            found = Attend.call(q, keys, values, mask).view(-1, queries * width)
            x = x + self.out[index](found)
            x = x + layer.feedforward(x)
        return stack.norm(x)

    def _latents(
        self,
        encoded: Tensor,
        frames: Tensor,
        state: tuple[Tensor, ...],
        fresh: Tensor,
        temperature: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The frames' latents (S n, latent_dim + 2) and the new state of the windows.

        At most one window begins in a step, for it has at most `window_size` frames.
        """
        vae, size = self.model.vae, self.model.config.window_size
        context, noise, last, own = state
        encoded = encoded.view(self.sessions, -1, context.shape[1])
        phase = frames % size  # (S, n)
        begins = (size - phase[:, :1]) % size  # (S, 1)
        new = frames >= frames[:, :1] + begins  # (S, n), the frames of the new window
        starting, first = new[:, -1:], frames[:, :1] + begins == 0
        before = torch.cat((context[:, None], encoded), dim=1)
        index = (begins * starting)[:, :, None].expand(-1, -1, context.shape[1])
        seen_before = torch.where(first, vae.beginning, before.gather(1, index)[:, 0])
        mean, spread = vae.prior_moments(seen_before)
        drawn = torch.where(first, fresh, vae.correlate(noise, fresh))
        latent = mean + spread * vae.mixed(temperature * drawn)
        previous = torch.where(first, latent, own)
        lasts = torch.where(new[..., None], previous[:, None], last[:, None])
        owns = torch.where(new[..., None], latent[:, None], own[:, None])
        code = self.phases[phase]
        latents = torch.cat((lasts + code[..., :1] * (owns - lasts), code[..., 1:]), dim=-1)
        noise = torch.where(starting, drawn, noise)
        width = vae.latent_dim + 2
        return latents.view(-1, width), (encoded[:, -1], noise, lasts[:, -1], owns[:, -1])

    def _face(self, x: Tensor) -> list[Tensor]:
        """The branches in their own units, (S, n, width) each; as `FaceHeads`."""
        parts = self.heads(x).view(self.sessions, -1, FACE_DIM).split(list(BRANCHES.values()), -1)
        face = dict(zip(BRANCHES, parts, strict=True))
        face['au'] = self.model.decoder.heads.clamp(face['au'])
        return list(face.values())


def _flag_of_each_column() -> Tensor:
    """For each of the 160 values of a face, then for each flag itself, the index of its flag."""
    flags = torch.arange(VALUE_MASK_WIDTH)
    values = [flags[VALUE_MASK_SLICES[name]].expand(width) for name, width in BRANCHES.items()]
    return torch.cat((*values, flags))


def _joined_statistics(statistics: nn.Module) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of all branches side by side, (160,)."""
    mean, std = (
        torch.cat([getattr(statistics, f'{name}_{kind}') for name in BRANCHES])
        for kind in ('mean', 'std')
    )
    return mean, std
