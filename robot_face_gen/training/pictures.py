# SPDX-License-Identifier: Apache-2.0
"""Plots of a training run and of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import load_checkpoint
from robot_face_gen.layout import AU, BRANCH_SLICES, RX, RY
from robot_face_gen.timing import FRAME_RATE_HZ

from .liveliness import MEASURES, Measured
from .plain_metrics import seen_mean, seen_std
from .reactions import Clips, joined, seen
from .run_folder import RunFolder, read_curves
from .synchrony import MAX_LAG, lagged_synchrony

mpl.rcParams.update({'font.size': 8, 'axes.spines.top': False, 'axes.spines.right': False})
_BEGIN = {name: part.start for name, part in BRANCH_SLICES.items()}
# The most visible channels: columns of the concatenated branches.
CHANNELS = {
    'AU12 (smile)': _BEGIN['au'] + AU['AU12'],
    'AU04 (frown)': _BEGIN['au'] + AU['AU04'],
    'AU01 (brow)': _BEGIN['au'] + AU['AU01'],
    'pitch (nod), rad': _BEGIN['pose'] + RX,
    'yaw, rad': _BEGIN['pose'] + RY,
    'gaze x, rad': _BEGIN['gaze'],
}
_TERMS = {
    'loss': 'loss, weighted sum',
    'vae': 'VAE',
    'reconstruction': 'error from the posterior',
    'expectation': "error from the prior's mean",
    'sample_error': 'error of samples',
    'kl': 'KL divergence, nats per window',
    'smooth': 'smooth',
    'diversity': 'diversity',
    'contrastive': 'contrastive',
    'consistency': 'consistency',
}
_LEGEND = 'speaker (grey), listener (black), {} samples (orange)'
_SAMPLES = 5


def different_speakers(groups: list[int], most: int) -> list[int]:
    """Index of the first clip of each group, at most `most`."""
    return [groups.index(group) for group in dict.fromkeys(groups)][:most]


def _trajectories(axes: Any, speaker: np.ndarray, real: np.ndarray, samples: np.ndarray) -> None:
    """Plot the main channels of a speaker and a listener (T, 160), and of samples (M, T, 160)."""
    time = np.arange(len(real)) / FRAME_RATE_HZ
    for axis, (name, column) in zip(axes, CHANNELS.items(), strict=True):
        axis.plot(time, speaker[:, column], color='0.8', linewidth=0.8)
        for sample in samples[:_SAMPLES]:
            axis.plot(time, sample[:, column], color='tab:orange', alpha=0.6, linewidth=0.7)
        axis.plot(time, real[:, column], color='black', linewidth=0.9)
        # The limits ignore the speaker, who may move more than the listener.
        shown = np.concatenate((samples[:_SAMPLES, :, column].ravel(), real[:, column]))
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        margin = 0.08 * (high - low) + 1e-3
        axis.set(ylim=(low - margin, high + margin), ylabel=name, xlim=(0, time[-1]))
    axes[-1].set_xlabel('s')


def _draw_curves(axes: Any, curves: dict[str, list[tuple[int, float]]]) -> None:
    validation = curves.get('validation/loss', [])
    best = min(validation, key=lambda point: point[1])[0] if validation else None
    for axis, (name, title) in zip(axes, _TERMS.items(), strict=True):
        for stage, colour in (('train', 'tab:blue'), ('validation', 'tab:red')):
            points = curves.get(f'{stage}/{name}', [])
            axis.plot(
                [x for x, _ in points],
                [y for _, y in points],
                '.-' if len(points) < 30 else '-',
                color=colour,
                label={'train': 'training', 'validation': 'validation'}[stage],
            )
        if best is not None:
            axis.axvline(best, color='0.7', linestyle=':', label='best')
        axis.set_title(title)
        axis.set_xlabel('epoch')
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend(frameon=False)


def training_page(folder: RunFolder, data: ClipDataset) -> None:
    """Write `pictures.png`: curves of all losses, and reactions of the best weights.

    Args:
        folder: of the run.
        data: validation clips.
    """
    figure = Figure(figsize=(16, 16), layout='constrained')
    parts: Any = figure.subfigures(2, 1, height_ratios=(2, 5))
    above, below = parts
    _draw_curves(above.subplots(2, 5).flat, read_curves(folder.curves))
    model = load_checkpoint(folder.best).eval()
    shown = different_speakers([clip.group for clip in data.clips], 3)
    axes = below.subplots(len(CHANNELS), len(shown), squeeze=False)
    below.suptitle(f'Validation clips: {_LEGEND.format(_SAMPLES)}')
    for column, index in enumerate(shown):
        item = data[index]
        with torch.no_grad():
            faces, _, _ = model(
                {n: v[None] for n, v in item['speaker'].items()}, seed=range(_SAMPLES)
            )
        _trajectories(
            axes[:, column], seen(item['speaker']), seen(item['listener']), joined(faces)
        )
        axes[0, column].set_title(f'clip {index}')
    figure.savefig(folder.folder / 'pictures.png', dpi=100)


def evaluation_pages(
    folder: Path,
    model: np.ndarray,
    real: np.ndarray,
    test: Clips,
    results: dict[str, dict[str, dict[str, Any]]],
    distances: dict[str, float],
) -> None:
    """Write `trajectories.png` and `comparison.png` (spread of samples, lags, distances).

    Args:
        folder: output folder, must exist.
        model: reactions of the model (N, M, T, 160).
        real: reactions of appropriate listeners (N, M, T, 160).
        test: the clips.
        results: of `measure`, for each source of reactions.
        distances: of the model's reactions from those of each other source.
    """
    groups = [int(np.argmax(row)) for row in test.appropriate]
    shown = different_speakers(groups, 3)
    figure = Figure(figsize=(16, 12), layout='constrained')
    axes = figure.subplots(len(CHANNELS), len(shown), squeeze=False)
    figure.suptitle(_LEGEND.format(min(_SAMPLES, model.shape[1])))
    for column, k in enumerate(shown):
        axes[0, column].set_title(f'clip {k}')
        _trajectories(axes[:, column], test.speakers[k], test.listeners[k], model[k])
    figure.savefig(folder / 'trajectories.png', dpi=110)

    figure = Figure(figsize=(16, 9), layout='constrained')
    axes = figure.subplots(2, 3)
    _spread(axes[0, 0], model, real, test)
    _lags(axes[0, 1], model, real, test)
    axes[0, 2].bar(list(distances), list(distances.values()), color='tab:gray')
    axes[0, 2].set_title('RMS distance of the model from each source, standardised')
    for axis, (metric, title) in zip(
        axes[1],
        {
            'frcorr': 'FRCorr, higher is better',
            'frdist': 'FRDist, lower is better',
            'frvar': 'FRVar, close to `real` is better',
        }.items(),
        strict=True,
    ):
        _bars(axis, results, metric)
        axis.set_title(title)
    figure.savefig(folder / 'comparison.png', dpi=110)


def _spread(axis: Any, model: np.ndarray, real: np.ndarray, test: Clips) -> None:
    """Standard deviation over samples of the main channels, relative to the listeners' own."""
    columns = list(CHANNELS.values())
    scale = seen_std(test.listeners[..., columns], (0, 1))
    scale = np.where(scale > 1e-3, scale, 1.0)
    places = np.arange(len(columns))
    for shift, (name, x) in zip((-0.2, 0.2), {'model': model, 'real': real}.items(), strict=True):
        spread = seen_mean(seen_std(x[..., columns], 1), (0, 1)) / scale
        colour = {'model': 'tab:orange', 'real': '0.3'}[name]
        axis.bar(places + shift, spread, width=0.4, label=name, color=colour)
    axis.set_xticks(places, [name.split(',')[0] for name in CHANNELS])
    axis.set_title('standard deviation over samples, standardised')
    axis.legend(frameon=False)


def _lags(axis: Any, model: np.ndarray, real: np.ndarray, test: Clips) -> None:
    face = slice(_BEGIN['au'], None)
    for name, x, colour in (('model', model, 'tab:orange'), ('real', real, '0.3')):
        lags = lagged_synchrony(x[..., face], test.speakers[..., face]).lags
        bins = np.arange(-MAX_LAG, MAX_LAG + 2, 3)
        axis.hist(lags[np.isfinite(lags)], bins=bins, alpha=0.6, label=name, color=colour)
    axis.axvline(0, color='0.7', linestyle=':')
    axis.set_title('lag behind the speaker in frames of 40 ms (AU, pose, gaze)')
    axis.set_ylabel('reactions')
    axis.legend(frameon=False)


def _bars(axis: Any, results: dict[str, dict[str, dict[str, Any]]], metric: str) -> None:
    names = list(results)
    values = [results[name]['all'][metric] for name in names]
    values = [np.nan if value is None else value for value in values]
    bounds = [
        results[name]['all'].get(f'{metric}_ci95') or [value, value]
        for name, value in zip(names, values, strict=True)
    ]
    errors = [
        [max(0.0, v - low) for v, (low, _) in zip(values, bounds, strict=True)],
        [max(0.0, high - v) for v, (_, high) in zip(values, bounds, strict=True)],
    ]
    colours = ['tab:orange' if n == 'model' else '0.3' if n == 'real' else '0.7' for n in names]
    axis.bar(names, values, yerr=errors, color=colours)


def liveliness_page(folder: Path, alive: dict[str, Measured]) -> None:
    """Write `liveliness.png`: each measure for each source of reactions.

    Args:
        folder: output folder, must exist.
        alive: of `Liveliness.measure`, for each source of reactions.
    """
    figure = Figure(figsize=(16, 9), layout='constrained')
    as_results = {name: {'all': measured} for name, measured in alive.items()}
    for axis, (measure, unit) in zip(figure.subplots(3, 5).flat, MEASURES.items(), strict=False):
        _bars(axis, as_results, measure)
        axis.set_title(f'{measure} {unit}')
    figure.axes[-1].remove()
    figure.savefig(folder / 'liveliness.png', dpi=110)
