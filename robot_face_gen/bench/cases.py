# SPDX-License-Identifier: Apache-2.0
"""Measurements within one process: `python -m robot_face_gen.bench.cases NAME JSON`.

Each runs in a process of its own, so that thread counts and memory are its own. torch is imported
only where the measured code uses it: `reaction_step` measures a robot, which runs without torch.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from robot_face_gen.bench.timing import rss_mb, timed
from robot_face_gen.layout import BRANCHES
from robot_face_gen.models.backends import CPU_BACKENDS, EAGER
from robot_face_gen.pipeline.loading import load_encoder, load_model, resolve_place
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.timing import AUDIO_RATE_HZ, CONTEXT_S, EMBEDDINGS_PER_FRAME, PERIOD_S

if TYPE_CHECKING:
    import torch

    from robot_face_gen.features.whisper_encoder import WhisperEncoder
    from robot_face_gen.features.whisper_exported import ExportedWhisper

_CALL_PERIOD_S = 0.02  # between calls; without a pause they would find warm caches


def _speaker(batch: int, frames: int, audio_dim: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(frames)
    shapes: dict[str, tuple[int, ...]] = {name: (width,) for name, width in BRANCHES.items()}
    shapes['audio'] = (EMBEDDINGS_PER_FRAME, audio_dim)
    out: dict[str, np.ndarray] = {
        name: generator.standard_normal((batch, frames, *shape), np.float32)
        for name, shape in shapes.items()
    }
    valid = np.ones((batch, frames), bool)
    return {**out, 'face_valid': valid, 'audio_valid': valid}


def reaction_step(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Periodic calls of `process_window` after several lengths of history of one session.

    A history shorter than the attention window is restored after every eight calls.
    """
    from robot_face_gen.facial_reaction_model import OnlineInferenceManager

    backend, threads = case['backend'], case['threads']
    model = full_model(backend, threads)
    manager = OnlineInferenceManager(model, seed=0, backend=backend, threads=threads)
    config = manager.model.config
    filling = _speaker(1, 16, config.audio_dim)
    full = 2 * config.max_seq_len  # then the ring buffers are full, and only the clock changes
    rows, seen = [], 0
    for history in case['histories']:
        simulated = case['quick'] and history > full
        while seen < (min(history, full) if simulated else history):
            manager.process_window(filling)
            seen += 16
        saved = manager.state_dict()
        if simulated:
            # Only distances of positions matter: the cost is that of a long session.
            saved['clock'] += history - seen
            manager.load_state_dict(saved)
            seen = history
        short = history < config.max_seq_len  # else the buffers are full already
        for frames in case['frames']:
            window = _speaker(1, frames, config.audio_dim)
            figures = timed(
                lambda window=window: manager.process_window(window),  # type: ignore[misc]
                case['seconds'],
                period_s=_CALL_PERIOD_S,
                before=_every_eighth_call(manager.load_state_dict, saved) if short else None,
            )
            state_mb = sum(getattr(part, 'nbytes', 0) for part in saved.values()) / 1e6
            rows.append(
                {'frames': frames, 'history': history, 'history_simulated': simulated, **figures,
                 'rss_mb': rss_mb(), 'state_mb': state_mb}
            )  # fmt: skip
    return rows


def _every_eighth_call(restore: Callable[[Any], None], saved: Any) -> Callable[[], None]:
    """Restore before one call of eight, because it evicts the caches."""
    calls = itertools.count()
    return lambda: None if next(calls) % 8 else restore(saved)


def full_model(backend: str = EAGER, threads: int = 0) -> Any:
    """The model with the shipped weights; without them, a random one of the same size."""
    return load_model(default_checkpoint(), device='cpu', backend=backend, threads=threads)


def backend_error(case: dict[str, Any]) -> dict[str, Any]:
    """Differences between the results of a backend and of eager on the demo recording."""
    import torch

    from robot_face_gen.facial_reaction_model import OnlineInferenceManager
    from robot_face_gen.features.openface import read_openface_csv
    from robot_face_gen.features.sound_file import read_audio
    from robot_face_gen.features.whisper_stream import embed_recording
    from robot_face_gen.pipeline.recording import align_recording
    from robot_face_gen.resources import demo_recording

    torch.set_num_threads(case['threads'])
    face, voice = demo_recording()
    samples, rate = read_audio(voice)
    eager, other = (
        embed_recording(
            samples, rate, load_encoder('untrained', CONTEXT_S, device='cpu', backend=name)
        )
        for name in (EAGER, case['backend'])
    )
    found = align_recording(read_openface_csv(face).frames, eager)
    speaker = {
        name: torch.from_numpy(found[name])[None]
        for name in (*BRANCHES, 'audio', 'face_valid', 'audio_valid')
    }
    model = full_model()
    expected, reaction = (
        OnlineInferenceManager(model, seed=0, backend=name).process_window(speaker)
        for name in (EAGER, case['backend'])
    )
    a, b = (torch.cat([torch.from_numpy(x.data) for x in blocks]) for blocks in (eager, other))
    return {
        'trained': model.info.trained,
        'frames': len(found['stamp_ns']),
        'reaction': {name: _difference(expected[name], reaction[name]) for name in BRANCHES},
        'whisper': _difference(a, b),
    }


def _difference(expected: torch.Tensor, found: torch.Tensor) -> dict[str, float]:
    """Root mean square and maximum of the difference, and the spread of the values over time."""
    error = found - expected
    return {
        'rms': float(error.square().mean().sqrt()),
        'max': float(error.abs().max()),
        'spread': float(expected.flatten(0, -2).std(dim=0).square().mean().sqrt()),
    }


def faces(case: dict[str, Any]) -> dict[str, Any]:
    """Number of independent faces that one step answers in less than 40 ms."""
    import torch

    from robot_face_gen.facial_reaction_model import Sessions, make_runner

    torch.set_num_threads(case['threads'])
    device = torch.device(case['device'])
    model = full_model().to(device)
    best, tried = 0, []
    count = case['first']
    while True:
        batch = Sessions(make_runner(model, count, backend=case['backend']), seed=0)
        windows = dict.fromkeys(range(count), _speaker(1, 1, model.config.audio_dim))
        for _ in range(3):
            batch.step(windows)

        def step(batch: Sessions = batch, windows: Any = windows) -> None:
            batch.step(windows)

        figures = timed(step, case['seconds'], least=16)  # one of 16 starts a window
        tried.append({'faces': count, **figures})
        if figures['p95_ms'] > PERIOD_S * 1e3:
            break
        best, count = count, count * 2
    return {'faces': best, 'tried': tried, 'rss_mb': rss_mb()}


def train_step(case: dict[str, Any]) -> dict[str, Any]:
    """Forward pass, backward pass and optimiser step of a batch."""
    import torch

    from robot_face_gen.training.config import TrainingConfig
    from robot_face_gen.training.module import ReactionTraining, clip_seeds

    torch.set_num_threads(case['threads'])
    config = TrainingConfig()
    module = ReactionTraining(config).train()
    optimizer = torch.optim.AdamW(module.parameters(), config.learning_rate)
    clips, frames = case['clips'], case['frames']
    speaker, other = (
        {
            name: torch.from_numpy(values)
            for name, values in _speaker(clips, frames, config.model.audio_dim).items()
        }
        for _ in range(2)
    )
    listener = {name: other[name] for name in (*BRANCHES, 'face_valid')}
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
    """One hop of the Whisper stream: log-mel of the new sound, and the encoder."""
    import torch

    torch.set_num_threads(case['threads'])
    _, backend = resolve_place('cpu', case['backend'], CPU_BACKENDS)
    rows = []
    for context_s in case['contexts']:
        encoder = load_encoder(
            'untrained', context_s, device='cpu', backend=backend, threads=case['threads']
        )
        for hop_s in case['hops']:
            hop = _openai_hop() if context_s == 30.0 else _stream_hop(encoder, hop_s, context_s)
            figures = timed(
                hop, case['seconds'], least=case['least'], warmup=2, period_s=_CALL_PERIOD_S
            )
            rows.append({'context_s': context_s, 'hop_s': hop_s, **figures, 'rss_mb': rss_mb()})
    return rows


def _openai_hop() -> Callable[[], None]:
    """openai-whisper, which pads each context to 30 s."""
    import torch
    import whisper
    from whisper.model import AudioEncoder

    encoder = AudioEncoder(80, 1500, 384, 6, 4).eval()
    sound = torch.randn(AUDIO_RATE_HZ)

    def hop() -> None:
        with torch.inference_mode():
            encoder(whisper.log_mel_spectrogram(whisper.pad_or_trim(sound))[None])

    return hop


def _stream_hop(
    encoder: WhisperEncoder | ExportedWhisper, hop_s: float, context_s: float
) -> Callable[[], None]:
    from robot_face_gen.features.whisper_stream import WhisperStream

    stream = WhisperStream(encoder, hop_s=hop_s, context_s=context_s)
    generator = np.random.default_rng(0)
    size, place = round(hop_s * AUDIO_RATE_HZ), 0

    def hop() -> None:
        nonlocal place
        samples = (0.1 * generator.standard_normal(size)).astype(np.float32)
        stream.push(samples, AUDIO_RATE_HZ, round(place / AUDIO_RATE_HZ * 1e9), place)
        place += size

    for _ in range(3):
        hop()
    return hop


def main() -> int:
    """Run one measurement and print its figures as one line of JSON."""
    name, case = sys.argv[1], json.loads(sys.argv[2])
    if name != 'reaction_step':
        import torch

        torch.set_grad_enabled(name == 'train_step')
    print(json.dumps({'figures': globals()[name](case)}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
