# SPDX-License-Identifier: Apache-2.0
"""Runs the step with torch: on any device, or recorded as CUDA graphs (one launch per step)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from .inputs import SPEAKER
from .model import FacialReactionModel
from .sessions import ANSWERS, CONTROLS, LATENTS, Arrays, Call, Runner, input_shapes
from .step import StepFunction

_WARM_UP = 3  # runs on a side stream before recording, as torch's documentation asks for


def empty_state(model: FacialReactionModel, speakers: int, sessions: int) -> dict[str, Tensor]:
    """The state of sessions that have seen no frames, by the names in `step`."""
    config = model.config
    weight = model.vae.beginning
    widths = dict.fromkeys(LATENTS, config.latent_dim) | {'context': config.feature_dim}
    out = {name: weight.new_zeros(sessions, widths[name]) for name in LATENTS}
    ring = (
        config.num_kv_heads,
        model.geometry.ring_size,
        config.feature_dim // config.num_heads,
    )
    for part, batch, layers in (
        ('encoder', speakers, config.encoder_layers),
        ('decoder', sessions, config.decoder_layers),
    ):
        for layer in range(layers):
            for kind in ('keys', 'values'):
                out[f'{part}.{layer}.{kind}'] = weight.new_zeros(batch, *ring)
    return out


class TorchRunner(Runner):
    """A `Runner` on the model's own device.

    Inputs are written to pinned memory and copied without waiting; the only wait is for the
    answer. With `record`, the steps are recorded as CUDA graphs. See `StepFunction`.
    """

    @torch.no_grad()
    def __init__(
        self, model: FacialReactionModel, speakers: int, sessions: int, *, record: bool = False
    ) -> None:
        super().__init__(model, empty_state(model, speakers, sessions))
        self.step = StepFunction(model, speakers, sessions).eval()
        self._record = record

    def _make_call(self, frames: int) -> Call:
        return _TorchCall(self, frames, record=self._record)

    def read_state(self) -> Arrays:
        """See `Runner`."""
        return {
            name: part.to('cpu', torch.float32, copy=True).numpy()
            for name, part in self.state.items()
        }

    def write_state(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Runner`."""
        for name, part in self.state.items():
            part.copy_(torch.from_numpy(np.asarray(state[name], np.float32)))


class _TorchCall:
    """Calls of one length: their memory on the host and on the device, and their recording."""

    @torch.no_grad()
    def __init__(self, runner: TorchRunner, frames: int, *, record: bool) -> None:
        self._step, self._state = runner.step, runner.state
        weight, sessions = runner.state['context'], runner.sessions
        shapes = input_shapes(runner.model.config, runner.speakers, sessions, frames)
        shapes['bool']['moves'] = (sessions,)
        self._packs = [
            _Pack(part, dtype, weight.device, weight.dtype if dtype.is_floating_point else dtype)
            for kind, part in shapes.items()
            for dtype in [getattr(torch, kind)]
        ]
        self.inputs: Arrays = {n: part for pack in self._packs for n, part in pack.host.items()}
        self.inputs['moves'][:] = True
        self._inputs = {n: part for pack in self._packs for n, part in pack.device.items()}
        answer = {name: (sessions, frames, width) for name, width in ANSWERS.items()}
        self._answer = _Pack(answer, torch.float32, weight.device, weight.dtype)
        self._cuda = weight.device.type == 'cuda'
        self._record = record
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def run(self) -> Arrays:
        """See `Call`."""
        for pack in self._packs:
            pack.upload()
        if self._record and self._graph is None:
            self._graph = self._recorded()
        if self._graph is None:
            self._update(self._compute())
        else:
            self._graph.replay()
        self._answer.download()
        if self._cuda:
            torch.cuda.current_stream().synchronize()
        return self._answer.host

    def _compute(self) -> tuple[Tensor, ...]:
        """One step: the rings are changed in place, the other results are new tensors."""
        inputs = (self._inputs[name] for name in (*SPEAKER, *CONTROLS))
        return self._step(*inputs, *self._state.values())

    def _update(self, computed: tuple[Tensor, ...]) -> None:
        """Store the answer and, for the sessions that move, the latents."""
        for name, part in zip(ANSWERS, computed, strict=False):
            self._answer.device[name].copy_(part)
        moves = self._inputs['moves'][:, None]
        for name, new in zip(LATENTS, computed[len(ANSWERS) :], strict=False):
            self._state[name].copy_(torch.where(moves, new, self._state[name]))

    def _recorded(self) -> torch.cuda.CUDAGraph:
        # The inputs of the first step are in place: warming up writes the ring slots that this
        # step writes, with the same values, and nothing else of the state.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._compute()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._update(self._compute())
        return graph


class _Pack:
    """Arrays in one block of memory, on the host and on the device: one copy moves all.

    On a CPU both are the same memory where the types agree.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: torch.dtype,
        device: torch.device,
        device_dtype: torch.dtype,
    ) -> None:
        counts = [math.prod(shape) for shape in shapes.values()]
        self._host = torch.zeros(sum(counts), dtype=dtype, pin_memory=device.type == 'cuda')
        self._device = self._host.to(device, device_dtype)
        self.host: Arrays = {}
        self.device: dict[str, Tensor] = {}
        host, there = self._host.split(counts), self._device.split(counts)
        for (name, shape), mine, theirs in zip(shapes.items(), host, there, strict=True):
            self.host[name] = mine.view(shape).numpy()
            self.device[name] = theirs.view(shape)

    def upload(self) -> None:
        """From the host to the device, without waiting."""
        if self._device is not self._host:
            self._device.copy_(self._host, non_blocking=True)

    def download(self) -> None:
        """From the device to the host, without waiting."""
        if self._device is not self._host:
            self._host.copy_(self._device, non_blocking=True)
