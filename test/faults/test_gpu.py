# SPDX-License-Identifier: Apache-2.0
"""A GPU that fails at the start or later; simulated by runners that raise errors of torch."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from faces import make_frames

from robot_face_gen.facial_reaction_model import ModelConfig, Sessions, create_model, make_runner
from robot_face_gen.nodes import reaction_setup, tables, whisper_setup
from robot_face_gen.pipeline.continuity import LIMITS
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import ERROR, Health
from robot_face_gen.pipeline.loading import is_device_error
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import PERIOD_NS

BEGIN_NS = 1_700_000_000_000_000_000
CONFIG = ModelConfig(
    feature_dim=32, audio_dim=8, latent_dim=4, num_heads=2, encoder_layers=1, decoder_layers=1,
    feedforward_dim=32, max_seq_len=50,
)  # fmt: skip
ERRORS = [
    torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB.'),
    RuntimeError('CUDA error: unspecified launch failure\nCUDA kernel errors might be ...'),
    RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'),
]


def sessions(seed):
    torch.manual_seed(seed)
    return Sessions(make_runner(create_model(CONFIG)), 3, 1.0)


class Failing(Sessions):
    """Sessions whose device fails after some steps."""

    def __init__(self, error, steps):
        self.error, self.steps = error, steps
        super().__init__(sessions(0).runner, 3, 1.0)

    def step_checked(self, checked):
        self.steps -= 1
        if self.steps < 0:
            raise self.error
        return super().step_checked(checked)


def react(engine, frames):
    """The reactions to these frames, each at once; source stamps and faces."""
    found = []
    for frame in frames:
        now_ns = BEGIN_NS + frame.stamp_ns
        engine.speakers[0].push_face(dataclasses.replace(frame, stamp_ns=now_ns), now_ns)
        engine.step(now_ns + PERIOD_NS)
        while (reaction := engine.speakers[0].pop(now_ns + PERIOD_NS)) is not None:
            found.append(reaction)
    return found


def make_engine(first, fallback):
    health = Health()
    speaker = SpeakerSession(Timeline(audio_dim=8), Playout(), health)
    return ReactionEngine(first, [speaker], fallback=fallback), health


@pytest.mark.parametrize('error', ERRORS, ids=['memory', 'lost', 'cudnn'])
def test_a_gpu_that_fails_is_replaced_by_the_cpu_without_a_jump(note, again, error):
    made = []

    def fallback():
        made.append(sessions(1))
        return made[-1]

    engine, health = make_engine(Failing(error, 40), fallback)
    engine.sessions.temperature = 0.5
    found = react(engine, make_frames(120))
    assert len(made) == 1 and engine.sessions is made[0]
    assert engine.sessions.temperature == 0.5
    assert len(found) >= 112  # the first wait for sound; one step is lost
    report = health.report()
    assert report.level == ERROR
    assert f'failed ({str(error).splitlines()[0]}): using the CPU' in report.message
    for name, limit in LIMITS.items():
        values = np.stack([reaction.face[name] for reaction in found])
        assert np.isfinite(values).all()
        steps = np.abs(np.diff(values[30:60], axis=0))
        assert (steps <= 1.05 * limit + 1e-6).all(), name
    note(
        f'GPU: {str(error).splitlines()[0].rstrip(".")} (simulated)',
        f'the CPU goes on; {len(found)} of 120 frames answered; reported as an error',
    )


def test_an_error_that_is_not_the_gpus_is_raised():
    engine, _ = make_engine(Failing(RuntimeError('shapes do not match'), 3), lambda: sessions(1))
    with pytest.raises(RuntimeError, match='shapes do not match'):
        react(engine, make_frames(20))
    assert not is_device_error(ValueError('CUDA'))


@pytest.fixture
def logger():
    return logging.getLogger('test')


def test_a_gpu_without_memory_at_the_start_is_replaced_by_the_cpu(
    monkeypatch, note, again, logger
):
    load = reaction_setup.load_model
    tried = []

    def load_on_full_gpu(checkpoint, *, device, **options):
        tried.append(device)
        if device == 'cuda':
            raise ERRORS[0]
        return load(checkpoint, device=device, **options)

    monkeypatch.setattr(reaction_setup, 'load_model', load_on_full_gpu)
    monkeypatch.setattr(reaction_setup, 'resolve_place', lambda *_: ('cuda', 'cuda-graph'))
    health = Health()
    engine = reaction_setup.make_engine(tables.ModelParameters(), health, [health], logger)
    assert tried == ['cuda', 'cpu']
    assert str(engine.sessions.model.device) == 'cpu'
    assert 'cuda failed (CUDA out of memory' in health.report().message
    note('GPU without memory at the start (simulated)', 'the model runs on the CPU; reported')


def test_the_encoder_goes_on_on_the_cpu(monkeypatch, note, again, logger):
    load = whisper_setup.load_encoder
    monkeypatch.setattr(whisper_setup, 'resolve_place', lambda device, *_: (
        'cpu' if device == 'cpu' else 'cuda', 'eager'
    ))  # fmt: skip

    def load_with_broken_gpu(weights, context_s, *, device, **options):
        encoder = load(weights, context_s, device='cpu', **options)
        if device == 'cuda':
            monkeypatch.setattr(encoder, 'encode', fail)
        return encoder

    def fail(mel):
        raise ERRORS[1]

    monkeypatch.setattr(whisper_setup, 'load_encoder', load_with_broken_gpu)
    health = Health()
    parameters = tables.WhisperParameters(weights='untrained', context_s=0.4, device='cuda')
    stream = whisper_setup.make_stream(parameters, health, logger)
    samples = np.random.default_rng(0).normal(0.0, 0.1, 16000).astype(np.float32)
    blocks = stream.push(samples, 16000, BEGIN_NS, 0)
    assert sum(len(block.data) for block in blocks) >= 30
    assert 'the GPU failed (CUDA error: unspecified launch failure)' in health.report().message
    note('GPU of the encoder lost (simulated)', 'embeddings come from the CPU; reported')
