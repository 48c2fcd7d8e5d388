# SPDX-License-Identifier: Apache-2.0
"""The measurements that run inside one process with torch; see `run_case`."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch

from robot_face_gen.bench.timing import rss_mb, timed
from robot_face_gen.facial_reaction_model import (
    BRANCHES,
    FacialReactionModel,
    OnlineInferenceManager,
    Sessions,
    create_model,
    make_runner,
)
from robot_face_gen.resources import default_checkpoint

if TYPE_CHECKING:
    from robot_face_gen.features.whisper_encoder import WhisperEncoder


def _speaker(batch: int, frames: int, audio_dim: int) -> dict[str, torch.Tensor]:
    out = {name: torch.randn(batch, frames, width) for name, width in BRANCHES.items()}
    out['audio'] = torch.randn(batch, frames, 2, audio_dim)
    return out


def full_model() -> FacialReactionModel:
    """The shipped weights, or random ones of the full size."""
    path = default_checkpoint()
    if path:
        return create_model(checkpoint=path)
    torch.manual_seed(0)
    model = create_model()
    with torch.no_grad():  # equal initial weights of layers are merged by some backends
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def backend_error(case: dict[str, Any]) -> dict[str, Any]:
    """How far a backend's answers are from eager ones, on the shipped recording of a speaker."""
    from robot_face_gen.features.openface import read_openface_csv
    from robot_face_gen.features.sound_file import read_audio
    from robot_face_gen.features.whisper_encoder import WhisperEncoder
    from robot_face_gen.features.whisper_stream import embed_recording
    from robot_face_gen.pipeline.recording import align_recording
    from robot_face_gen.resources import demo_recording

    torch.set_num_threads(case['threads'])
    face, voice = demo_recording()
    samples, rate = read_audio(voice)
    eager, other = (
        embed_recording(samples, rate, WhisperEncoder.from_name_or_path('untrained', 'cpu', name))
        for name in ('eager', case['backend'])
    )
    found = align_recording(read_openface_csv(face).frames, cast(Any, eager))
    speaker = {
        name: torch.from_numpy(found[name])[None]
        for name in (*BRANCHES, 'audio', 'face_valid', 'audio_valid')
    }
    model = full_model()
    whole, near = (
        OnlineInferenceManager(model, seed=0, backend=name).process_window(speaker)
        for name in ('eager', case['backend'])
    )
    a, b = (torch.cat([torch.from_numpy(x.data) for x in blocks]) for blocks in (eager, other))
    return {
        'trained': model.info.trained,
        'frames': len(found['stamp_ns']),
        'reaction': {name: _difference(whole[name], near[name]) for name in BRANCHES},
        'whisper': _difference(a, b),
    }


def _difference(expected: torch.Tensor, found: torch.Tensor) -> dict[str, float]:
    """Root mean square and largest difference, and the spread that it is to be held against."""
    error = found - expected
    return {
        'rms': float(error.square().mean().sqrt()),
        'max': float(error.abs().max()),
        'spread': float(expected.flatten(0, -2).std(dim=0).square().mean().sqrt()),
    }


def faces(case: dict[str, Any]) -> dict[str, Any]:
    """Independent faces, a step for all: a frame of each must take less than 40 ms."""
    torch.set_num_threads(case['threads'])
    device = torch.device(case['device'])
    model = full_model().to(device)
    best, tried = 0, []
    count = case['first']
    while True:
        batch = Sessions(make_runner(model, count, backend=case['backend']), seed=0)
        windows = {face: _speaker(1, 1, model.config.audio_dim) for face in range(count)}
        for _ in range(3):
            batch.step(windows)

        def step(batch: Sessions = batch, windows: Any = windows) -> None:
            batch.step(windows)

        figures = timed(step, case['seconds'], least=16)  # a window begins in one of 16
        tried.append({'faces': count, **figures})
        if figures['p95_ms'] > 40.0:
            break
        best, count = count, count * 2
    return {'faces': best, 'tried': tried, 'rss_mb': rss_mb()}


def train_step(case: dict[str, Any]) -> dict[str, Any]:
    """Forward, backward and optimiser step of a batch of 4 clips of 750 frames, 3 samples."""
    torch.set_num_threads(case['threads'])
    from robot_face_gen.training.config import TrainingConfig
    from robot_face_gen.training.module import ReactionTraining, clip_seeds

    config = TrainingConfig()
    module = ReactionTraining(config).train()
    optimizer = torch.optim.AdamW(module.parameters(), config.learning_rate)
    clips, frames = case['clips'], case['frames']
    valid = torch.ones(clips, frames, dtype=torch.bool)
    speaker = {
        **_speaker(clips, frames, config.model.audio_dim),
        'face_valid': valid,
        'audio_valid': valid,
    }
    listener = {
        **{n: torch.randn(clips, frames, w) for n, w in BRANCHES.items()},
        'face_valid': valid,
    }
    batch = {'speaker': speaker, 'listener': listener, 'key': torch.arange(clips)}
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        seeds = clip_seeds(0, count, batch['key'], 1 + config.samples)  # type: ignore[arg-type]
        module.losses(batch, seeds)['loss'].backward()
        optimizer.step()
        optimizer.zero_grad()

    figures = timed(step, 0.0, least=case['repeats'], warmup=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **figures,
        'median_s': figures['median_ms'] / 1e3,
        'peak_gb': peak / 1e9,
        'rss_mb': rss_mb(),
    }


def whisper_hop(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Encoding one hop: log-mel of the newest sound, and the encoder over its context."""
    torch.set_num_threads(case['threads'])
    from robot_face_gen.features.whisper_encoder import WhisperEncoder

    rows = []
    encoder = WhisperEncoder.from_name_or_path('untrained', backend=case['backend'])
    for context_s in case['contexts']:
        for hop_s in case['hops']:
            hop = _openai_hop() if context_s == 30.0 else _stream_hop(encoder, hop_s, context_s)
            figures = timed(hop, case['seconds'], least=case['least'], warmup=2, period_s=0.02)
            rows.append({'context_s': context_s, 'hop_s': hop_s, **figures, 'rss_mb': rss_mb()})
    return rows


def _openai_hop() -> Callable[[], None]:
    """openai-whisper itself, which pads each context to 30 s."""
    import whisper
    from whisper.model import AudioEncoder

    encoder = AudioEncoder(80, 1500, 384, 6, 4).eval()
    sound = torch.randn(16000)

    def hop() -> None:
        with torch.inference_mode():
            encoder(whisper.log_mel_spectrogram(whisper.pad_or_trim(sound))[None])

    return hop


def _stream_hop(encoder: WhisperEncoder, hop_s: float, context_s: float) -> Callable[[], None]:
    import numpy as np

    from robot_face_gen.features.whisper_stream import WhisperStream

    stream = WhisperStream(encoder, hop_s=hop_s, context_s=context_s)
    generator = np.random.default_rng(0)
    size, place = round(hop_s * 16000), 0

    def hop() -> None:
        nonlocal place
        samples = (0.1 * generator.standard_normal(size)).astype(np.float32)
        stream.push(samples, 16000, round(place / 16000 * 1e9), place)
        place += size

    for _ in range(3):
        hop()
    return hop
