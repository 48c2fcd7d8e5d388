# SPDX-License-Identifier: Apache-2.0
"""One training step: the losses of a batch, and the optimizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from robot_face_gen.facial_reaction_model import BRANCHES, CheckpointInfo, FacialReactionModel
from robot_face_gen.facial_reaction_model import losses as terms
from robot_face_gen.facial_reaction_model.encoder import seen_values
from robot_face_gen.facial_reaction_model.inputs import SPEAKER

from .config import TrainingConfig


def clip_seeds(seed: int, epoch: int, keys: Tensor, samples: int) -> list[int]:
    """A seed for each sample of each clip, independent of the process that has the clip.

    Args:
        seed: of the run.
        epoch: counted from 0.
        keys: (B,) number of each clip in the data set.
        samples: number of samples of each clip.

    Returns:
        list: B x samples seeds, the samples of a clip are consecutive.
    """
    return [
        (((seed * 1_000_003 + epoch) * 1_000_003 + int(key)) * 64 + sample) & ((1 << 63) - 1)
        for key in keys.tolist()
        for sample in range(samples)
    ]


class ReactionTraining(lightning.LightningModule):
    """Trains a `FacialReactionModel` on pairs of a speaker and a listener.

    Args:
        config: of the run.
        statistics: mean and standard deviation of each branch, of `speaker` and `listener`:
            `{'speaker': {'au': (mean, std), ...}, 'listener': {...}}`.
        relation: standardised faces of real listeners, branch -> (N, F), to fit the consistency
            loss.
        events: initial weights of the events, see `event_weights`.
        info: metadata of the checkpoint.
    """

    def __init__(
        self,
        config: TrainingConfig,
        statistics: dict[str, dict[str, tuple[Tensor, Tensor]]] | None = None,
        relation: dict[str, Tensor] | None = None,
        info: CheckpointInfo | None = None,
        events: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.model = FacialReactionModel(config.model, info)
        self.vae_loss = terms.FacialVAELoss(config.kl_weight, config.free_bits)
        self.smooth_loss = terms.FacialSmoothLoss()
        self.diversity_loss = terms.FacialDiversityLoss()
        self.contrastive_loss = terms.FacialContrastiveLoss()
        self.consistency_loss = terms.FacialConsistencyLoss()
        if statistics is not None:
            for role, place in (
                ('speaker', self.model.encoder.statistics),
                ('listener', self.model.decoder.heads.statistics),
            ):
                for branch, (mean, std) in statistics[role].items():
                    place.set(branch, mean, std)
            if self.model.reconstruction is not None:
                for branch, (mean, std) in statistics['speaker'].items():
                    self.model.reconstruction.statistics.set(branch, mean, std)
        for name, value in (events or {}).items():
            getattr(self.model.motion, name).data.copy_(torch.from_numpy(value))
        if relation is not None:
            self.explained = self.consistency_loss.fit(relation)

    def losses(self, batch: dict[str, Any], seeds: list[int]) -> dict[str, Tensor]:
        """All losses of a batch and `loss`, their weighted sum.

        Args:
            batch: of `SeparatedClips`: `speaker` and `listener`, dicts of (B, T, ...), `age` and
                `onset` (B, T, E).
            seeds: B x (1 + samples), see `clip_seeds`: for the posterior, and the prior's samples.
        """
        speaker = {name: x for name, x in batch['speaker'].items() if name in SPEAKER}
        # The noise of training is that of a live session: correlated over windows.
        faces, distributions, speaker_face = self.model(
            speaker, batch['listener'], seed=seeds, temperature=1.0
        )
        target, posterior = distributions.listener, distributions.posterior
        seen = distributions.seen
        assert target is not None and seen is not None and posterior is not None
        rebuilt, expected = ({n: face[:, i] for n, face in faces.items()} for i in (0, 1))
        sampled = {name: face[:, 2:] for name, face in faces.items()}
        events = (
            -self.model.motion.log_likelihood(distributions.events, batch['age'], batch['onset'])
            .mean(dim=(0, 1))
            .sum()
        )
        out = self._weigh(
            rebuilt, expected, sampled, target, seen, posterior, distributions.prior, events
        )
        if speaker_face is not None:
            out['speaker'] = self._speaker_error(speaker_face, batch['speaker'])
            out['loss'] = out['loss'] + self.config.loss_weights.vae * out['speaker']
        return out

    def _speaker_error(self, rebuilt: terms.Face, speaker: dict[str, Tensor]) -> Tensor:
        """Mean squared error of the speaker's reconstructed face."""
        real, seen = self.model.encoder.statistics.standardise_face(speaker), seen_values(speaker)
        errors = [
            terms.clip_means((rebuilt[n] - real[n]).square(), seen[n]).mean() for n in BRANCHES
        ]
        return torch.stack(errors).mean()

    def _weigh(
        self,
        rebuilt: terms.Face,
        expected: terms.Face,
        sampled: terms.Face,
        target: terms.Face,
        seen: terms.Face,
        posterior: Normal,
        prior: Normal,
        events: Tensor,
    ) -> dict[str, Tensor]:
        weights = self.config.loss_weights
        vae, parts = self.vae_loss(
            rebuilt, expected, target, seen, posterior, prior, self.config.model.window_size
        )
        vae = vae + self.config.event_weight * events
        several = sampled['au'].shape[1] > 1
        nothing = vae.new_zeros(())
        out = {
            'vae': vae,
            'smooth': self.smooth_loss(sampled, target, seen),
            'diversity': self.diversity_loss(sampled) if several else nothing,
            'contrastive': self.contrastive_loss(sampled, target, seen) if several else nothing,
            'consistency': self.consistency_loss(sampled),
        }
        loss = torch.stack([getattr(weights, name) * value for name, value in out.items()]).sum()
        return {
            'loss': loss,
            **out,
            'reconstruction': parts['reconstruction'].detach(),
            'expectation': parts['expectation'].detach(),
            'kl': parts['kl'].detach(),
            'events': events.detach(),
            'sample_error': self._error(sampled, target, seen),
        }

    @staticmethod
    def _error(sampled: terms.Face, target: terms.Face, seen: terms.Face) -> Tensor:
        """Mean squared error of samples from the prior, as the robot shows them."""
        with torch.no_grad():
            return torch.stack(
                [
                    terms.clip_means((sampled[n] - target[n][:, None]).square(), seen[n]).mean()
                    for n in BRANCHES
                ]
            ).mean()

    def _step(self, batch: dict[str, Any], stage: str, epoch: int) -> Tensor:
        seeds = clip_seeds(self.config.seed, epoch, batch['key'], 1 + self.config.samples)
        out = self.losses(batch, seeds)
        if not bool(torch.isfinite(out['loss'])):
            parts = ', '.join(f'{name} = {float(value):.4g}' for name, value in out.items())
            raise ValueError(
                f'{stage}: the loss is not finite in clips {batch["key"].tolist()}: {parts}'
            )
        self.log_dict(
            {f'{stage}/{name}': value for name, value in out.items()},
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=len(batch['key']),
        )
        if stage == 'train':  # for the progress bar: the loss of this process and step
            self.log('loss', out['loss'].detach(), prog_bar=True, logger=False)
        return out['loss']

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        """One batch."""
        # Dropout uses the global generator; seeded per batch, a resumed run gets the same numbers.
        place = (self.config.seed * 1_000_003 + self.current_epoch) * 1_000_003 + index
        torch.manual_seed((place * 4096 + self.global_rank) & ((1 << 63) - 1))
        return self._step(batch, 'train', self.current_epoch)

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        """One batch, with the same noise in each epoch."""
        self._step(batch, 'validation', 0)

    def configure_optimizers(self) -> Any:
        """AdamW with linear warm-up, then cosine decay to 5 % of the learning rate."""
        config = self.config
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [
                {'params': decayed, 'weight_decay': config.weight_decay},
                {'params': others, 'weight_decay': 0.0},
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.98),
        )
        total = max(int(self.trainer.estimated_stepping_batches), 1)

        def factor(step: int) -> float:
            if step < config.warmup_steps:
                return (step + 1) / (config.warmup_steps + 1)
            done = (step - config.warmup_steps) / max(total - config.warmup_steps, 1)
            return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            'optimizer': optimizer,
            'lr_scheduler': {'scheduler': schedule, 'interval': 'step'},
        }
