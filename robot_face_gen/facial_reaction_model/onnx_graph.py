"""One step of the model as a graph of ONNX: what goes in and out by name, and how it is written.

The graph holds the whole step, masks, positions and latents included, so that a program in any
language can run it. Its inputs, for B speakers, S sessions and n frames (n <= window_size):

- `landmarks` (B, n, 136), `au` (B, n, 18), `pose` (B, n, 4), `gaze` (B, n, 2), `audio` (B, n, 2,
  audio_dim), `face_valid` and `audio_valid` (B, n) bool: the speaker;
- `clock` () int64: number of the first of these frames; `starts` (S,) int64: the clock at which
  each session began; `temperature` (): scale of the noise;
- `fresh` (S, latent_dim): standard normal noise for a window that begins in these frames;
- the state: `context`, `noise`, `last`, `own` and, for each layer, `encoder.0.keys` ... (B or S,
  heads, ring_size, head_dim). All begin as zeros.

Outputs: `listener.landmarks` ... (S, n, ...), and the new state, each part under the name of its
input with `next.` before it. B and S are fixed when the file is written, n is not. A ring may be
bound to one memory as input and output: then only the rows of the new frames are written.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..onnx_files import export
from .components import CausalLayer, CausalStack
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .model import FacialReactionModel
from .vae import blend_weight, phase_code

SPEAKER = (*BRANCHES, 'audio', 'face_valid', 'audio_valid')
CLOCKS = ('clock', 'starts', 'temperature', 'fresh')
LATENTS = ('context', 'noise', 'last', 'own')
LISTENER = 'listener.'
NEXT = 'next.'


def ring_names(model: FacialReactionModel) -> list[str]:
    """Names of the rings in the order of the graph: those of `SessionState.state_dict`."""
    parts = (('encoder', model.encoder.stack), ('decoder', model.decoder.stack))
    return [
        f'{part}.{layer}.{kind}'
        for part, stack in parts
        for layer in range(len(stack.layers))
        for kind in ('keys', 'values')
    ]


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
    """Put new frames (B, heads, n, width) into a ring at `places` (B, heads, n, 3)."""

    @staticmethod
    def forward(ctx, ring: Tensor, places: Tensor, new: Tensor) -> Tensor:
        return ring.index_put(places.unbind(-1), new)

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


class StepGraph(nn.Module):
    """`FacialReactionModel.step` as a function of tensors alone, for the exporter to follow.

    Frames of all sessions are rows of matrices, and the number of sessions is fixed: so hardly a
    shape is left to be computed while it runs.

    Args:
        model: whose weights are used; it is not changed.
        speakers: in the batch.
        sessions: in the batch; several may share one speaker.
    """

    phases: Tensor
    cos: Tensor
    sin: Tensor

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
        stacks = (model.encoder.stack, model.decoder.stack)
        self.qkv = nn.ModuleList(
            nn.ModuleList(_scaled_qkv(layer) for layer in stack.layers) for stack in stacks
        )

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs and outputs as the module's description lists them."""
        count = len(SPEAKER)
        speaker = dict(zip(SPEAKER, inputs[:count], strict=True))
        clock, starts, temperature, fresh = inputs[count : count + 4]
        state, rings = inputs[count + 4 : count + 8], list(inputs[count + 8 :])
        model = self.model
        frames = clock + torch.arange(speaker['au'].shape[1])
        mask = self._mask(frames, starts)
        depth = 2 * len(model.encoder.stack.layers)
        held, answered = rings[:depth], rings[depth:]
        x = self._stack(
            model.encoder.stack, self._embed(speaker), held, frames, mask[: self.speakers]
        )
        if self.sessions != self.speakers:
            x = x.repeat(self.sessions, 1)
        latents, state = self._latents(x, frames, starts, state, fresh, temperature)
        x = model.decoder.join(x, latents)
        x = self._stack(model.decoder.stack, x, answered, frames, mask)
        face = model.decoder.heads(x)
        listener = [face[name].view(self.sessions, -1, BRANCHES[name]) for name in BRANCHES]
        return (*listener, *state, *held, *answered)

    def _embed(self, speaker: dict[str, Tensor]) -> Tensor:
        """As `SpeakerEncoder.embed`, (B n, feature_dim)."""
        encoder = self.model.encoder
        face = {
            name: encoder.statistics.standardise(name, speaker[name].view(-1, width))
            for name, width in BRANCHES.items()
        }
        dim = self.model.config.audio_dim
        sound = encoder.audio.norm(speaker['audio'].view(-1, EMBEDDINGS_PER_FRAME, dim))
        return encoder.fusion(
            encoder.face(face),
            encoder.audio.net(sound.view(-1, EMBEDDINGS_PER_FRAME * dim)),
            speaker['face_valid'].view(-1),
            speaker['audio_valid'].view(-1),
        )

    def _mask(self, frames: Tensor, starts: Tensor) -> Tensor:
        """As `Geometry.ring_mask`: 0 where a frame sees a slot, -inf elsewhere."""
        geometry = self.model.geometry
        newest = frames[-1]
        # The remainder of a negative number would differ between machines: this one is never.
        held = newest - (newest - geometry.slots + geometry.ring_size) % geometry.ring_size
        age = frames[:, None] - held
        visible = (age >= 0) & (age < geometry.window)
        visible = visible & (held >= starts[:, None])[:, None]
        return torch.where(visible, 0.0, -math.inf)[:, None]

    def _stack(
        self, stack: CausalStack, x: Tensor, rings: list[Tensor], frames: Tensor, mask: Tensor
    ) -> Tensor:
        """`CausalStack.step`; `rings` are replaced by the new ones."""
        geometry, heads, width = self.model.geometry, stack.heads, stack.head_dim
        batch = rings[0].shape[0]
        at = (frames % geometry.cycle).expand(batch, -1)
        slots = frames % geometry.ring_size
        axes = [torch.arange(batch), torch.arange(heads), slots]
        places = torch.stack(torch.meshgrid(axes, indexing='ij'), dim=-1)
        projections = cast(nn.ModuleList, self.qkv[0 if stack is self.model.encoder.stack else 1])
        for index, layer in enumerate(stack.layers):
            layer = cast(CausalLayer, layer)
            qkv = projections[index](layer.attention_norm(x))
            qkv = qkv.view(batch, -1, 3 * heads, width).transpose(1, 2)
            qk, v = qkv.split((2 * heads, heads), dim=1)
            q, k = _Rotary.apply(qk, at, self.cos, self.sin).split(heads, dim=1)
            keys, values = (
                _Write.apply(rings[2 * index + part], places, new)
                for part, new in enumerate((k, v))
            )
            rings[2 * index : 2 * index + 2] = keys, values
            scores = torch.matmul(q, keys.transpose(2, 3)) + mask
            attended = torch.matmul(torch.softmax(scores, dim=-1), values)
            x = x + layer.attention.out(attended.transpose(1, 2).reshape(-1, heads * width))
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
        at = torch.where(starting, begins, torch.zeros_like(begins))
        index = at[:, :, None].expand(-1, -1, context.shape[1])
        prior = vae.prior(torch.where(first, vae.beginning, before.gather(1, index)[:, 0]))
        a = vae.correlation
        correlated = a * noise + math.sqrt(1 - a * a) * fresh
        correlated = torch.where(first, fresh, correlated)
        latent = prior.mean + prior.stddev * (temperature * correlated)
        previous = torch.where(first, latent, own)
        lasts = torch.where(new[..., None], previous[:, None], last[:, None])
        owns = torch.where(new[..., None], latent[:, None], own[:, None])
        code = self.phases[phase]
        latents = torch.cat((lasts + code[..., :1] * (owns - lasts), code[..., 1:]), dim=-1)
        noise = torch.where(starting, correlated, noise)
        width = vae.latent_dim + 2
        return latents.view(-1, width), (encoded[:, -1], noise, lasts[:, -1], owns[:, -1])


def example(model: FacialReactionModel, speakers: int, sessions: int) -> dict[str, Tensor]:
    """Inputs of a first step of two frames, as the graph names them."""
    seeds = list(range(sessions)) if sessions != speakers else 0
    state, config, frames = model.make_state(speakers, seeds), model.config, 2
    out = {name: torch.zeros(speakers, frames, width) for name, width in BRANCHES.items()}
    out['audio'] = torch.zeros(speakers, frames, EMBEDDINGS_PER_FRAME, config.audio_dim)
    out['face_valid'] = torch.ones(speakers, frames, dtype=torch.bool)
    out['audio_valid'] = out['face_valid'].clone()
    out['clock'], out['starts'] = torch.tensor(state.clock), state.starts
    out['temperature'] = torch.tensor(config.temperature)
    out['fresh'] = torch.zeros_like(state.noise)
    out.update({name: getattr(state, name) for name in LATENTS})
    rings = [t for ring in (*state.encoder, *state.decoder) for t in (ring.keys, ring.values)]
    out.update(zip(ring_names(model), rings, strict=True))
    return out


def export_step(
    model: FacialReactionModel,
    path: Path,
    *,
    speakers: int = 1,
    sessions: int = 1,
    int8: bool = False,
) -> None:
    """Write one step of a model, on the CPU in float32, as an ONNX file with its weights inside.

    Raises:
        ImportError: a package is missing; it is named.
        OSError: the file cannot be written.
    """
    inputs = example(model, speakers, sessions)
    listener = [LISTENER + name for name in BRANCHES]
    outputs = [*listener, *(NEXT + name for name in (*LATENTS, *ring_names(model)))]
    axes = {name: {1: 'frames'} for name in (*SPEAKER, *listener)}
    with torch.no_grad():
        graph = StepGraph(model, speakers, sessions)
    export(graph, inputs, outputs, axes, path, int8=int8)
