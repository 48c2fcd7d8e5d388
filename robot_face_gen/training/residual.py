# SPDX-License-Identifier: Apache-2.0
"""Cuts the residual of `facial_reaction_model.events` from real listeners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from robot_face_gen.facial_reaction_model.events import (
    COMPONENTS,
    PEOPLE,
    SEGMENT_FRAMES,
    SEGMENTS,
)
from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM, INTENSITIES, RX
from robot_face_gen.timing import FRAME_RATE_HZ

from .events import smoothed
from .motion import FAST_HZ, power_sums

_STEP = SEGMENT_FRAMES // 3  # between the beginnings of possible segments
_CALM = 0.8  # share of the segments that is used: those with the smallest jolts of the head
_RX = BRANCH_SLICES['pose'].start + RX
# Share of a listener's offsets: FRDist pays for wrong ones; the two-sample test hardly sees them.
_OFFSET = 0.15
_INTENSITIES = slice(BRANCH_SLICES['au'].start, BRANCH_SLICES['au'].start + INTENSITIES)
_HIGHEST_REST, _SLOW = 0.25, 12  # of action units; times that `smoothed` gives the slow part
_NOISE, _LEAST_NOISE = 4.0, 0.05  # of the fast part: in robust standard deviations, intensity
_SPECTRUM_FRAMES = 128
_FAST_DB = -0.5  # above FAST_HZ, relative to real listeners: more looks nervous
_LEAST, _MOST, _LEAST_AU = 0.7, 1.1, 0.88  # gains
_LARGEST = 10.0
_LANDMARKS = BRANCH_SLICES['landmarks']
_AU28 = BRANCH_SLICES['au'].start + AU['AU28']


def residual_of(left: Sequence[np.ndarray], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The residual of real listeners.

    Args:
        left: of each clip, what the network's face and events do not explain, (T, 160), NaN where
            a value was not seen.
        seed: of the choice of segments.

    Returns:
        tuple: segments (SEGMENTS, SEGMENT_FRAMES, 160) without the mean of their clip, the fewest
        missing values first (these are 0), and offsets (PEOPLE, 160), a share of the means of
        clips. The levels of action units stay in the segments: their lowest value is 0 for
        everybody.
    """
    rng = np.random.default_rng(seed)
    offsets, segments, missing, jolts = [], [], [], []
    for x in left:
        count = np.isfinite(x).sum(axis=0)
        mean = np.where(count > 0, np.nansum(x, axis=0) / np.maximum(count, 1), 0.0)
        mean[BRANCH_SLICES['au']] = 0.0
        offsets.append(_OFFSET * mean)
        x = _at_rest(x - mean)
        x = np.pad(x, ((0, max(0, SEGMENT_FRAMES - len(x))), (0, 0)), 'symmetric')
        for begin in range(0, len(x) - SEGMENT_FRAMES + 1, _STEP):
            part = x[begin : begin + SEGMENT_FRAMES]
            missing.append(np.isnan(part).sum())
            segments.append(np.nan_to_num(part))
            jolt = np.abs(np.diff(part[:, _RX], n=2)).max()
            jolts.append(jolt if np.isfinite(jolt) else np.inf)
    residual = np.zeros((SEGMENTS, SEGMENT_FRAMES, FACE_DIM), np.float32)
    offset = np.zeros((PEOPLE, FACE_DIM), np.float32)
    if segments:
        # Parts of nods that were not found as events would look like twitches.
        calm = np.argsort(jolts, kind='stable')[: max(1, round(_CALM * len(segments)))]
        order = rng.permutation(calm)
        order = order[np.argsort(np.array(missing)[order], kind='stable')]
        residual[:] = [segments[i] for i in np.resize(order[:SEGMENTS], SEGMENTS)]
        offset[:] = [offsets[i] for i in np.resize(rng.permutation(len(offsets)), PEOPLE)]
    # It is 0 or 1: no noise, and no trace of what the network is unsure of.
    residual[..., _AU28], offset[:, _AU28] = 0.0, -0.05
    return np.clip(residual, -_LARGEST, _LARGEST), np.clip(offset, -_LARGEST, _LARGEST)


def residual_weights(residual: np.ndarray, offset: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of `events.Motion`; the landmarks of segments (..., 160) become components."""
    points = residual[..., _LANDMARKS].reshape(-1, _LANDMARKS.stop).astype(np.float64)
    components = np.linalg.eigh(points.T @ points)[1][:, : -COMPONENTS - 1 : -1].T
    parts = residual[..., _LANDMARKS] @ components.T, residual[..., _LANDMARKS.stop :]
    out = {'residual': np.concatenate(parts, axis=-1), 'components': components, 'offset': offset}
    return {name: np.clip(x, -_LARGEST, _LARGEST).astype(np.float32) for name, x in out.items()}


def _at_rest(left: np.ndarray) -> np.ndarray:
    """Without expressions (T, 160): they are the network's and the events'.

    What is left of a smile that the network expected, or expected weaker, is no smile at another
    time. The slow part of action units is limited to near its median, and the fast part to a
    tracker's noise, without the beginnings and ends of expressions.
    """
    x = np.nan_to_num(left[:, _INTENSITIES])
    slow, level = smoothed(x, _SLOW), np.median(x, axis=0)
    fast = x - slow
    lowest, highest = np.minimum(level, 0) - 0.02, np.maximum(level, 0) + _HIGHEST_REST
    noise = np.maximum(_NOISE * 1.48 * np.median(np.abs(fast), axis=0), _LEAST_NOISE)
    out = left.copy()
    out[:, _INTENSITIES] += np.clip(slow, lowest, highest) + np.clip(fast, -noise, noise) - x
    return out


def to_real_spectrum(
    residual: np.ndarray, faces: Sequence[np.ndarray], real: Sequence[np.ndarray]
) -> np.ndarray:
    """Segments (SEGMENTS, SEGMENT_FRAMES, 160) with which samples have the spectrum of real faces.

    The sum of the network's face and a residual that does not belong to it has too much power
    where the network was wrong. Of action units, which the limits cut at 0, only the fast part is
    changed.

    Args:
        residual: segments.
        faces: samples with this residual, (T, 160) each.
        real: listeners, (T, 160) each, NaN where a value was not seen.
    """
    ours, theirs, own = (_power(x) for x in (faces, real, residual))
    hz = np.fft.rfftfreq(_SPECTRUM_FRAMES, 1 / FRAME_RATE_HZ)
    wanted = theirs * np.where(hz > FAST_HZ, 10 ** (_FAST_DB / 10), 1.0)[:, None]
    square = (wanted - (ours - own)) / np.maximum(own, 1e-14)
    gain = np.sqrt(np.clip(square, _LEAST**2, _MOST**2))
    gain = np.where((own > 1e-14) & np.isfinite(gain), gain, 1.0)
    gain[0] = gain[1]
    gain = smoothed(gain, 3)
    au, fast = BRANCH_SLICES['au'], np.clip((hz - 2) / 2, 0, 1)[:, None]
    gain[:, au] = np.maximum(1 + fast * (gain[:, au] - 1), _LEAST_AU)
    mean = residual.mean(axis=1, keepdims=True)
    both = np.concatenate((residual - mean, (residual - mean)[:, ::-1]), axis=1)
    at = np.fft.rfftfreq(both.shape[1], 1 / FRAME_RATE_HZ)
    spread = np.stack([np.interp(at, hz, g) for g in gain.T], axis=1)
    out = np.fft.irfft(np.fft.rfft(both, axis=1) * spread, both.shape[1], axis=1)
    return np.clip(out[:, : residual.shape[1]] + mean, -10, 10).astype(np.float32)


def _power(faces: Iterable[np.ndarray]) -> np.ndarray:
    """Mean power spectra (frequencies, 160) of windows in which a value was always seen."""
    sums = [power_sums(face, _SPECTRUM_FRAMES) for face in faces]
    power, windows = (sum(each) for each in zip(*sums, strict=True))
    return power / np.maximum(windows, 1e-9)
