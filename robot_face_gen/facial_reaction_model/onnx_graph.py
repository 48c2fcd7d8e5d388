# SPDX-License-Identifier: Apache-2.0
"""One step of the model as a graph of ONNX: what goes in and out by name, and how it is written.

The graph holds the whole step, masks, positions and latents included, so that a program in any
language can run it. Its inputs, for B speakers, S sessions and n frames (n <= window_size):

- `landmarks` (B, n, 136), `au` (B, n, 18), `pose` (B, n, 4), `gaze` (B, n, 2), `audio` (B, n, 2,
  audio_dim), `face_valid` and `audio_valid` (B, n) bool: the speaker;
- `clock` (S,) int64: number of the first of these frames, for each session its own; `starts` (S,)
  int64: the clock at which the session began; `temperature` (): scale of the noise;
- `fresh` (S, latent_dim): standard normal noise for a window that begins in these frames;
- the state: `context`, `noise`, `last`, `own` and, for each layer, `encoder.0.keys` ... (B or S,
  kv_heads, ring_size, head_dim). All begin as zeros.

Outputs: `listener.landmarks` ... (S, n, ...), and the new state, each part under the name of its
input with `next.` before it. B and S are fixed when the file is written, n is not. A ring may be
bound to one memory as input and output: then only the rows of the new frames are written.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..onnx_export import export
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .model import FacialReactionModel
from .step_graph import StepGraph
from .step_names import LATENTS, LISTENER, NEXT, SPEAKER


def ring_names(model: FacialReactionModel) -> list[str]:
    """Names of the rings in the order of the graph: those of `SessionState.state_dict`."""
    parts = (('encoder', model.encoder.stack), ('decoder', model.decoder.stack))
    return [
        f'{part}.{layer}.{kind}'
        for part, stack in parts
        for layer in range(len(stack.layers))
        for kind in ('keys', 'values')
    ]


def example(model: FacialReactionModel, speakers: int, sessions: int) -> dict[str, Tensor]:
    """Inputs of a first step of two frames, as the graph names them."""
    seeds = list(range(sessions)) if sessions != speakers else 0
    state, config, frames = model.make_state(speakers, seeds), model.config, 2
    out = {name: torch.zeros(speakers, frames, width) for name, width in BRANCHES.items()}
    out['audio'] = torch.zeros(speakers, frames, EMBEDDINGS_PER_FRAME, config.audio_dim)
    out['face_valid'] = torch.ones(speakers, frames, dtype=torch.bool)
    out['audio_valid'] = out['face_valid'].clone()
    out['clock'], out['starts'] = torch.full((sessions,), state.clock), state.starts
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
