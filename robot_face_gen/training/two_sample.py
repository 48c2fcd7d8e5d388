# SPDX-License-Identifier: Apache-2.0
"""Two-sample test: how well a small classifier tells samples from real faces.

A logistic regression on features of windows of 2 s, cross-validated over speakers: 0.5 means that
it cannot tell them apart (Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests, ICLR 2017).
Everything is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from robot_face_gen.layout import BRANCH_SLICES
from robot_face_gen.timing import FRAME_RATE_HZ

WINDOW_FRAMES = 2 * FRAME_RATE_HZ
BANDS_HZ = (0.4, 1.0, 2.0, 4.0, 6.0, 9.0, 12.6)
FOLDS = 5
LEAST_WINDOWS = 20  # of each class
REPEATS = 10  # random halves of the speakers, where real faces are compared with real ones
_PENALTY = 1.0  # of squared weights, for standardised features; the sum of all windows' losses
_STEPS = 12  # of Newton's method
# AUs, pose and gaze; landmarks follow from them.
_COLUMNS = slice(BRANCH_SLICES['au'].start, BRANCH_SLICES['gaze'].stop)


@dataclass(frozen=True)
class Decisions:
    """Decisions of the classifier about windows of held-out speakers.

    Attributes:
        correct: (N,) number of right ones in each clip.
        windows: (N,) number of windows of each clip.
    """

    correct: np.ndarray
    windows: np.ndarray

    @property
    def accuracy(self) -> float:
        """Share of right decisions."""
        return float(self.correct.sum() / self.windows.sum())


def _windows(faces: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Complete windows (W, 50, C) of faces (N, T, 160), and the clip of each (W,)."""
    count = faces.shape[1] // WINDOW_FRAMES
    x = faces[:, : count * WINDOW_FRAMES, columns]
    x = x.reshape(len(faces) * count, WINDOW_FRAMES, len(columns))
    clip = np.repeat(np.arange(len(faces)), count)
    whole = np.isfinite(x).all(axis=(1, 2)) & (len(columns) > 0)
    return x[whole], clip[whole]


def _seen_columns(*sets: np.ndarray) -> np.ndarray:
    """Columns of AUs, pose and gaze that each of the sets of faces (N, T, 160) has."""
    columns = np.arange(_COLUMNS.start, _COLUMNS.stop)
    for faces in sets:
        columns = columns[np.isfinite(faces[..., columns]).any(axis=(0, 1))]
    return columns


def features(windows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Features (W, F) of windows (W, 50, C): levels, spread, speed, shape and spectrum.

    Args:
        windows: AUs, pose and gaze.
        scale: (C,) standard deviation of each channel.
    """
    x = windows / scale
    centred = x - x.mean(axis=1, keepdims=True)
    first, second = np.diff(x, axis=1), np.diff(x, n=2, axis=1)
    taper = np.hanning(WINDOW_FRAMES + 1)[:-1, None]
    power = np.abs(np.fft.rfft(taper * centred, axis=1)) ** 2 / WINDOW_FRAMES
    hz = np.fft.rfftfreq(WINDOW_FRAMES, 1 / FRAME_RATE_HZ)
    bands = [power[:, (hz >= low) & (hz < high)].mean(axis=1) for low, high in pairwise(BANDS_HZ)]
    small = 1e-3
    parts = [
        x.mean(axis=1),
        x[:, -1] - x[:, 0],
        centred.max(axis=1),
        centred.min(axis=1),
        np.log(centred.std(axis=1) + small),
        np.log(np.abs(first).mean(axis=1) + small),
        np.log(np.abs(second).mean(axis=1) + small),
        np.log(first.max(axis=1).clip(0) + small),
        np.log((-first).max(axis=1).clip(0) + small),
        *(np.log(band + small**2) for band in bands),
    ]
    return np.concatenate(parts, axis=1)


def _fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Weights of a logistic regression by Newton's method; the last one is the bias."""
    x = np.concatenate((x, np.ones((len(x), 1))), axis=1)
    penalty = np.full(x.shape[1], _PENALTY)
    penalty[-1] = 1e-6
    weights = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - y) + penalty * weights
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-6:
            break
    return weights


def _cross_validate(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Whether each window (W,) is classified correctly, by a classifier without its fold."""
    right = np.zeros(len(x), bool)
    for number in np.unique(fold):
        held = fold == number
        known, labels = x[~held], y[~held]
        if len(np.unique(labels)) < 2:
            continue
        mean, std = known.mean(axis=0), known.std(axis=0)
        std = np.where(std > 1e-9, std, 1.0)
        weights = _fit((known - mean) / std, labels)
        score = ((x[held] - mean) / std).clip(-10, 10) @ weights[:-1] + weights[-1]
        right[held] = (score > 0) == (y[held] > 0.5)
    return right


def one_sample_each(P: np.ndarray) -> np.ndarray:
    """One of the M samples for each clip of P (N, M, T, F), in turn: (N, T, F)."""
    clips, samples = P.shape[:2]
    return np.asarray(P[np.arange(clips), np.arange(clips) % samples])


def tell_apart(faces: np.ndarray, real: np.ndarray, speakers: np.ndarray) -> Decisions | None:
    """Tell samples from real listeners.

    Args:
        faces: one reaction to each clip, (N, T, 160), NaN where a value is missing.
        real: the listeners of the same clips, (N, T, 160).
        speakers: (N,) number of the speaker of each clip. Speakers are never in training and test
            at the same time.

    Returns:
        Decisions: None with fewer than 2 speakers, or too few windows.
    """
    columns = _seen_columns(faces, real)
    (a, clip_a), (b, clip_b) = _windows(faces, columns), _windows(real, columns)
    if len(np.unique(speakers)) < 2 or min(len(a), len(b)) < LEAST_WINDOWS:
        return None
    clip = np.concatenate((clip_a, clip_b))
    label = np.concatenate((np.zeros(len(a)), np.ones(len(b))))
    x = features(np.concatenate((a, b)), _scale(b))
    numbers = np.unique(speakers, return_inverse=True)[1]
    right = _cross_validate(x, label, numbers[clip] % FOLDS)
    return _decisions(right, clip, len(faces))


def tell_halves_apart(real: np.ndarray, speakers: np.ndarray) -> Decisions | None:
    """Tell real listeners of one half of the speakers from those of the other half.

    This is the result of the test where there is nothing to tell: about 0.5. It is the mean over
    `REPEATS` random halves.

    Args:
        real: listeners (N, T, 160), NaN where a value is missing.
        speakers: (N,) number of the speaker of each clip.

    Returns:
        Decisions: None with fewer than 4 speakers, or too few windows.
    """
    windows, clip = _windows(real, _seen_columns(real))
    numbers = np.unique(speakers, return_inverse=True)[1]
    count = numbers.max() + 1
    if count < 4 or len(windows) < 2 * LEAST_WINDOWS:
        return None
    x = features(windows, _scale(windows))
    rng = np.random.default_rng(0)
    totals = np.zeros((2, len(real)))
    for _ in range(REPEATS):
        order = rng.permutation(count)
        # Pairs of one speaker from each half are held out together: the classes stay balanced.
        half, fold = np.empty(count, int), np.empty(count, int)
        half[order], fold[order] = np.arange(count) % 2, np.arange(count) // 2 % FOLDS
        used = np.flatnonzero(np.isin(numbers[clip], order[: count // 2 * 2]))
        who = numbers[clip[used]]
        right = _cross_validate(x[used], half[who].astype(float), fold[who])
        found = _decisions(right, clip[used], len(real))
        totals += found.correct, found.windows
    return Decisions(*totals)


def _scale(windows: np.ndarray) -> np.ndarray:
    std = windows.std(axis=(0, 1))
    return np.where(std > 1e-6, std, 1.0)


def _decisions(right: np.ndarray, clip: np.ndarray, clips: int) -> Decisions:
    return Decisions(
        np.bincount(clip, right, minlength=clips), np.bincount(clip, minlength=clips).astype(float)
    )
