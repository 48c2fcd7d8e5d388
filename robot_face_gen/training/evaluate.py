# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen evaluate`: compares a checkpoint with baselines and real listeners."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robot_face_gen.extras import require
from robot_face_gen.files import results_folder, write_text
from robot_face_gen.timing import CLIP_FRAMES

if TYPE_CHECKING:
    import numpy as np

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import FacialReactionModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    for name, kind, default, metavar, text in (
        ('checkpoint', str, '', 'FILE', 'safetensors file (default: the shipped weights)'),
        ('split', str, 'test', 'SPLIT', 'train, val or test (default: %(default)s)'),
        ('samples', int, 10, 'M', 'reactions to each speaker (default: %(default)s)'),
        ('clips', int, 0, 'N', 'use only the first N clips (default: all)'),
        ('frames', int, CLIP_FRAMES, 'T', 'length of a clip, limited by the longest session '
         '(default: %(default)s, 30 s)'),
        ('hop', int, 16, 'FRAMES', 'frames per call of the model (default: %(default)s)'),
        ('seed', int, 0, 'SEED', 'of the samples (default: %(default)s)'),
        ('temperature', float, None, 'X', "scale of the noise (default: the model's own)"),
        ('device', str, 'auto', 'DEVICE', 'auto, cpu, cuda (default: %(default)s)'),
    ):  # fmt: skip
        parser.add_argument(f'--{name}', type=kind, default=default, metavar=metavar, help=text)
    parser.add_argument('--data', required=True, metavar='DIR', help='folder of prepared data')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='output folder for metrics and plots'
    )


def check_encoder(model: FacialReactionModel, dataset: ClipDataset) -> None:
    """Refuse data whose embeddings are from another encoder than the model's.

    Raises:
        ValueError: the encoders differ; the message names both.
    """
    theirs, ours = dataset.description['audio_encoder'], model.info.audio_encoder
    if ours and theirs != ours:
        raise ValueError(
            f'{dataset.root}: its embeddings are from {theirs}, the checkpoint was trained with '
            f'{ours}: prepare the data with that --encoder'
        )


def open_clips(data: str, split: str, frames: int) -> tuple[ClipDataset, int, float]:
    """Open the clips of a split; clips are at most as long as the longest session.

    Returns:
        tuple: the clips; their length in frames; the share of frames that only repeat the last one
            because a session is shorter than the clip.

    Raises:
        ValueError: the clips are too short for the metrics.
        OSError: a file cannot be read.
    """
    from robot_face_gen.data.dataset import ClipDataset

    from .synchrony import MAX_LAG

    dataset = ClipDataset(data, split, frames)
    longest = max(clip.session.frames for clip in dataset.clips)
    if longest < frames:
        dataset, frames = ClipDataset(data, split, longest), longest
    if frames < MAX_LAG + 2:
        raise ValueError(
            f'{data}: clips of {frames} frames: lags of {MAX_LAG} frames need {MAX_LAG + 2}'
        )
    held = [max(0, frames - clip.session.frames) / frames for clip in dataset.clips]
    return dataset, frames, sum(held) / len(held)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    with results_folder(Path(args.out)) as out:  # an error now, not after minutes of work
        return _evaluate(args, out)


def _evaluate(args: argparse.Namespace, out: Path) -> int:
    for name, least in (('samples', 2), ('hop', 1), ('clips', 0), ('frames', 1)):
        if getattr(args, name) < least:
            raise ValueError(f'--{name} {getattr(args, name)}: expected at least {least}')
    require('matplotlib', 'training')
    import numpy as np
    import torch

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import create_model
    from robot_face_gen.resources import default_checkpoint

    from . import liveliness, reactions, two_sample
    from .evaluation import (
        HOW_TO_READ,
        measure,
        root_mean_square_distance,
        speaker_weights,
        standardised,
        table,
    )
    from .pictures import evaluation_pages, liveliness_page

    samples, seed = args.samples, args.seed
    model = create_model(device=args.device, checkpoint=args.checkpoint or default_checkpoint())
    dataset, frames, held = open_clips(args.data, args.split, args.frames)
    check_encoder(model, dataset)
    if held:
        print(
            f'some sessions are shorter than {frames} frames: {held:.1%} of all frames repeat the '
            'last one'
        )
    clips = min(args.clips or len(dataset), len(dataset))
    test = reactions.gather(dataset, clips)
    seen = 1 - float(np.isnan(test.listeners).mean())
    if seen < 1:
        print(f"the trackers saw {seen:.1%} of the listeners' values: the others are left out")
    training = ClipDataset(args.data, 'train', frames)
    known = reactions.gather(training)
    # One at a time: with 100 clips and 10 samples each takes a gigabyte.
    sources: dict[str, Callable[[], np.ndarray]] = {
        'model': lambda: reactions.stream_reactions(
            model, dataset, clips, samples, args.hop, seed, args.temperature
        ),
        'random': lambda: reactions.random_reactions(known, test, samples, seed),
        'mean': lambda: reactions.mean_face(known, test, samples),
        'mime': lambda: reactions.mime(test, samples),
        'nearest': lambda: reactions.nearest_neighbours(known, test, samples),
        'real': lambda: reactions.real_listeners(test, samples, seed),
    }
    lively = liveliness.Liveliness(test.speakers, test.listeners)
    results, distances, kept, alive = {}, {}, {}, {}
    for name, make in sources.items():
        answers = make()
        scaled, (P,) = standardised(test, answers)
        results[name] = measure(P, scaled, threads=torch.get_num_threads())
        if name == 'model':
            ours = P
        else:
            distances[name] = root_mean_square_distance(ours, P)
        if name in ('model', 'real'):
            kept[name] = answers
        decisions = (
            two_sample.tell_halves_apart(test.listeners, test.speaker_numbers)
            if name == 'real'
            else two_sample.tell_apart(
                two_sample.one_sample_each(answers), test.listeners, test.speaker_numbers
            )
        )
        alive[name] = lively.measure(answers, speaker_weights(test), decisions)
        print(f'measured: {name}', flush=True)
    about = {
        'checkpoint': str(args.checkpoint or 'shipped'),
        'data': str(args.data),
        'split': args.split,
        'clips': clips,
        'frames': frames,
        'held_share': held,
        'seen_share': seen,
        'samples': samples,
        'hop': args.hop,
        'seed': seed,
        'temperature': args.temperature,
        'units': "standardised by the mean and standard deviation of this split's real listeners",
        'trained_on': model.info.trained_on,
        'audio_encoder': model.info.audio_encoder,
        'distance_of_model': distances,
    }
    write_text(
        out / 'metrics.json',
        json.dumps(
            {
                **{name: {**results[name], 'liveliness': alive[name]} for name in results},
                'about': about,
            },
            indent=1,
            allow_nan=False,
        ),
    )
    parts = [f'{part}\n{table(results, part)}' for part in results['model']]
    parts.append(f'liveliness\n{liveliness.table(alive)}')
    write_text(out / 'metrics.txt', '\n\n'.join((HOW_TO_READ, *parts)) + '\n')
    evaluation_pages(out, kept['model'], kept['real'], test, results, distances)
    liveliness_page(out, alive)
    print(table(results))
    print(HOW_TO_READ)
    print(liveliness.table(alive))
    print(f'results in {out}')
    return 0
