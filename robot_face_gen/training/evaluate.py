"""`robot-face-gen evaluate`: a checkpoint beside baselines and the real listener."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def run(args: argparse.Namespace) -> int:
    """Evaluate as the arguments say."""
    for name, least in (('samples', 2), ('hop', 1), ('clips', 0)):
        if getattr(args, name) < least:
            raise ValueError(f'--{name} {getattr(args, name)}: expected at least {least}')
    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import create_model
    from robot_face_gen.resources import default_checkpoint

    from . import baselines
    from .evaluation import measure, standardised, table
    from .pictures import evaluation_pages
    from .reactions import stream_reactions

    model = create_model(device=args.device, checkpoint=args.checkpoint or default_checkpoint())
    dataset = ClipDataset(args.data, args.split)
    check_encoder(model, dataset)
    clips = min(args.clips or len(dataset), len(dataset))
    known, test = (
        baselines.gather(ClipDataset(args.data, 'train')),
        baselines.gather(dataset, clips),
    )
    reactions = {
        'model': stream_reactions(
            model, dataset, clips, args.samples, args.hop, args.seed, args.temperature
        ),
        'random': baselines.random_reactions(known, test, args.samples, args.seed),
        'mean': baselines.mean_face(known, test, args.samples),
        'mime': baselines.mime(test, args.samples),
        'nearest': baselines.nearest_neighbours(known, test, args.samples),
        'real': baselines.real_listeners(test, args.samples, args.seed),
    }
    scaled, parts = standardised(test, *reactions.values())
    results = {}
    for name, P in zip(reactions, parts, strict=True):
        results[name] = measure(P, scaled, threads=os.cpu_count() or 1)
        print(f'measured: {name}', flush=True)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    about = {
        'checkpoint': str(args.checkpoint or 'shipped'),
        'data': str(args.data),
        'split': args.split,
        'clips': clips,
        'samples': args.samples,
        'seed': args.seed,
        'units': "values are standardised by the real listeners' mean and spread in this split",
        'trained_on': model.info.trained_on,
        'audio_encoder': model.info.audio_encoder,
    }
    (out / 'metrics.json').write_text(
        json.dumps({**results, 'about': about}, indent=1), encoding='utf-8'
    )
    text = '\n\n'.join(f'{part}\n{table(results, part)}' for part in next(iter(results.values())))
    (out / 'metrics.txt').write_text(text + '\n', encoding='utf-8')
    evaluation_pages(out, reactions, test, results)
    print(table(results))
    print(f'results in {out}')
    return 0
