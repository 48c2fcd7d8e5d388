# SPDX-License-Identifier: Apache-2.0
"""How alive a listener looks: events, their timing, spectra and motion, for a set of faces.

Every measure is a ratio of sums over clips, so that a bootstrap over speakers needs only other
weights of the clips. `docs/metrics.md` has all definitions and thresholds.
"""

from __future__ import annotations

import numpy as np

from robot_face_gen.layout import AU, BRANCH_SLICES, RX
from robot_face_gen.timing import FRAME_RATE_HZ

from .events import (
    Events,
    fill_short_gaps,
    find_blinks,
    find_brow_raises,
    find_nods,
    find_pauses,
    find_smiles,
    talking_mouth,
)
from .motion import Sums, compare, motion_sums, ratio
from .two_sample import Decisions

Measured = dict[str, 'float | list[float] | None']

MEASURES = {
    'blinks_per_min': '/min',
    'nods_per_min': '/min',
    'smiles_per_min': '/min',
    'brow_raises_per_min': '/min',
    'blink_duration_s': 's',
    'nod_at_pause_lift': '',
    'blink_interval_cv': '',
    'smile_lag_s': 's',
    'spectrum_db': 'dB',
    'spectrum_above_6hz_db': 'dB',
    'jerk_ratio_au': '',
    'jerk_ratio_pose': '',
    'two_sample_accuracy': '',
    'frown_share': '',
}

LEAST_OBSERVED_S = 5.0  # for rates and shares
LEAST_INTERVALS = 5
AFTER_PAUSE_S = (0.2, 1.0)
FROWN = 1.0  # intensity of AU04
SMILE_LAGS_S = (-0.4, 2.0)
LEAST_SMILE_CORRELATION, LEAST_SMILE_STD = 0.3, 0.25


def _au(face: np.ndarray, name: str) -> np.ndarray:
    return np.asarray(face[:, BRANCH_SLICES['au'].start + AU[name]])


def _observed_s(x: np.ndarray) -> float:
    return float(np.isfinite(fill_short_gaps(x)).sum()) / FRAME_RATE_HZ


def pauses_of_face(speaker: np.ndarray) -> Events:
    """Pauses of a speaker (T, 160), from the mouth."""
    return find_pauses(talking_mouth(_au(speaker, 'AU25'), _au(speaker, 'AU26')))


def _after_pauses(nods: Events, pauses: Events, frames: int) -> tuple[float, float]:
    """Nods within `AFTER_PAUSE_S` after a pause began, and the number expected by chance.

    Chance is the mean over all circular shifts of the nods against the pauses: the number of nods
    times the share of frames that lie after a pause.
    """
    after = np.zeros(frames, bool)
    for pause_s in pauses.time_s:
        low, high = (np.array(AFTER_PAUSE_S) + pause_s) * FRAME_RATE_HZ
        after[round(low) : round(high) + 1] = True
    at = np.round(nods.time_s * FRAME_RATE_HZ).astype(int)
    return float(after[at].sum()), float(len(nods) * after.sum() / max(frames, 1))


def _smile_lag(listener: np.ndarray, speaker: np.ndarray) -> float | None:
    """Lag in seconds at which the listener's AU12 correlates best with the speaker's.

    None without a correlation of `LEAST_SMILE_CORRELATION`, or where one of the two hardly smiles.
    """
    y, x = fill_short_gaps(_au(listener, 'AU12')), fill_short_gaps(_au(speaker, 'AU12'))
    low, high = (round(lag_s * FRAME_RATE_HZ) for lag_s in SMILE_LAGS_S)
    if len(x) < 2 * (high - low):
        return None
    best, best_lag = LEAST_SMILE_CORRELATION, None
    for lag in range(low, high + 1):
        a = x[: len(x) - lag] if lag >= 0 else x[-lag:]
        b = y[lag:] if lag >= 0 else y[: len(y) + lag]
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() < len(x) / 2:
            continue
        a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
        if min(a.std(), b.std()) < LEAST_SMILE_STD:
            continue
        correlation = float((a * b).mean() / (a.std() * b.std()))
        if correlation > best:
            best, best_lag = correlation, lag
    return None if best_lag is None else best_lag / FRAME_RATE_HZ


def _event_sums(face: np.ndarray, speaker: np.ndarray | None, pauses: Events | None) -> Sums:
    """Events of one face (T, 160), as numbers that can be added up."""
    au45, au12, au04 = (_au(face, name) for name in ('AU45', 'AU12', 'AU04'))
    inner, outer = _au(face, 'AU01'), _au(face, 'AU02')
    rx = face[:, BRANCH_SLICES['pose'].start + RX]
    blinks, nods = find_blinks(au45), find_nods(rx)
    intervals = np.diff(blinks.time_s)
    seen = np.isfinite(au04)
    hits, expected = (0.0, 0.0) if pauses is None else _after_pauses(nods, pauses, len(face))
    lag_s = None if speaker is None else _smile_lag(face, speaker)
    values = {
        'blinks': len(blinks), 'blinks_s': _observed_s(au45),
        'nods': len(nods), 'nods_s': _observed_s(rx),
        'smiles': len(find_smiles(au12)), 'smiles_s': _observed_s(au12),
        'brow_raises': len(find_brow_raises(inner, outer)),
        'brow_raises_s': _observed_s(inner + outer),
        'blink_duration': blinks.duration_s.sum(),
        'interval_count': len(intervals),
        'interval': intervals.sum(), 'interval_squared': np.square(intervals).sum(),
        'nods_after_pause': hits, 'nods_expected': expected,
        'lag_count': float(lag_s is not None), 'lag': lag_s or 0.0,
        'frown_s': (au04[seen] > FROWN).sum() / FRAME_RATE_HZ,
        'au04_s': seen.sum() / FRAME_RATE_HZ,
    }  # fmt: skip
    return {name: np.array(float(value)) for name, value in values.items()}


def _stacked(clips: list[Sums]) -> Sums:
    return {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}


def _values(total: Sums) -> Sums:
    """Measures from sums over clips; each (R,), NaN where there is no value."""
    out = {
        f'{name}_per_min': 60 * ratio(total[name], total[f'{name}_s'], LEAST_OBSERVED_S)
        for name in ('blinks', 'nods', 'smiles', 'brow_raises')
    }
    count = total['interval_count']
    mean = ratio(total['interval'], count, LEAST_INTERVALS)
    variance = ratio(total['interval_squared'], count, LEAST_INTERVALS) - mean**2
    out['blink_interval_cv'] = np.sqrt(np.maximum(variance, 0)) / mean
    out['blink_duration_s'] = ratio(total['blink_duration'], total['blinks'], 1)
    out['nod_at_pause_lift'] = ratio(total['nods_after_pause'], total['nods_expected'])
    out['smile_lag_s'] = ratio(total['lag'], total['lag_count'], 1)
    out['frown_share'] = ratio(total['frown_s'], total['au04_s'], LEAST_OBSERVED_S)
    return out


class Liveliness:
    """The measures of sets of faces, compared with one set of real listeners.

    Faces are all branches concatenated (see `layout.BRANCH_SLICES`), NaN where a value is missing.

    Args:
        speakers: (N, T, 160), or None if they are not known.
        real: listeners to compare with, (N, T, 160), or None.
        pauses: of each speaker; default: from the mouth of `speakers`.
    """

    def __init__(
        self,
        speakers: np.ndarray | None = None,
        real: np.ndarray | None = None,
        pauses: list[Events] | None = None,
    ) -> None:
        self._speakers = speakers
        if pauses is None and speakers is not None:
            pauses = [pauses_of_face(speaker) for speaker in speakers]
        self._pauses = pauses
        self._real = None if real is None else _stacked([motion_sums(face) for face in real])

    def measure(
        self,
        P: np.ndarray,
        weights: np.ndarray | None = None,
        decisions: Decisions | None = None,
    ) -> Measured:
        """Measure reactions P (N, M, T, 160).

        Args:
            P: reactions to each of the N speakers.
            weights: (R, N) how often each clip is drawn in R resamples, for the intervals.
            decisions: of the two-sample test.

        Returns:
            dict: each of `MEASURES`, and with `weights` its 95 % interval `..._ci95`; None where
            it cannot be computed.
        """
        if P.strides[1] == 0:  # identical samples are measured once
            P = P[:, :1]
        clips = []
        for k, samples in enumerate(P):
            speaker = None if self._speakers is None else self._speakers[k]
            pauses = None if self._pauses is None else self._pauses[k]
            each = [{**_event_sums(x, speaker, pauses), **motion_sums(x)} for x in samples]
            clips.append({name: np.sum([x[name] for x in each], axis=0) for name in each[0]})
        sums = _stacked(clips)
        point = self._resampled(sums, np.ones((1, len(P))), decisions)
        out: Measured = {name: _number(point[name][0]) for name in MEASURES}
        if weights is not None:
            drawn = self._resampled(sums, weights, decisions)
            out |= {f'{name}_ci95': _interval(drawn[name]) for name in MEASURES}
        return out

    def _resampled(self, sums: Sums, weights: np.ndarray, decisions: Decisions | None) -> Sums:
        out = _values(_weighted(sums, weights))
        nothing = np.full(len(weights), np.nan)
        for name in ('spectrum_db', 'spectrum_above_6hz_db', 'jerk_ratio_au', 'jerk_ratio_pose'):
            out[name] = nothing
        if self._real is not None:
            out |= compare(_weighted(sums, weights), _weighted(self._real, weights))
        out['two_sample_accuracy'] = nothing
        if decisions is not None:
            correct, windows = (weights @ x for x in (decisions.correct, decisions.windows))
            out['two_sample_accuracy'] = ratio(correct, windows, 1)
        return out


def _weighted(sums: Sums, weights: np.ndarray) -> Sums:
    return {name: np.tensordot(weights, x, axes=1) for name, x in sums.items()}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _interval(values: np.ndarray) -> list[float] | None:
    """Percentiles of a bootstrap; None if a tenth of the resamples have no value."""
    known = values[np.isfinite(values)]
    if len(known) < 0.9 * len(values):
        return None
    return [float(x) for x in np.percentile(known, (2.5, 97.5))]


def table(columns: dict[str, Measured]) -> str:
    """Format measures, one column for each source of faces; `-` where there is no value."""
    rows = [['', *columns]]
    for name, unit in MEASURES.items():
        cells = [name + (f', {unit}' if unit and not name.endswith(('_min', '_s', '_db')) else '')]
        for measured in columns.values():
            value, interval = measured[name], measured.get(f'{name}_ci95')
            text = '-' if value is None else f'{value:.2f}'
            if isinstance(interval, list):
                text += f' [{interval[0]:.2f}, {interval[1]:.2f}]'
            cells.append(text)
        rows.append(cells)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return '\n'.join(
        '  '.join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
