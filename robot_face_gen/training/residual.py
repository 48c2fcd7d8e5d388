# SPDX-License-Identifier: Apache-2.0
"""Fits the residual of `facial_reaction_model.events` to what samples lack of real motion.

For each channel the variances of the processes are those with which the power spectrum of
samples is that of real listeners, in the Itakura-Saito distance (relative errors, as in dB), by
multiplicative updates (Fevotte et al. 2009). The correlation between channels is that of real
listeners in the band of each process.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from robot_face_gen.facial_reaction_model.events import FACTORS, POLES
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM

_FRAMES = 128  # of a window of the spectra
_UPDATES = 300
_FLOOR = 1e-12
_NO_LANDMARKS = slice(BRANCH_SLICES['landmarks'].stop, FACE_DIM)
# Slow motion is left to the latents, which know what belongs together: expressions are bursts
# from 0, and as Gaussian noise, cut at 0, they look like no face.
_SLOWEST = 0.9
_AU28 = BRANCH_SLICES['au'].start + AU['AU28']  # 0 or 1: no noise


def _window() -> np.ndarray:
    return np.hanning(_FRAMES + 1)[:-1, None]


def _transforms(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transforms (W, frequencies, 160) of the windows of a face (T, 160), and which are whole."""
    begins = range(0, len(face) - _FRAMES + 1, _FRAMES // 2)
    if not begins:
        empty = np.zeros((0, _FRAMES // 2, face.shape[1]), complex)
        return empty, np.zeros((0, face.shape[1]), bool)
    parts = np.stack([face[begin : begin + _FRAMES] for begin in begins])
    whole = np.isfinite(parts).all(axis=1)
    parts = np.where(whole[:, None], parts, 0.0)
    parts = _window() * (parts - parts.mean(axis=1, keepdims=True))
    return np.fft.rfft(parts, axis=1)[:, 1:], whole


def power_spectra(faces: Iterable[np.ndarray]) -> np.ndarray:
    """Mean power (frequencies, 160) of faces (T, 160); NaN for a channel that was never seen."""
    power, count = np.zeros(()), np.zeros(())
    for face in faces:
        x, whole = _transforms(face)
        power = power + (np.abs(x) ** 2).sum(axis=0)
        count = count + whole.sum(axis=0)
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.where(count > 0, power / count, np.nan)


def process_spectra() -> np.ndarray:
    """Expected power (POLES, frequencies) of processes of variance 1 in such a window."""
    centre = np.eye(_FRAMES) - 1 / _FRAMES
    transform = np.fft.rfft(_window() * centre, axis=0)[1:]
    lag = np.abs(np.arange(_FRAMES)[:, None] - np.arange(_FRAMES))
    correlations = [(1 + lag * (1 - a**2) / (1 + a**2)) * a**lag for a in POLES]
    return np.stack(
        [np.einsum('fs,st,ft->f', transform, r, transform.conj()).real for r in correlations]
    )


def fit_variances(real: np.ndarray, quiet: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Variances (POLES, 160) of the processes that the samples lack.

    Args:
        real: spectra of real listeners (frequencies, 160), NaN where not known.
        quiet: spectra of samples without residual.
        gain: (frequencies, 160), the share of the residual's power that remains when values are
            limited to their range.
    """
    shapes = process_spectra()
    known = np.isfinite(real).all(axis=0)
    quiet = np.nan_to_num(quiet)
    target = np.where(known, real, 1.0) + _FLOOR
    variance = np.tile(0.2 * target.mean(axis=0) / shapes.mean(), (len(POLES), 1))
    variance[:, ~known] = 0.0
    variance[:, _AU28] = 0.0
    variance[np.array(POLES) > _SLOWEST] = 0.0
    for _ in range(_UPDATES):
        total = quiet + gain * (shapes.T @ variance) + _FLOOR
        variance *= (shapes @ (gain * target / total**2)) / (shapes @ (gain / total))
    return variance


def correlation_factors(faces: Iterable[np.ndarray]) -> np.ndarray:
    """Factors (POLES, FACTORS, 160) whose columns have length 1, from real faces (T, 160)."""
    found = [_transforms(face) for face in faces]
    windows = np.concatenate([x for x, _ in found])
    out = np.zeros((len(POLES), FACTORS, FACE_DIM))
    if not len(windows):  # clips shorter than a window
        return out
    power = (np.abs(windows) ** 2).mean(axis=0)
    windows = windows / np.sqrt(power + _FLOOR)
    shapes = process_spectra()
    shapes /= shapes.sum(axis=1, keepdims=True)
    share = shapes / shapes.sum(axis=0)
    for factors, weight in zip(out, share, strict=True):
        x = windows * np.sqrt(weight)[:, None]
        x = np.concatenate((x.real, x.imag)).reshape(-1, FACE_DIM)
        covariance = x.T @ x
        scale = np.sqrt(np.diag(covariance))
        scale = np.where(scale > 0, scale, 1.0)
        correlation = covariance / scale / scale[:, None]
        correlation = 0.98 * correlation + 0.02 * np.eye(FACE_DIM)
        # All factors of the other channels; of landmarks, which move together, the strongest.
        one = correlation[_NO_LANDMARKS, _NO_LANDMARKS]
        values, vectors = np.linalg.eigh(one)
        count = len(one)
        factors[:count] = np.sqrt(values)[:, None] ** -1 * vectors.T @ correlation[_NO_LANDMARKS]
        rest = correlation - factors[:count].T @ factors[:count]
        values, vectors = np.linalg.eigh(rest)
        strongest = slice(-(FACTORS - count), None)
        factors[count:] = (np.sqrt(np.maximum(values, 0)) * vectors)[:, strongest].T
        factors /= np.sqrt(np.square(factors).sum(axis=0))
    return out
