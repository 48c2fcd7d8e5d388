"""`robot-face-gen train`: from a YAML file to a checkpoint."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import yaml

from .config import TrainingConfig, from_mapping, read_training_config

_USED = 'training_config.yaml'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        '--config', metavar='FILE', help='YAML file, as config/training_config.yaml'
    )
    parser.add_argument(
        'overrides',
        nargs='*',
        metavar='key=value',
        help='changes to it, for example num_epochs=20 loss_weights.smooth=5',
    )


def run(args: argparse.Namespace) -> int:
    """Train as the arguments say."""
    best = train(read_training_config(args.config, args.overrides))
    print(f'best checkpoint: {best}')
    return 0


def _quiet() -> None:
    """Lightning's advice and notices are for its developers, not for ours."""
    for name in ('lightning.pytorch', 'lightning.fabric', 'lightning.pytorch.utilities.rank_zero'):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings('ignore', module='lightning')
    warnings.filterwarnings('ignore', message='.*does not have many workers.*')


def _same_run(config: TrainingConfig, used: Path) -> None:
    """Refuse to go on with a run of another configuration."""
    before = yaml.safe_load(used.read_text(encoding='utf-8'))
    after = config.to_dict()
    free = ('output', 'resume', 'workers', 'devices', 'num_nodes', 'accelerator', 'data')
    changed = [
        f'{name} = {after[name]!r} (was {before.get(name)!r})'
        for name in after
        if name not in free and after[name] != before.get(name)
    ]
    if changed:
        raise ValueError(
            f'{used.parent}: holds an interrupted run of another configuration: '
            f'{"; ".join(changed)}. Choose another output, or resume=false to begin anew'
        )


def train(config: TrainingConfig) -> Path:
    """Train a model; leaves everything in the folder `config.output`.

    Returns:
        Path: the checkpoint with the least validation loss.

    Raises:
        ValueError: an impossible configuration or unusable data.
    """
    _quiet()
    import lightning
    import torch
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import (
        create_model,
        load_checkpoint,
        save_checkpoint,
    )

    from .calibration import calibrate_spread
    from .clips import ClipsModule, feature_statistics, listener_faces
    from .export import ExportCheckpoints, checkpoint_info
    from .module import ReactionTraining
    from .pictures import training_page

    output = Path(config.output)
    last, used = output / 'last.ckpt', output / _USED
    go_on = config.resume and last.is_file()
    if go_on:
        _same_run(config, used)
    data = ClipDataset(config.data, 'train', frames=config.clip_frames)
    validation = ClipDataset(config.data, 'val', frames=config.clip_frames)
    statistics = feature_statistics(data)
    torch.manual_seed(config.seed)
    module = ReactionTraining(
        config, statistics, listener_faces(data, statistics), checkpoint_info(config, data)
    )
    if config.start_from:
        earlier = create_model(config.model, checkpoint=config.start_from)
        # The statistics are those of the new data: what the network sees stays standardised.
        kept = ('.statistics.', 'prior_spread')
        weights = {
            name: value
            for name, value in earlier.state_dict().items()
            if not any(word in name for word in kept)
        }
        module.model.load_state_dict(weights, strict=False)
    augmented = ClipDataset(
        config.data,
        'train',
        frames=config.clip_frames,
        augmentation=config.augmentation,
        seed=config.seed,
    )
    output.mkdir(parents=True, exist_ok=True)
    several = (
        config.devices > 1 or config.num_nodes > 1 or torch.distributed.is_torchelastic_launched()
    )
    callbacks: list[Any] = [
        ModelCheckpoint(
            output,
            filename='best',
            monitor='validation/loss',
            enable_version_counter=False,
            save_weights_only=True,
        ),
        ModelCheckpoint(
            output, filename='last', enable_version_counter=False, save_on_train_epoch_end=True
        ),
        ExportCheckpoints(output),
        TQDMProgressBar(refresh_rate=1 if sys.stderr.isatty() else 50),
    ]
    if config.patience:
        callbacks.append(EarlyStopping('validation/loss', patience=config.patience))
    trainer = lightning.Trainer(
        max_epochs=config.num_epochs,
        accelerator=config.accelerator,
        devices=config.devices
        or ('auto' if config.accelerator != 'cpu' and torch.cuda.is_available() else 1),
        num_nodes=config.num_nodes,
        strategy='ddp' if several else 'auto',
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=config.gradient_clip or None,
        accumulate_grad_batches=config.accumulate,
        check_val_every_n_epoch=config.validate_every,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        logger=[
            CSVLogger(output, name='', version='curves'),
            TensorBoardLogger(output, name='', version='tensorboard'),
        ],
        callbacks=callbacks,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    if trainer.is_global_zero and not go_on:
        used.write_text(yaml.safe_dump(config.to_dict(), sort_keys=False), encoding='utf-8')
    trainer.fit(
        module,
        ClipsModule(config, augmented, validation),
        ckpt_path=last if go_on else None,
        weights_only=True,
    )
    best = output / 'best.safetensors'
    if trainer.is_global_zero:
        for path in (best, output / 'last.safetensors'):
            model = load_checkpoint(path).eval()
            found = calibrate_spread(model, validation)
            model.info.training.update(calibration=found)
            save_checkpoint(model, path)
        training_page(output, best, validation)
    return best


def main() -> int:
    """`python -m robot_face_gen.training.train`: the same as the subcommand."""
    parser = argparse.ArgumentParser(prog='python -m robot_face_gen.training.train')
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())


__all__ = ['add_arguments', 'from_mapping', 'run', 'train']
