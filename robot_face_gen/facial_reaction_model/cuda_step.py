# SPDX-License-Identifier: Apache-2.0
"""`FacialReactionModel.step` recorded as CUDA graphs: one launch a step instead of hundreds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .bound_step import BoundStep
from .config import BRANCHES, EMBEDDINGS_PER_FRAME
from .encoder import Face
from .model import FacialReactionModel
from .state import SessionState
from .step_graph import StepGraph
from .step_names import CLOCKS, LATENTS, MASKS, SPEAKER

_WARM_UP = 3  # runs on a side stream before recording, as torch asks for


class CudaStep(BoundStep):
    """Steps sessions whose state stays on the device.

    What comes in is written into pinned memory and copied without waiting; the only wait is for
    the answer. On a CPU the same function runs unrecorded, which is how it is tested without a
    GPU.

    Args:
        model: on a CUDA device, or on a CPU.
    """

    def __init__(self, model: FacialReactionModel) -> None:
        super().__init__(model)
        self._graphs: dict[tuple[int, int], StepGraph] = {}

    @torch.no_grad()
    def make_call(self, state: SessionState, frames: int) -> RecordedCall:
        """Record a call of so many frames."""
        shape = state.speakers, state.sessions
        graph = self._graphs.get(shape)
        if graph is None:
            graph = self._graphs[shape] = StepGraph(self.model, *shape).eval()
        return RecordedCall(graph, state, frames)


class RecordedCall:
    """One recording: its memory on the host and on the device; see `BoundCall`."""

    def __init__(self, graph: StepGraph, state: SessionState, frames: int) -> None:
        self._graph = graph
        self._held = [getattr(state, name) for name in LATENTS]
        rings = (*state.encoder, *state.decoder)
        self._held += [t for ring in rings for t in (ring.keys, ring.values)]
        device, config = state.context.device, graph.model.config
        self._cuda = device.type == 'cuda'
        shapes: dict[str, tuple[int, ...]] = {
            name: (graph.speakers, frames, width) for name, width in BRANCHES.items()
        }
        shapes['audio'] = (graph.speakers, frames, EMBEDDINGS_PER_FRAME, config.audio_dim)
        shapes['fresh'], shapes['temperature'] = (graph.sessions, config.latent_dim), ()
        clocks = dict.fromkeys(('clock', 'starts'), (graph.sessions,))
        masks: dict[str, tuple[int, ...]] = dict.fromkeys(MASKS, (graph.speakers, frames))
        masks['moves'] = (graph.sessions,)
        self._packs = tuple(
            _Packed(part, dtype, device, pinned=self._cuda)
            for part, dtype in (
                (shapes, torch.float32), (clocks, torch.int64), (masks, torch.bool)
            )
        )  # fmt: skip
        self.inputs = {name: part for pack in self._packs for name, part in pack.host.items()}
        self.inputs['moves'].fill_(True)
        self._inputs = {name: part for pack in self._packs for name, part in pack.device.items()}
        answer = {name: (graph.sessions, frames, width) for name, width in BRANCHES.items()}
        self._answer = _Packed(answer, torch.float32, device, pinned=self._cuda)
        self._recording: Any = self._record() if self._cuda else None

    def _compute(self) -> tuple[Tensor, ...]:
        """The step; the rings are written in place, the rest is new memory."""
        speaker = [self._inputs[name] for name in SPEAKER]
        clocks = [self._inputs[name] for name in CLOCKS]
        return self._graph(*speaker, *clocks, *self._held)

    def _keep(self, computed: tuple[Tensor, ...]) -> None:
        for name, part in zip(BRANCHES, computed, strict=False):
            self._answer.device[name].copy_(part)
        moved = computed[len(BRANCHES) : len(BRANCHES) + len(LATENTS)]
        for latent, new in zip(self._held, moved, strict=False):
            latent.copy_(torch.where(self._inputs['moves'][:, None], new, latent))

    def _record(self) -> Any:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for pack in self._packs:
                pack.upload()
            for _ in range(_WARM_UP):  # the same slots of the rings, which are written again
                self._compute()
        torch.cuda.current_stream().wait_stream(side)
        recording = torch.cuda.CUDAGraph()
        with torch.cuda.graph(recording):
            self._keep(self._compute())
        return recording

    def run(self) -> Face:
        """From the inputs to the answer; the state moves on in place."""
        for pack in self._packs:
            pack.upload()
        if self._recording is None:
            self._keep(self._compute())
        else:
            self._recording.replay()
        self._answer.download()
        if self._cuda:
            torch.cuda.current_stream().synchronize()
        return {name: part.clone() for name, part in self._answer.host.items()}


class _Packed:
    """Tensors that lie one behind the other, on the host and on the device: one copy moves all."""

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: torch.dtype,
        device: torch.device,
        *,
        pinned: bool,
    ) -> None:
        counts = [torch.Size(shape).numel() for shape in shapes.values()]
        self._host = torch.zeros(sum(counts), dtype=dtype, pin_memory=pinned)
        self._device = self._host.to(device, copy=True)
        self.host, self.device = (
            {
                name: part.view(shape)
                for (name, shape), part in zip(shapes.items(), whole.split(counts), strict=True)
            }
            for whole in (self._host, self._device)
        )

    def upload(self) -> None:
        """From the host to the device, without waiting."""
        self._device.copy_(self._host, non_blocking=True)

    def download(self) -> None:
        """From the device to the host, without waiting."""
        self._host.copy_(self._device, non_blocking=True)
