# SPDX-License-Identifier: Apache-2.0
"""Batches of clips for a trainer, and statistics of the training data."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model.config import TYPICAL
from robot_face_gen.facial_reaction_model.encoder import seen_values
from robot_face_gen.layout import BRANCH_SLICES, BRANCHES

from .config import TrainingConfig
from .mirrored import Mirrored, separate_clip

# A value that hardly moves must not be scaled to unit variance.
_MIN_STD = {'landmarks': 2e-3, 'au': 5e-2, 'pose': 1e-2, 'gaze': 1e-2}


class SeparatedClips(Dataset):
    """Clips whose listener has no events; an item has `age` and `onset` of them, see `separate`.

    The network learns the face without events, because squared errors average events whose time is
    uncertain. With `mirrored`, smiles and brow raises that follow the speaker's are no events.
    """

    def __init__(self, clips: ClipDataset, mirrored: Mirrored | None = None) -> None:
        self.clips, self.mirrored = clips, mirrored

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """As of `ClipDataset`."""
        item = self.clips[index]
        apart = separate_clip(item, self.mirrored)
        base = torch.from_numpy(np.nan_to_num(apart.base).astype(np.float32))
        listener = {name: base[:, columns] for name, columns in BRANCH_SLICES.items()}
        return {
            **item,
            'listener': {**item['listener'], **listener},
            'age': torch.from_numpy(apart.age),
            'onset': torch.from_numpy(apart.onset),
        }


class ClipsModule(lightning.LightningDataModule):
    """Training and validation clips of a run, distributed over its processes."""

    def __init__(
        self,
        config: TrainingConfig,
        train: ClipDataset,
        validation: ClipDataset,
        mirrored: Mirrored | None = None,
    ) -> None:
        super().__init__()
        self.config, self.train, self.validation = config, train, validation
        self.mirrored = mirrored

    def _loader(self, dataset: ClipDataset, *, shuffle: bool) -> DataLoader:
        trainer, config = self.trainer, self.config
        world = trainer.world_size if trainer else 1
        rank = trainer.global_rank if trainer else 0
        # The order is the same for any number of processes, so a step sees the same clips.
        sampler: DistributedSampler = DistributedSampler(
            dataset,
            num_replicas=world,
            rank=rank,
            shuffle=shuffle,
            seed=config.seed,
            drop_last=shuffle,
        )
        if trainer and shuffle:
            sampler.set_epoch(trainer.current_epoch)
            dataset.set_epoch(trainer.current_epoch)
        return DataLoader(
            SeparatedClips(dataset, self.mirrored),
            # Fewer clips than a batch: one smaller batch, because drop_last would leave none.
            batch_size=min(config.batch_size, len(sampler)),
            sampler=sampler,
            num_workers=config.workers,
            drop_last=shuffle,
        )

    def train_dataloader(self) -> DataLoader:
        """Batches of the current epoch; called in each epoch."""
        return self._loader(self.train, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches of validation clips."""
        return self._loader(self.validation, shuffle=False)


def feature_statistics(dataset: ClipDataset) -> dict[str, dict[str, tuple[Tensor, Tensor]]]:
    """Mean and standard deviation of each value where it was seen, for each role.

    A value that was never seen has those of a typical face.

    Returns:
        dict: role -> branch -> (mean, std), each (F,).
    """
    sums: dict[tuple[str, str], list[Tensor]] = {}
    for index in range(len(dataset)):
        item = dataset[index]
        for role in ('speaker', 'listener'):
            for branch, valid in seen_values(item[role]).items():
                x = torch.where(valid, item[role][branch], 0.0).double()
                parts = valid.expand_as(x).sum(dim=0), x.sum(dim=0), x.square().sum(dim=0)
                old = sums.get((role, branch), [torch.zeros(())] * 3)
                sums[role, branch] = [a + b for a, b in zip(old, parts, strict=True)]
    out: dict[str, dict[str, tuple[Tensor, Tensor]]] = {'speaker': {}, 'listener': {}}
    for (role, branch), (count, total, squares) in sums.items():
        mean = total / count.clamp(min=1)
        variance = (squares / count.clamp(min=1) - mean.square()).clamp(min=0)
        std = variance.sqrt().clamp(min=_MIN_STD[branch])
        typical_mean, typical_std = (torch.tensor(x) for x in TYPICAL[branch])
        out[role][branch] = (
            torch.where(count > 0, mean.float(), typical_mean),
            torch.where(count > 0, std.float(), typical_std),
        )
    return out


def listener_faces(
    dataset: ClipDataset,
    statistics: dict[str, dict[str, tuple[Tensor, Tensor]]],
    most: int = 20_000,
) -> dict[str, Tensor]:
    """Standardised faces of real listeners (N, F), regularly sampled, for the consistency loss.

    Only those of which all values were seen.
    """
    every = max(1, len(dataset) * dataset.frames // most)
    parts: dict[str, list[Tensor]] = {branch: [] for branch in BRANCHES}
    for index in range(len(dataset)):
        listener: dict[str, Any] = dataset[index]['listener']
        valid = torch.cat(list(seen_values(listener).values()), dim=-1).all(dim=-1)
        for branch in BRANCHES:
            mean, std = statistics['listener'][branch]
            parts[branch].append(((listener[branch][valid] - mean) / std)[::every])
    return {branch: torch.cat(chunks) for branch, chunks in parts.items()}
