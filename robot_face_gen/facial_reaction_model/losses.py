# SPDX-License-Identifier: Apache-2.0
"""The five losses, on standardised faces, so that every branch has the same weight.

Predictions are dicts of (B, M, T, F): M samples for each of B speakers; targets are dicts of
(B, T, F), and `seen` says which of their values the tracker delivered (see `seen_values`): a dict
of (B, T, 1 or F) bool. Other values do not count. A loss is a mean over clips of a value per clip,
so that processes with a part of the batch each get the gradient of the whole.
Each is of order one at the beginning of training, times a `scale` chosen for the weights 1, 15
and 100 of the configuration.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from .config import BRANCHES
from .encoder import Face


def clip_means(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (B, ..., T, F) where mask (B, T) or (B, T, 1 or F) is true, by clip: (B,).

    0 for a clip without such values.
    """
    if mask.ndim == 2:
        mask = mask[..., None]
    mask = mask.view(len(mask), *(1,) * (values.ndim - 3), *mask.shape[1:])
    # `where`, not a product: a value that does not count may be NaN.
    total = torch.where(mask, values, values.new_zeros(())).flatten(1).sum(dim=1)
    repeated = values[0].numel() // mask[0].numel()
    return total / (mask.flatten(1).sum(dim=1) * repeated).clamp(min=1)


def pairwise_distances(samples: Face) -> Tensor:
    """Mean squared distance (B, pairs, branches) between the samples (B, M, T, F) of speakers."""
    pairs = list(itertools.combinations(range(next(iter(samples.values())).shape[1]), 2))
    return torch.stack(
        [
            torch.stack([(x[:, i] - x[:, j]).square().mean(dim=(1, 2)) for i, j in pairs], dim=1)
            for x in samples.values()
        ],
        dim=2,
    )


class FacialVAELoss(nn.Module):
    """Reconstruction of each branch and KL(q || p), summed over latent dimensions, with free bits.

    A network that reconstructs from the posterior only may put everything into the latents and
    learn little from the speaker. So the face from the prior's mean has to be near the target too
    (the hybrid objective of Sohn et al. 2015).

    `kl_weight` is that of a nat per frame relative to the mean squared error; `free_bits` are nats
    per latent dimension and window without a cost (Kingma et al. 2016).
    """

    def __init__(self, kl_weight: float = 0.05, free_bits: float = 0.02) -> None:
        super().__init__()
        self.kl_weight, self.free_bits = kl_weight, free_bits

    def forward(
        self,
        rebuilt: Face,
        expected: Face,
        target: Face,
        seen: Face,
        posterior: Normal,
        prior: Normal,
        window_size: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts: `reconstruction`, `expectation`, `kl` (nats a window).

        All faces are standardised, (B, T, F): `rebuilt` from the posterior, `expected` from the
        prior's mean, `target` is the real listener, of which the values `seen` count. The
        distributions are (B, W, latent_dim).
        """
        reconstruction, expectation = (
            torch.stack(
                [clip_means((face[n] - target[n]).square(), seen[n]).mean() for n in BRANCHES]
            ).mean()
            for face in (rebuilt, expected)
        )
        each = kl_divergence(posterior, prior)  # (B, W, latent_dim)
        kl = each.mean(dim=1).clamp(min=self.free_bits).sum(dim=-1).mean()
        parts = {
            'reconstruction': reconstruction,
            'expectation': expectation,
            'kl': each.sum(dim=-1).mean(),
        }
        return reconstruction + expectation + self.kl_weight * kl / window_size, parts


class FacialSmoothLoss(nn.Module):
    """Mean squared second difference over time, borders of windows included.

    Relative to the real listener's: 1 is as much jitter as the real one has, 0 is frozen. Values
    that were never seen in a clip do not count, nor does a clip without any.
    """

    scale = 0.01

    def forward(self, samples: Face, target: Face, seen: Face) -> Tensor:
        """Standardised samples (B, M, T, F) against the target (B, T, F)."""
        ratios = []
        for name in BRANCHES:
            triple = seen[name][:, 2:] & seen[name][:, 1:-1] & seen[name][:, :-2]
            real = clip_means(target[name].diff(n=2, dim=1).square(), triple)
            known = triple.any(dim=1, keepdim=True).expand_as(triple)
            ours = clip_means(samples[name].diff(n=2, dim=2).square(), known)
            ratios.append((ours / (real + 1e-3)).mean())  # 0 where nothing was seen
        return self.scale * torch.stack(ratios).mean()


class FacialDiversityLoss(nn.Module):
    """exp(-d^2 / reach) between the samples for one speaker, d^2 their mean squared distance.

    Branch by branch: samples that differ in gaze only are not diverse. 1 if all samples are the
    same; the gradient is largest there and fades once they differ by about `reach`, so that they
    are not pushed apart without limit.
    """

    scale = 0.01

    def __init__(self, reach: float = 0.3) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, samples: Face) -> Tensor:
        """Standardised samples (B, M, T, F), M at least 2."""
        return self.scale * (-pairwise_distances(samples) / self.reach).exp().mean()


class FacialContrastiveLoss(nn.Module):
    """Samples near the listener, apart from each other: near / (near + r) + r / (apart + r) / 2.

    `near` is the mean squared distance of the nearest samples to the target (a soft minimum),
    `apart` that between samples, r the reach. There is no margin, so the gradient never vanishes;
    the term towards the target is the larger one.
    """

    scale = 0.1

    def __init__(self, reach: float = 0.5) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, samples: Face, target: Face, seen: Face) -> Tensor:
        """Standardised samples (B, M, T, F) against the target (B, T, F)."""
        distances, known = [], []
        for name in BRANCHES:
            errors = (samples[name] - target[name][:, None]).square().transpose(0, 1)
            distances.append(torch.stack([clip_means(x, seen[name]) for x in errors], dim=1))
            known.append(seen[name].flatten(1).any(dim=1))
        branches = torch.stack(known).sum(dim=0).clamp(min=1)[:, None]  # that were seen, by clip
        distance = torch.stack(distances).sum(dim=0) / branches  # (B, M)
        near = (distance * torch.softmax(-distance.detach(), dim=1)).sum(dim=1)
        apart = pairwise_distances(samples).mean(dim=(1, 2))
        pull = near / (near + self.reach)
        push = self.reach / (apart + self.reach)
        return self.scale * (pull + 0.5 * push).mean()


class FacialConsistencyLoss(nn.Module):
    """Distance of the landmarks from those that action units, pose and gaze predict.

    The relation is a linear map, fitted to real faces by ridge regression (`fit`). The loss is 0
    where no real face has all values.
    """

    scale = 1.0
    weights: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fitted = True
        causes = sum(width for name, width in BRANCHES.items() if name != 'landmarks')
        self.register_buffer('weights', torch.zeros(causes + 1, BRANCHES['landmarks']))

    @staticmethod
    def _causes(face: Face) -> Tensor:
        parts = [face[name] for name in BRANCHES if name != 'landmarks']
        return torch.cat((*parts, torch.ones_like(parts[0][..., :1])), dim=-1)

    def fit(self, face: Face, ridge: float = 1e-2) -> float:
        """Fit the map to standardised real faces (N, F) that have all values.

        Returns:
            float: share of the landmarks' variance that the map explains, up to 1.
        """
        if not len(face['landmarks']):
            self.fitted = False
            return 0.0
        causes, marks = self._causes(face).double(), face['landmarks'].double()
        gram = causes.T @ causes
        gram += ridge * len(causes) * torch.eye(len(gram), dtype=gram.dtype)
        self.weights.copy_(torch.linalg.solve(gram, causes.T @ marks))
        rest = marks - causes @ self.weights.double()
        return float(1 - rest.square().mean() / (marks - marks.mean(dim=0)).square().mean())

    def forward(self, samples: Face) -> Tensor:
        """Standardised samples (..., F)."""
        if not self.fitted:
            return samples['landmarks'].new_zeros(())
        error = samples['landmarks'] - self._causes(samples) @ self.weights
        return self.scale * error.square().mean()
