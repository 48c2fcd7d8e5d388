"""A step of the model as a function of tensors alone, of fixed shape: what can be recorded.

`FacialReactionModel.step` looks at numbers on the way: which windows begin, where a ring wraps.
Here all of that is arithmetic of tensors, so that an exporter can follow it and a GPU
replay it.
"""

from __future__ import annotations

import copy
import math
from typing import cast

import torch
from torch import Tensor, nn

from .components import CausalLayer, CausalStack
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .model import FacialReactionModel
from .vae import blend_weight, phase_code

MASKS = ('face_valid', 'audio_valid')
SPEAKER = (*BRANCHES, 'audio', *MASKS)
CLOCKS = ('clock', 'starts', 'temperature', 'fresh')  # see `onnx_graph` for all inputs
LATENTS = ('context', 'noise', 'last', 'own')


class _Rotary(torch.autograd.Function):
    """`components.rotate` as one operator of ONNX Runtime: x (B, heads, n, width), at (B, n)."""

    @staticmethod
    def forward(ctx, x: Tensor, at: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        cos, sin = (torch.cat((table, table), dim=-1)[at][:, None] for table in (cos, sin))
        half = x.shape[-1] // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin

    @staticmethod
    def symbolic(g, x, at, cos, sin):
        return g.op('com.microsoft::RotaryEmbedding', x, at, cos, sin).setType(x.type())


class _Write(torch.autograd.Function):
    """Put new frames (B, heads, n, width) into a ring, in place, at `places` (B, heads, n, 3)."""

    @staticmethod
    def forward(ctx, ring: Tensor, places: Tensor, new: Tensor) -> Tensor:
        return ring.index_put_(places.unbind(-1), new)

    @staticmethod
    def symbolic(g, ring, places, new):
        return g.op('ScatterND', ring, places, new).setType(ring.type())


def _scaled_qkv(layer: nn.Module) -> nn.Linear:
    """The projection with its queries already scaled: later it would cost a pass of its own."""
    qkv = copy.deepcopy(cast(CausalLayer, layer).attention.qkv).requires_grad_(False)
    width = qkv.in_features
    scale = (width // cast(CausalLayer, layer).attention.heads) ** -0.5
    qkv.weight[:width] *= scale
    qkv.bias[:width] *= scale
    return qkv


class _Together(nn.Module):
    """Networks of the four branches, each Linear, GELU or two Linear around it, as one.

    The branches' weights lie on the diagonal of one matrix: a few zeros more to read, and a
    quarter of the operators, each of which costs some microseconds.
    """

    def __init__(self, branches: nn.ModuleDict, *, shared_input: bool) -> None:
        super().__init__()
        nets = [cast(nn.Sequential, branches[name]) for name in BRANCHES]
        layers = [
            [cast(nn.Linear, net[place]) for net in nets]
            for place, layer in enumerate(nets[0])
            if isinstance(layer, nn.Linear)
        ]
        self.layers = nn.ModuleList(
            _joined(parts, shared_input=shared_input and not place)
            for place, parts in enumerate(layers)
        )
        self.ends_with_gelu = isinstance(nets[0][-1], nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        for place, layer in enumerate(self.layers):
            x = layer(x)
            if self.ends_with_gelu or place + 1 < len(self.layers):
                x = nn.functional.gelu(x)
        return x


def _joined(parts: list[nn.Linear], *, shared_input: bool) -> nn.Linear:
    """Several projections as one, of the same input or each of a part of it."""
    weights = [part.weight for part in parts]
    weight = torch.cat(weights) if shared_input else torch.block_diag(*weights)
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.copy_(weight)
    linear.bias.copy_(torch.cat([part.bias for part in parts]))
    return linear.requires_grad_(False)


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
    rows: Tensor
    slot: Tensor
    cos: Tensor
    sin: Tensor
    speaker_mean: Tensor
    speaker_std: Tensor
    listener_mean: Tensor
    listener_std: Tensor

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
        axes = [torch.arange(count) for count in (max(sessions, speakers), kv_heads, 1)]
        places = torch.stack(torch.meshgrid(axes, indexing='ij'), dim=-1)
        places[..., 2] = 0  # where the slot is added
        self.register_buffer('rows', places, persistent=False)
        self.register_buffer('slot', torch.tensor([0, 0, 1]), persistent=False)
        self.face = _Together(model.encoder.face.branches, shared_input=False)
        self.heads = _Together(model.decoder.heads.branches, shared_input=True)
        for kind in ('mean', 'std'):
            for part, of in (('speaker', model.encoder), ('listener', model.decoder.heads)):
                values = [getattr(of.statistics, f'{name}_{kind}') for name in BRANCHES]
                self.register_buffer(f'{part}_{kind}', torch.cat(values), persistent=False)
        stacks = (model.encoder.stack, model.decoder.stack)
        self.qkv = nn.ModuleList(
            nn.ModuleList(_scaled_qkv(layer) for layer in stack.layers) for stack in stacks
        )
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
        mask = self._mask(frames, starts)
        depth = 2 * len(model.encoder.stack.layers)
        held, answered = rings[:depth], rings[depth:]
        x = self._stack(
            model.encoder.stack, self._embed(speaker), held, frames[: self.speakers],
            mask[: self.speakers],
        )  # fmt: skip
        if self.sessions != self.speakers:
            x = x.repeat(self.sessions, 1)
        latents, state = self._latents(x, frames, starts, state, fresh, temperature)
        x = model.decoder.join(x, latents)
        x = self._stack(model.decoder.stack, x, answered, frames, mask)
        return (*self._face(x), *state, *held, *answered)

    def _face(self, x: Tensor) -> list[Tensor]:
        """As `FaceHeads`, (S, n, width) each."""
        joined = self.heads(x) * self.listener_std + self.listener_mean
        parts = joined.view(self.sessions, -1, sum(BRANCHES.values())).split(
            list(BRANCHES.values()), dim=-1
        )
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

    def _mask(self, frames: Tensor, starts: Tensor) -> Tensor:
        """As `Geometry.ring_mask`: 0 where a frame sees a slot, -inf elsewhere."""
        geometry = self.model.geometry
        newest = frames[:, -1:]
        # The remainder of a negative number would differ between machines: this one is never.
        held = newest - (newest - geometry.slots + geometry.ring_size) % geometry.ring_size
        age = frames[:, :, None] - held[:, None]
        visible = (age >= 0) & (age < geometry.window)
        visible = visible & (held >= starts[:, None])[:, None]
        mask = torch.where(visible, 0.0, -math.inf)[:, None]
        return torch.cat([mask] * geometry.group, dim=2)  # once for each head of a group

    def _stack(
        self, stack: CausalStack, x: Tensor, rings: list[Tensor], frames: Tensor, mask: Tensor
    ) -> Tensor:
        """`CausalStack.step`; `rings` are replaced by the new ones."""
        geometry, width, shared = self.model.geometry, stack.head_dim, stack.kv_heads
        batch, heads = rings[0].shape[0], shared * geometry.group
        at, slots = frames % geometry.cycle, frames % geometry.ring_size
        places = self.rows[:batch] + slots[:, None, :, None] * self.slot
        projections = cast(nn.ModuleList, self.qkv[0 if stack is self.model.encoder.stack else 1])
        for index, layer in enumerate(stack.layers):
            layer = cast(CausalLayer, layer)
            qkv = projections[index](layer.attention_norm(x))
            qkv = qkv.view(batch, -1, heads + 2 * shared, width).transpose(1, 2)
            qk, v = qkv.split((heads + shared, shared), dim=1)
            q, k = _Rotary.apply(qk, at, self.cos, self.sin).split((heads, shared), dim=1)
            keys, values = (
                _Write.apply(rings[2 * index + part], places, new)
                for part, new in enumerate((k, v))
            )
            rings[2 * index : 2 * index + 2] = keys, values
            q = q.reshape(batch, shared, -1, width)
            scores = torch.matmul(q, keys.transpose(2, 3)) + mask
            attended = torch.matmul(torch.softmax(scores, dim=-1), values)
            attended = attended.view(batch, heads, -1, width).transpose(1, 2)
            x = x + layer.attention.out(attended.reshape(-1, heads * width))
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
