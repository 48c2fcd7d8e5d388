# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen evaluate`: a checkpoint beside baselines and the real listener."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from robot_face_gen.extras import require

if TYPE_CHECKING:
    import numpy as np

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import FacialReactionModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        '--checkpoint',
        default='',
        metavar='FILE',
        help='safetensors file; by default the weights that ship',
    )
    parser.add_argument(
        '--data', required=True, metavar='DIR', help='folder that `robot-face-gen prepare` made'
    )
    parser.add_argument(
        '--split', default='test', help='which of its clips (default: %(default)s)'
    )
    parser.add_argument(
        '--samples',
        type=int,
        default=10,
        metavar='M',
        help='reactions to each speaker (default: %(default)s)',
    )
    parser.add_argument(
        '--clips', type=int, default=0, metavar='N', help='the first N clips alone'
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=750,
        metavar='T',
        help='length of a clip; at most that of the longest session (default: %(default)s, 30 s)',
    )
    parser.add_argument(
        '--hop',
        type=int,
        default=16,
        metavar='FRAMES',
        help='frames that the stream hands over at a time (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of the samples (default: %(default)s)'
    )
    parser.add_argument(
        '--temperature', type=float, default=None, help="by default the model's own"
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda (default: %(default)s)')
    parser.add_argument(
        '--out', required=True, metavar='DIR', help='where metrics.json and pictures go'
    )


def check_encoder(model: FacialReactionModel, dataset: ClipDataset) -> None:
    """Refuse data whose voices were embedded by another encoder than the model knows.

    Raises:
        ValueError: both ids are named.
    """
    theirs, ours = dataset.description['audio_encoder'], model.info.audio_encoder
    if ours and theirs != ours:
        raise ValueError(
            f'{dataset.root}: its voices were embedded with {theirs}, the checkpoint was trained '
            f'with {ours}: prepare the data with --encoder of that id'
        )


def open_clips(data: str, split: str, frames: int) -> tuple[ClipDataset, int, float]:
    """The clips of a split, no longer than its sessions are.

    Returns:
        tuple: the clips; their length in frames; which share of their frames is not recorded but
            held, because some sessions are shorter than others.

    Raises:
        ValueError: too short for the metrics.
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
    """Evaluate as the arguments say."""
    for name, least in (('samples', 2), ('hop', 1), ('clips', 0), ('frames', 1)):
        if getattr(args, name) < least:
            raise ValueError(f'--{name} {getattr(args, name)}: expected at least {least}')
    for module in ('matplotlib', 'lightning'):
        require(module, 'training')
    import torch

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import create_model
    from robot_face_gen.resources import default_checkpoint

    from . import baselines
    from .evaluation import HOW_TO_READ, measure, root_mean_square_distance, standardised, table
    from .pictures import evaluation_pages
    from .reactions import stream_reactions

    samples, seed = args.samples, args.seed
    model = create_model(device=args.device, checkpoint=args.checkpoint or default_checkpoint())
    dataset, frames, held = open_clips(args.data, args.split, args.frames)
    check_encoder(model, dataset)
    if held:
        print(f'some sessions are shorter than {frames} frames: {held:.1%} of all frames are held')
    clips = min(args.clips or len(dataset), len(dataset))
    test = baselines.gather(dataset, clips)
    known = baselines.gather(ClipDataset(args.data, 'train', frames))
    # One after the other: at 100 clips and 10 samples each is a gigabyte.
    sources: dict[str, Callable[[], np.ndarray]] = {
        'model': lambda: stream_reactions(
            model, dataset, clips, samples, args.hop, seed, args.temperature
        ),
        'random': lambda: baselines.random_reactions(known, test, samples, seed),
        'mean': lambda: baselines.mean_face(known, test, samples),
        'mime': lambda: baselines.mime(test, samples),
        'nearest': lambda: baselines.nearest_neighbours(known, test, samples),
        'real': lambda: baselines.real_listeners(test, samples, seed),
    }
    results, distances, kept = {}, {}, {}
    for name, make in sources.items():
        reactions = make()
        scaled, (P,) = standardised(test, reactions)
        results[name] = measure(P, scaled, threads=torch.get_num_threads())
        if name == 'model':
            ours = P
        else:
            distances[name] = root_mean_square_distance(ours, P)
        if name in ('model', 'real'):
            kept[name] = reactions
        print(f'measured: {name}', flush=True)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    about = {
        'checkpoint': str(args.checkpoint or 'shipped'),
        'data': str(args.data),
        'split': args.split,
        'clips': clips,
        'frames': frames,
        'held_share': held,
        'samples': samples,
        'hop': args.hop,
        'seed': seed,
        'temperature': args.temperature,
        'units': "values are standardised by the real listeners' mean and spread in this split",
        'trained_on': model.info.trained_on,
        'audio_encoder': model.info.audio_encoder,
        'distance_of_model': distances,
    }
    (out / 'metrics.json').write_text(
        json.dumps({**results, 'about': about}, indent=1, allow_nan=False), encoding='utf-8'
    )
    parts = [f'{part}\n{table(results, part)}' for part in results['model']]
    (out / 'metrics.txt').write_text('\n\n'.join((HOW_TO_READ, *parts)) + '\n', encoding='utf-8')
    evaluation_pages(out, kept['model'], kept['real'], test, results, distances)
    print(table(results))
    print(HOW_TO_READ)
    print(f'results in {out}')
    return 0
