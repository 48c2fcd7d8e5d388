# SPDX-License-Identifier: Apache-2.0
"""The latent of a window: a prior that knows what came before, and a posterior for training.

A conditional VAE (Kingma & Welling 2014; Sohn et al. 2015). The prior of window w sees the speaker
up to the last frame before w, so the first frame of a window can be answered at once. The noise of
successive windows is an AR(1) process of unit variance, z_t = a z_(t-1) + sqrt(1 - a^2) e. Within
a window the latent moves smoothly from the last window's to its own: no jumps at the borders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from .config import FACE_DIM, ModelConfig
from .inputs import fresh_noise

_LOG_STD_RANGE = (-5.0, 2.0)


def blend_weight(phase: Tensor, window_size: int) -> Tensor:
    """Share of a window's own latent at each phase (frame within the window); rises to 1."""
    x = (phase + 1) / window_size
    return x * x * (3 - 2 * x)


def phase_code(phase: Tensor, window_size: int) -> Tensor:
    """Position within a window as (..., 2) cosine and sine: continuous over the borders."""
    angle = phase * (2 * math.pi / window_size)
    return torch.stack((angle.cos(), angle.sin()), dim=-1)


class FacialVAE(nn.Module):
    """Prior and posterior of the latents.

    Attributes:
        beginning: (feature_dim,), what the prior sees before the first frame of a session.
        prior_spread: (latent_dim, latent_dim), mixes the noise of the prior. It is calibrated
            after training: the dimensions of real listeners' latents depend on each other, and
            samples shall differ as much as real listeners do.
    """

    prior_spread: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, latent = config.feature_dim, config.latent_dim
        self.window_size, self.latent_dim = config.window_size, latent
        self.correlation = config.latent_correlation
        self.beginning = nn.Parameter(torch.zeros(width))
        self.prior_net = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * latent)
        )
        # Not torch.eye: on the device `meta` it imports torch._dynamo, which takes a second.
        self.register_buffer('prior_spread', torch.zeros(latent, latent))
        self.prior_spread.diagonal().fill_(1.0)
        frame = max(width // 4, 8)
        self.listener_frame = nn.Sequential(
            nn.Linear(FACE_DIM, width // 2), nn.GELU(), nn.Linear(width // 2, frame)
        )
        self.speaker_frame = nn.Linear(width, frame)
        # Two windows: a latent fades in within its own and fades out in the next.
        self.posterior_net = nn.Sequential(
            nn.Linear(2 * 2 * frame * config.window_size, width),
            nn.GELU(),
            nn.Linear(width, 2 * latent),
        )

    def _moments(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = parameters.split(self.latent_dim, dim=-1)
        low, high = _LOG_STD_RANGE
        # A soft bound: a hard one would stop the gradient.
        log_std = low + (high - low) * torch.sigmoid(log_std - math.log(high / -low))
        return mean, log_std.exp()

    def prior_moments(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and spread (..., latent_dim) of the prior for contexts (..., feature_dim)."""
        return self._moments(self.prior_net(context))

    def mixed(self, noise: Tensor) -> Tensor:
        """Independent noise (..., latent_dim) with the covariance of real listeners' latents."""
        return noise @ self.prior_spread.T

    def prior(self, encoded: Tensor) -> Normal:
        """p(z_w | the speaker before w), (B, W, latent_dim), for encoded (B, T, feature_dim)."""
        return Normal(*self.prior_moments(self.window_contexts(encoded)), validate_args=False)

    def window_contexts(self, encoded: Tensor) -> Tensor:
        """Last encoded frame before each window of (B, T, feature_dim): (B, W, feature_dim)."""
        before = encoded[:, self.window_size - 1 : encoded.shape[1] - 1 : self.window_size]
        return torch.cat((self.beginning.expand(encoded.shape[0], 1, -1), before), dim=1)

    def posterior(self, encoded: Tensor, listener: Tensor, valid: Tensor) -> Normal:
        """q(z_w | speaker, listener), from windows w and w + 1, where z_w fades out.

        It is (B, W, latent_dim), W = ceil(T / window_size), for the encoded speaker
        (B, T, feature_dim), the real listener's standardised face (B, T, 160), and the frames
        (B, T) bool in which that was tracked well.
        """
        listener = torch.where(valid[..., None], listener, listener.new_zeros(()))
        frames = torch.cat((self.listener_frame(listener), self.speaker_frame(encoded)), dim=-1)
        batch, count, _ = frames.shape
        windows = math.ceil(count / self.window_size)
        padding = (windows + 1) * self.window_size - count
        own = nn.functional.pad(frames, (0, 0, 0, padding)).reshape(batch, windows + 1, -1)
        both = torch.cat((own[:, :-1], own[:, 1:]), dim=-1)
        return Normal(*self._moments(self.posterior_net(both)), validate_args=False)

    def correlate(self, previous: Tensor, fresh: Tensor) -> Tensor:
        """One step of AR(1); it keeps unit variance."""
        a = self.correlation
        return a * previous + math.sqrt(1 - a * a) * fresh

    def noise(self, seeds: Sequence[int], windows: int) -> Tensor:
        """The correlated noise (S, windows, latent_dim) of sessions from their first window on."""
        steps: list[Tensor] = []
        for window in range(windows):
            drawn = [fresh_noise(seed, window, self.latent_dim) for seed in seeds]
            fresh = torch.from_numpy(np.stack(drawn))
            steps.append(self.correlate(steps[-1], fresh) if steps else fresh)
        return torch.stack(steps, dim=1)

    def spread(self, latents: Tensor, frames: int) -> Tensor:
        """Latents (S, W, latent_dim) of windows to (S, frames, latent_dim + 2) with phase code."""
        index = torch.arange(frames, device=latents.device)
        window, phase = index // self.window_size, (index % self.window_size).to(latents.dtype)
        own = latents[:, window]
        last = latents[:, (window - 1).clamp(min=0)]
        weight = blend_weight(phase, self.window_size)[:, None]
        code = phase_code(phase, self.window_size).expand(len(latents), -1, -1)
        return torch.cat((last + weight * (own - last), code), dim=-1)
