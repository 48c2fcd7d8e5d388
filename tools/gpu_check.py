# SPDX-License-Identifier: Apache-2.0
"""Checks and times the model on a CUDA GPU; see `gpu_check.sh`."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from robot_face_gen.facial_reaction_model import (
    BRANCHES,
    FacialReactionModel,
    OnlineInferenceManager,
    Sessions,
    create_model,
    make_runner,
)
from robot_face_gen.layout import VALUE_MASK_WIDTH
from robot_face_gen.resources import default_checkpoint

TOLERANCE = 1e-4
FRAME_S = 0.04
CONTEXT_FRAMES = 200  # log-mel frames of 10 ms: Whisper's context of 2 s


@dataclass(frozen=True)
class Plan:
    """What is run: sizes on a GPU, and small ones to try the code on a CPU."""

    device: str
    backend: str
    cuts: tuple[int, ...]  # of the session that is compared; more than attention sees
    repeats: int
    faces: tuple[int, ...]  # numbers of faces that are tried
    clips: int  # of a training epoch
    clip_frames: int


GPU = Plan('cuda', 'cuda-graph', (1, 16, 7, 100, 1, 1, 350, 64, 16, 16, 128, 99, 1, 100), 500,
           (250, 500, 1000, 2000, 4000, 8000), 64, 750)  # fmt: skip
CPU = Plan('cpu', 'eager', (1, 16, 7, 100, 1, 1, 350, 64, 16, 16, 128, 99, 1), 20, (1, 4), 4, 50)


def speaker(batch: int, frames: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random input, about as large as standardised faces are."""
    generator = np.random.default_rng(seed)
    out = {
        name: generator.standard_normal((batch, frames, width), np.float32)
        for name, width in BRANCHES.items()
    }
    out['audio'] = generator.standard_normal((batch, frames, 2, 384), np.float32)
    out['face_valid'] = generator.random((batch, frames)) < 0.95
    out['face_mask'] = generator.random((batch, frames, VALUE_MASK_WIDTH)) < 0.9
    out['audio_valid'] = generator.random((batch, frames)) < 0.95
    return out


def cut(data: dict[str, np.ndarray], begin: int, end: int) -> dict[str, np.ndarray]:
    """Frames begin..end."""
    return {name: value[:, begin:end] for name, value in data.items()}


def load(device: str) -> FacialReactionModel:
    """The shipped weights, or random ones."""
    torch.manual_seed(0)
    return create_model(device=device, checkpoint=default_checkpoint())


def difference(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """Largest absolute difference."""
    return max(float(np.abs(a[name] - b[name]).max()) for name in BRANCHES)


@torch.no_grad()
def equality(plan: Plan) -> dict[str, float]:
    """Differences between `forward` on the CPU and sessions on the device."""
    data = speaker(1, sum(plan.cuts))
    reference, _, _ = load('cpu')(data, seed=5)
    whole = {name: x.numpy() for name, x in reference.items()}
    model, out = load(plan.device), {}
    on_device, _, _ = model(data, seed=5)
    out['forward'] = difference(whole, {n: x.cpu().numpy() for n, x in on_device.items()})
    for backend in dict.fromkeys(('eager', plan.backend)):
        manager = OnlineInferenceManager(model, seed=5, backend=backend)
        begin, parts = 0, []
        for length in plan.cuts:
            parts.append(manager.process_window(cut(data, begin, begin + length)))
            begin += length
        joined = {
            n: np.concatenate([part[n].cpu().numpy() for part in parts], 1) for n in BRANCHES
        }
        out[f'session, {backend}'] = difference(whole, joined)
    # Faces with clocks of their own; a step for any of them.
    sessions = Sessions(make_runner(model, 3, backend=plan.backend), [5, 5, 5])
    clocks, found = [0, 0, 0], [[], [], []]  # type: ignore[var-annotated]
    for turn in range(60):
        chosen = [face for face in range(3) if (turn + face) % (face + 2)]
        answers = sessions.step({f: cut(data, clocks[f], clocks[f] + 1) for f in chosen})
        for face, answer in answers.items():
            clocks[face] += 1
            found[face].append(answer)
    out['faces'] = max(
        difference(
            cut(whole, 0, clocks[face]),
            {n: np.concatenate([part[n] for part in found[face]], 1) for n in BRANCHES},
        )
        for face in range(3)
    )
    return out


def median_and_p95_s(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of a call that waits for its result."""
    for _ in range(3):
        call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times)), float(np.percentile(times, 95))


def one_face(plan: Plan) -> dict[int, float]:
    """Median seconds of a step of one face, by frames."""
    manager = OnlineInferenceManager(load(plan.device), seed=0, backend=plan.backend)
    out = {}
    for frames in (1, 16):
        window = speaker(1, frames)
        out[frames], _ = median_and_p95_s(
            lambda w=window: manager.process_window(w),  # type: ignore[misc]
            plan.repeats,
        )
    return out


def faces(plan: Plan, *, half: bool) -> list[tuple[int, float, float]]:
    """(faces, seconds of Whisper, of the reaction step), p95 each, while both fit in a frame.

    Every face has a new frame and a new Whisper context each time. The log-mel spectra are given.
    """
    encoder = None
    if importlib.util.find_spec('whisper'):
        from robot_face_gen.features.whisper_encoder import WhisperEncoder

        encoder = WhisperEncoder.from_name_or_path('untrained', plan.device)
    model, out = load(plan.device), []
    repeats = max(plan.repeats // 10, 5)
    for count in plan.faces:
        whisper_s = 0.0
        if encoder is not None:
            mel = np.zeros((count, encoder.n_mels, CONTEXT_FRAMES), np.float32)

            def encode(mel: np.ndarray = mel) -> None:
                assert encoder is not None
                with torch.autocast(plan.device, torch.bfloat16, enabled=half):
                    encoder.encode(mel, CONTEXT_FRAMES // 2 - 2, CONTEXT_FRAMES // 2)

            _, whisper_s = median_and_p95_s(encode, repeats)
        sessions = Sessions(make_runner(model, count, backend=plan.backend), 0)
        sessions.clocks[:] = np.arange(count) % model.config.window_size  # begun at any time
        window = speaker(count, 1)
        _, step_s = median_and_p95_s(
            lambda s=sessions, w=window: s.process(w),  # type: ignore[misc]
            repeats,
        )
        out.append((count, whisper_s, step_s))
        if whisper_s + step_s > FRAME_S:
            break
    return out


class Clips(torch.utils.data.Dataset):
    """Random clips of speakers and listeners in memory."""

    def __init__(self, clips: int, frames: int) -> None:
        self.clips, self.frames = clips, frames

    def __len__(self) -> int:
        """Number of clips."""
        return self.clips

    def __getitem__(self, index: int) -> dict[str, object]:
        """One clip."""
        data = {n: torch.from_numpy(x[0]) for n, x in speaker(1, self.frames, index).items()}
        listener = {n: data[n] for n in (*BRANCHES, 'face_valid', 'face_mask')}
        return {'speaker': data, 'listener': listener, 'key': index}


def epoch_s(plan: Plan, precision: str) -> float:
    """Seconds of the second training epoch."""
    import lightning

    from robot_face_gen.training.config import TrainingConfig
    from robot_face_gen.training.module import ReactionTraining

    logging.getLogger('lightning.pytorch').setLevel(logging.ERROR)
    config = TrainingConfig()
    marks: list[float] = []

    class Marks(lightning.Callback):
        def on_train_epoch_end(self, *_: object) -> None:
            if plan.device == 'cuda':
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    trainer = lightning.Trainer(
        max_epochs=2, precision=precision, devices=1,  # type: ignore[arg-type]
        accelerator='gpu' if plan.device == 'cuda' else 'cpu', callbacks=[Marks()], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    clips = [Clips(plan.clips, plan.clip_frames)[i] for i in range(plan.clips)]
    loader = torch.utils.data.DataLoader(clips, batch_size=config.batch_size)  # type: ignore[arg-type]
    trainer.fit(ReactionTraining(config), loader)
    return marks[1] - marks[0]


def main() -> int:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--cpu', action='store_true', help='run on the CPU, with small numbers')
    args = parser.parse_args()
    if not args.cpu and not torch.cuda.is_available():
        print(f'gpu_check: torch {torch.__version__} finds no CUDA device on this machine')
        return 2
    warnings.simplefilter('ignore')
    plan = CPU if args.cpu else GPU
    name = 'CPU' if args.cpu else torch.cuda.get_device_name(0)
    print(f'{name}, torch {torch.__version__}, {plan.backend}')
    passed = True
    for what, found in equality(plan).items():
        good = found < TOLERANCE
        passed &= good
        print(f'| equal to the CPU: {what} | {found:.1e} | {"passed" if good else "FAILED"} |')
    for frames, seconds in one_face(plan).items():
        goal = ' | goal 0.50 ms |' if frames == 1 else ' | |'
        print(f'| step of one face, {frames} frames | {1e3 * seconds:.2f} ms{goal}')
    for half in (False, True):
        kind = 'bfloat16' if half else 'float32'
        most = 0
        for count, whisper_s, step_s in faces(plan, half=half):
            fits = whisper_s + step_s <= FRAME_S
            most = count if fits else most
            whisper = f'{1e3 * whisper_s:.1f} ms' if whisper_s else 'not installed'
            print(f'| {count} faces, Whisper {kind} {whisper} | step {1e3 * step_s:.1f} ms | |')
        print(f'| faces at 25 Hz, Whisper in {kind} | {most} | goal 2000 |')
    if importlib.util.find_spec('lightning'):
        for precision in ('32-true', 'bf16-mixed'):
            seconds = epoch_s(plan, precision)
            size = f'{plan.clips} clips of {plan.clip_frames} frames'
            print(f'| training epoch, {precision}, {size} | {seconds:.2f} s | |')
    else:
        print('| training epoch | not measured: lightning is not installed | |')
    print('passed' if passed else f'FAILED: answers differ by more than {TOLERANCE}')
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
