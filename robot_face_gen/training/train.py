# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen train`: trains a model from a YAML file."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot_face_gen.data.store import read_catalogue
from robot_face_gen.extras import require
from robot_face_gen.resources import default_checkpoint

from .config import TrainingConfig, read_training_config
from .run_folder import RunFolder, stopped_early

if TYPE_CHECKING:
    from robot_face_gen.data.dataset import ClipDataset

    from .mirrored import Mirrored
    from .module import ReactionTraining

SHIPPED = 'shipped'  # `start_from`: the weights in the package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        '--config', metavar='FILE', help='YAML file, see config/training_config.yaml'
    )
    parser.add_argument(
        'overrides',
        nargs='*',
        metavar='key=value',
        help="options that replace the file's, for example num_epochs=20 loss_weights.smooth=5",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    config = read_training_config(args.config, args.overrides)
    read_catalogue(config.data)  # its errors are not to wait for the imports, which take seconds
    for module in ('matplotlib', 'tensorboard', 'lightning'):
        require(module, 'training')
    train(config)
    return 0


def _quiet() -> None:
    """Suppress Lightning's notices and advice, which users of this command cannot act on."""
    for name in ('lightning.pytorch', 'lightning.fabric', 'lightning.pytorch.utilities.rank_zero'):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings('ignore', module='lightning')
    warnings.filterwarnings('ignore', message='.*does not have many workers.*')


def _processes(config: TrainingConfig) -> dict[str, Any]:
    """Trainer options for the number of processes and machines; from `torchrun` if it is used."""
    import torch

    launched = torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()
    here, nodes = config.devices, config.num_nodes
    if launched:
        local = int(os.environ['LOCAL_WORLD_SIZE'])
        here = here or local
        if nodes == 1:
            nodes = int(os.environ['WORLD_SIZE']) // local
    gpus = config.accelerator != 'cpu' and torch.cuda.is_available()
    return {
        'devices': here or ('auto' if gpus else 1),
        'num_nodes': nodes,
        'strategy': 'ddp' if launched or here > 1 or nodes > 1 else 'auto',
    }


def _check_processes(processes: dict[str, Any], *data: ClipDataset) -> None:
    """Raise ValueError where a process would have no clip."""
    import torch

    devices = processes['devices']
    here = torch.cuda.device_count() if devices == 'auto' else devices
    world = here * processes['num_nodes']
    for clips in data:
        if len(clips) < world:
            raise ValueError(
                f'{clips.root}: {len(clips)} {clips.split} clips for {world} processes: '
                'expected at least one clip per process: use fewer devices'
            )


def _load_weights(module: ReactionTraining, config: TrainingConfig, data: ClipDataset) -> None:
    """Load the weights of the checkpoint `start_from`."""
    from robot_face_gen.facial_reaction_model import create_model

    from .evaluate import check_encoder

    path = config.start_from
    if path == SHIPPED and not Path(path).is_file():
        path = str(default_checkpoint())
    earlier = create_model(config.model, checkpoint=path)
    check_encoder(earlier, data)
    kept = ['prior_spread', '_shapes', '_frames']
    if config.num_epochs:
        # The statistics are those of the new data, so that the input is standardised. A network
        # that is not trained any more needs those that it was trained with.
        kept.append('.statistics.')
    weights = {
        name: value
        for name, value in earlier.state_dict().items()
        if not any(word in name for word in kept)
    }
    module.model.load_state_dict(weights, strict=False)
    info = earlier.info
    module.model.info.training['before'] = {'trained_on': info.trained_on, **info.training}


def _callbacks(config: TrainingConfig, folder: RunFolder) -> list[Any]:
    from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

    from .callbacks import Curves, EpochBar, ExportCheckpoints

    callbacks: list[Any] = [
        ModelCheckpoint(
            folder.folder,
            filename=folder.state.stem,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        ),
        ExportCheckpoints(folder),
        Curves(folder.curves),
        EpochBar(),
    ]
    if config.patience:
        checks = math.ceil(config.patience / config.validate_every)
        callbacks.append(EarlyStopping('validation/loss', patience=checks))
    return callbacks


def train(config: TrainingConfig) -> Path:
    """Train a model; all files are written to the folder `config.output`.

    Returns:
        Path: the checkpoint with the lowest validation loss.

    Raises:
        ValueError: an impossible configuration, unusable data, or a folder that is damaged or
            contains another run.
        OSError: a file cannot be read.
        KeyboardInterrupt: stopped by Ctrl-C, after writing `best` and `last` weights.
    """
    _quiet()
    import lightning
    import torch
    from lightning.pytorch.loggers import TensorBoardLogger

    from robot_face_gen.data.dataset import ClipDataset
    from robot_face_gen.facial_reaction_model import save_checkpoint

    from .callbacks import AtomicCheckpointIO, CtrlC, checkpoint_info
    from .clips import ClipsModule, feature_statistics, listener_faces
    from .listener_motion import event_weights
    from .mirrored import Mirrored, separate_clip
    from .module import ReactionTraining
    from .reactions import seen

    folder = RunFolder(config.output)
    state = folder.interrupted(config)
    frames = config.clip_frames
    data = ClipDataset(config.data, 'train', frames)
    validation = ClipDataset(config.data, 'val', frames)
    augmented = ClipDataset(config.data, 'train', frames, config.augmentation, config.seed)
    if len(data) < config.batch_size:
        print(
            f'{config.data}: {len(data)} training clips, fewer than batch_size = '
            f'{config.batch_size}: each step uses all of them',
            flush=True,
        )
    processes = _processes(config)
    _check_processes(processes, data, validation)
    statistics = feature_statistics(data)
    mirrored = Mirrored(
        (seen(item['speaker']), seen(item['listener']))
        for item in map(data.__getitem__, range(len(data)))
    )
    torch.manual_seed(config.seed)
    module = ReactionTraining(
        config, statistics, listener_faces(data, statistics), checkpoint_info(config, data),
        event_weights(separate_clip(data[i], mirrored) for i in range(len(data))),
    )  # fmt: skip
    if config.start_from and state is None:
        _load_weights(module, config, data)
    ctrl_c = CtrlC()
    trainer = lightning.Trainer(
        max_epochs=config.num_epochs,
        accelerator=config.accelerator,
        **processes,
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=config.gradient_clip or None,
        accumulate_grad_batches=config.accumulate,
        check_val_every_n_epoch=config.validate_every,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        logger=TensorBoardLogger(folder.folder, name='', version=folder.tensorboard),
        callbacks=[*_callbacks(config, folder), ctrl_c],
        plugins=[AtomicCheckpointIO()],
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    if trainer.is_global_zero and state is None:
        folder.begin(config)
    if not config.num_epochs:
        for path in (folder.best, folder.last) if trainer.is_global_zero else ():
            save_checkpoint(module.model, path)
    elif state is None or not stopped_early(state):
        try:
            with ctrl_c:
                trainer.fit(
                    module,
                    ClipsModule(config, augmented, validation, mirrored),
                    ckpt_path=None if state is None else folder.state,
                    weights_only=True,
                )
        except SystemExit:  # raised by Lightning after Ctrl-C
            raise KeyboardInterrupt from None
    if trainer.is_global_zero:
        _finish(folder, data, validation, mirrored)
    return folder.best


def _finish(
    folder: RunFolder, data: ClipDataset, validation: ClipDataset, mirrored: Mirrored
) -> None:
    """Calibrate the trained weights, and plot the run."""
    from robot_face_gen.facial_reaction_model import load_checkpoint, save_checkpoint

    from .calibration import calibrate
    from .pictures import training_page

    for path in (folder.best, folder.last):
        model = load_checkpoint(path).eval()
        model.info.training.update(calibration=calibrate(model, data, validation, mirrored))
        save_checkpoint(model, path)
    training_page(folder, validation)
    print(f'best checkpoint: {folder.best}', flush=True)


def main() -> int:
    """`python -m robot_face_gen.training.train`: the same as the subcommand."""
    parser = argparse.ArgumentParser(prog='python -m robot_face_gen.training.train')
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except KeyboardInterrupt:
        return 130
    except (ImportError, ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
