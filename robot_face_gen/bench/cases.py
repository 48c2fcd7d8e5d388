"""The measurements that run inside one process: `python -m robot_face_gen.bench.cases NAME JSON`.

Each is started in a process of its own, so that thread counts hold and memory is its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import torch

from robot_face_gen.bench.timing import rss_mb, timed
from robot_face_gen.facial_reaction_model import (
    BRANCHES,
    FacialReactionModel,
    OnlineInferenceManager,
    create_model,
)


def _speaker(batch: int, frames: int, audio_dim: int) -> dict[str, torch.Tensor]:
    out = {name: torch.randn(batch, frames, width) for name, width in BRANCHES.items()}
    out['audio'] = torch.randn(batch, frames, 2, audio_dim)
    return out


def _model() -> FacialReactionModel:
    torch.manual_seed(0)
    model = create_model()
    with torch.no_grad():  # equal initial weights of layers are merged by some backends
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


def reaction_step(case: dict[str, Any]) -> dict[str, Any]:
    """One call of `process_window` at a given history, paced as the robot runs."""
    torch.set_num_threads(case['threads'])
    model = _model()
    manager = OnlineInferenceManager(model, seed=0)
    frames = case['frames']
    window = _speaker(1, frames, model.config.audio_dim)
    # Rings are full after max_seq_len frames: beyond, only the clock moves on.
    full = min(case['history'], 2 * model.config.max_seq_len)
    for _ in range(max(1, full // 16)):
        manager.process_window(_speaker(1, 16, model.config.audio_dim))
    if case['history'] > full and manager.state is not None:
        if case['quick']:
            manager.state.clock += case['history'] - full  # keys keep their distances: same cost
        else:
            for _ in range((case['history'] - full) // 16):
                manager.process_window(_speaker(1, 16, model.config.audio_dim))
    figures = timed(lambda: manager.process_window(window), case['seconds'], period_s=0.02)
    return {
        **figures,
        'rss_mb': rss_mb(),
        'state_mb': manager.state.nbytes() / 1e6 if manager.state else 0.0,
    }


def faces(case: dict[str, Any]) -> dict[str, Any]:
    """Independent faces in one batch: a frame of each must take less than 40 ms."""
    torch.set_num_threads(case['threads'])
    device = torch.device(case['device'])
    model = _model().to(device)
    best, tried = 0, []
    count = case['first']
    while True:
        manager = OnlineInferenceManager(model, seed=list(range(count)))
        window = {
            name: value.to(device)
            for name, value in _speaker(count, 1, model.config.audio_dim).items()
        }
        for _ in range(3):
            manager.process_window(window)

        def step(manager: OnlineInferenceManager = manager, window: Any = window) -> None:
            manager.process_window(window)
            if device.type == 'cuda':
                torch.cuda.synchronize()

        figures = timed(step, case['seconds'], least=16)
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
        module.losses(batch, config.samples, seeds)['loss'].backward()
        optimizer.step()
        optimizer.zero_grad()

    figures = timed(step, case['seconds'], least=3, warmup=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **figures,
        'median_s': figures['median_ms'] / 1e3,
        'peak_gb': peak / 1e9,
        'rss_mb': rss_mb(),
    }


def whisper_hop(case: dict[str, Any]) -> dict[str, Any]:
    """Encoding one hop: log-mel of the newest sound, and the encoder over its context."""
    torch.set_num_threads(case['threads'])
    import numpy as np

    from robot_face_gen.features.whisper_encoder import WhisperEncoder

    if case['context_s'] == 30.0:  # openai-whisper itself: padded to 30 s
        import whisper
        from whisper.model import AudioEncoder

        encoder = AudioEncoder(80, 1500, 384, 6, 4).eval()
        sound = torch.randn(16000)

        def hop() -> None:
            with torch.inference_mode():
                mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(sound))
                encoder(mel[None])
    else:
        from robot_face_gen.features.whisper_stream import WhisperStream

        stream = WhisperStream(
            WhisperEncoder.from_name_or_path('untrained'),
            hop_s=case['hop_s'],
            context_s=case['context_s'],
        )
        generator = np.random.default_rng(0)
        size = round(case['hop_s'] * 16000)
        place = 0

        def hop() -> None:
            nonlocal place
            samples = (0.1 * generator.standard_normal(size)).astype(np.float32)
            stream.push(samples, 16000, round(place / 16000 * 1e9), place)
            place += size

        for _ in range(round(case['context_s'] / case['hop_s']) + 2):
            hop()
    figures = timed(hop, case['seconds'], least=10)
    return {**figures, 'rss_mb': rss_mb()}


def main() -> int:
    """Run one case and print its figures as one line of JSON."""
    name, case = sys.argv[1], json.loads(sys.argv[2])
    begin = time.perf_counter()
    with torch.set_grad_enabled(name == 'train_step'):
        figures = globals()[name](case)
    print(json.dumps({**figures, 'measured_s': time.perf_counter() - begin}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
