# SPDX-License-Identifier: Apache-2.0
"""Power spectra and second differences of faces, compared with those of real listeners."""

from __future__ import annotations

import warnings

import numpy as np

from robot_face_gen.layout import BRANCH_SLICES, INTENSITIES
from robot_face_gen.timing import FRAME_RATE_HZ

SPECTRUM_FRAMES = 64
FREQUENCIES_HZ = np.fft.rfftfreq(SPECTRUM_FRAMES, 1 / FRAME_RATE_HZ)[1:]
SPECTRUM_FLOOR = 1e-6  # relative to the mean power of a real channel: at most 60 dB
FAST_HZ = 6.0

# AU intensities, pose and gaze; landmarks follow from them.
_AU = np.arange(BRANCH_SLICES['au'].start, BRANCH_SLICES['au'].start + INTENSITIES)
_POSE = np.arange(BRANCH_SLICES['pose'].start, BRANCH_SLICES['pose'].stop)
_GAZE = np.arange(BRANCH_SLICES['gaze'].start, BRANCH_SLICES['gaze'].stop)
_MOVING = np.concatenate((_AU, _POSE, _GAZE))
_MIN_STD = 1e-9

Sums = dict[str, np.ndarray]


def power_sums(x: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the power spectra of windows in which a channel was always seen.

    Args:
        x: (T, channels), NaN where a value was not seen.
        frames: length of a window; it overlaps half of the next.

    Returns:
        tuple: power (frames // 2 + 1, channels), and the number of windows (channels,).
    """
    power, windows = np.zeros((frames // 2 + 1, x.shape[1])), np.zeros(x.shape[1])
    window = np.hanning(frames + 1)[:-1, None]
    for begin in range(0, len(x) - frames + 1, frames // 2):
        part = x[begin : begin + frames]
        whole = np.isfinite(part).all(axis=0)
        part = np.where(whole, part, 0.0)
        power += np.abs(np.fft.rfft(window * (part - part.mean(axis=0)), axis=0)) ** 2
        windows += whole
    return power, windows


def motion_sums(face: np.ndarray) -> Sums:
    """Power spectra and second differences of one face (T, 160)."""
    power, windows = power_sums(face[:, _MOVING], SPECTRUM_FRAMES)
    out = {'power': power[1:], 'windows': windows}
    for name, columns in (('au', _AU), ('pose', _POSE)):
        second = np.abs(np.diff(face[:, columns], n=2, axis=0))
        known = np.isfinite(second)
        out[f'jerk_{name}'] = np.array(second[known].sum())
        out[f'jerk_{name}_count'] = np.array(float(known.sum()))
    return out


def ratio(over: np.ndarray, under: np.ndarray, least: float = _MIN_STD) -> np.ndarray:
    """Quotient, NaN where the denominator is below `least`."""
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(under >= least, over / under, np.nan)


def _spectra(total: Sums) -> np.ndarray:
    """Mean power (R, frequencies, channels), NaN for a channel that was never seen."""
    return ratio(total['power'], total['windows'][:, None, :])


def compare(total: Sums, real: Sums) -> Sums:
    """Measures that compare with real listeners; each (R,)."""
    p, q = _spectra(total), _spectra(real)
    scale = q.mean(axis=1, keepdims=True)
    scale = np.where(scale > _MIN_STD**2, scale, np.nan)  # a constant channel has no spectrum
    decibel = 10 * np.log10((p / scale + SPECTRUM_FLOOR) / (q / scale + SPECTRUM_FLOOR))
    fast = FREQUENCIES_HZ > FAST_HZ
    p_fast, q_fast = (
        10 * np.log10((x / scale)[:, fast].mean(axis=1) + SPECTRUM_FLOOR) for x in (p, q)
    )
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # no channel at all
        out = {
            'spectrum_db': np.nanmean(np.abs(decibel).mean(axis=1), axis=1),
            'spectrum_above_6hz_db': np.nanmean(p_fast - q_fast, axis=1),
        }
    for name in ('au', 'pose'):
        ours, theirs = (
            ratio(x[f'jerk_{name}'], x[f'jerk_{name}_count'], 1.0) for x in (total, real)
        )
        out[f'jerk_ratio_{name}'] = ratio(ours, theirs)
    return out
