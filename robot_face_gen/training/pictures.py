"""Pictures of a training run and of an evaluation, one PNG page each."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import load_checkpoint

from .baselines import Clips, joined
from .evaluation import branch_slices

mpl.rcParams.update({'font.size': 8, 'axes.spines.top': False, 'axes.spines.right': False})
RATE_HZ = 25
_BEGIN = {name: part.start for name, part in branch_slices().items()}
# What a person looks at first: column of all branches side by side.
CHANNELS = {
    'AU12 (smile)': _BEGIN['au'] + 8,
    'AU04 (frown)': _BEGIN['au'] + 2,
    'AU01 (brow)': _BEGIN['au'],
    'pitch (nod), rad': _BEGIN['pose'],
    'yaw, rad': _BEGIN['pose'] + 1,
    'gaze x, rad': _BEGIN['gaze'],
}
_TERMS = (
    'loss',
    'vae',
    'reconstruction',
    'kl',
    'smooth',
    'diversity',
    'contrastive',
    'consistency',
    'sample_error',
)


def _curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    out: dict[str, list[tuple[int, float]]] = {}
    with path.open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            for name, text in row.items():
                if '/' in name and text:
                    out.setdefault(name, []).append((int(row['epoch']), float(text)))
    return out


def _trajectories(axes: Any, real: np.ndarray, samples: np.ndarray) -> None:
    """Draw the main channels of a real listener (T, 160) and of samples (M, T, 160)."""
    time = np.arange(len(real)) / RATE_HZ
    for axis, (name, column) in zip(axes, CHANNELS.items(), strict=False):
        for sample in samples[:5]:
            axis.plot(time, sample[:, column], color='tab:orange', alpha=0.5, linewidth=0.7)
        axis.plot(time, real[:, column], color='black', linewidth=0.9)
        axis.set_ylabel(name)


def training_page(folder: Path, checkpoint: Path, data: ClipDataset, clips: int = 2) -> None:
    """Write `pictures.png`: curves of every loss, reactions of the best weights."""
    curves = _curves(folder / 'curves' / 'metrics.csv')
    figure = Figure(figsize=(14, 15), layout='constrained')
    axes = figure.subplots(
        3 + len(CHANNELS),
        3,
        squeeze=False,
        gridspec_kw={'height_ratios': [1.4] * 3 + [1] * len(CHANNELS)},
    )
    for axis, name in zip(axes[:3].flat, _TERMS, strict=True):
        for stage, colour in (('train', 'tab:blue'), ('validation', 'tab:red')):
            points = curves.get(f'{stage}/{name}', [])
            axis.plot([x for x, _ in points], [y for _, y in points], color=colour, label=stage)
        axis.set_title(name)
        axis.set_xlabel('epoch')
    axes[0, 0].legend()
    model = load_checkpoint(checkpoint).eval()
    for column in range(3):
        rows = axes[3:, column]
        if column >= min(clips, len(data)):
            for axis in rows:
                axis.axis('off')
            continue
        item = data[column]
        with torch.no_grad():
            faces, _, _ = model({n: v[None] for n, v in item['speaker'].items()}, seed=range(5))
        rows[0].set_title(f'held-out clip {column}: listener (black), 5 samples (orange)')
        _trajectories(rows, joined(item['listener']), joined(faces))
        rows[-1].set_xlabel('s')
    figure.savefig(folder / 'pictures.png', dpi=110)


def evaluation_pages(
    folder: Path,
    reactions: dict[str, np.ndarray],
    test: Clips,
    results: dict[str, dict[str, dict[str, Any]]],
) -> None:
    """Write `trajectories.png` and `comparison.png` (spread of samples, lags, distances)."""
    clips = min(3, len(test.listeners))
    figure = Figure(figsize=(16, 12), layout='constrained')
    axes = figure.subplots(len(CHANNELS), clips, squeeze=False)
    for k in range(clips):
        axes[0, k].set_title(f'clip {k}: listener (black), samples (orange)')
        _trajectories(axes[:, k], test.listeners[k], reactions['model'][k])
        axes[-1, k].set_xlabel('s')
    figure.savefig(folder / 'trajectories.png', dpi=110)

    figure = Figure(figsize=(16, 9), layout='constrained')
    axes = figure.subplots(2, 3)
    _spread(axes[0, 0], reactions)
    _lags(axes[0, 1], reactions, test)
    _distances(axes[0, 2], reactions)
    for axis, metric in zip(axes[1], ('frcorr', 'frdist', 'frvar'), strict=True):
        _bars(axis, results, metric)
    figure.savefig(folder / 'comparison.png', dpi=110)


def _spread(axis: Any, reactions: dict[str, np.ndarray]) -> None:
    for name in ('model', 'real'):
        spread = reactions[name].std(axis=1).mean(axis=1)  # (N, 160)
        axis.plot([spread[:, c].mean() for c in CHANNELS.values()], 'o-', label=name)
    axis.set_xticks(range(len(CHANNELS)), CHANNELS, rotation=30)
    axis.set_title('spread between samples for one speaker')
    axis.legend()


def _lags(axis: Any, reactions: dict[str, np.ndarray], test: Clips) -> None:
    from .synchrony import MAX_LAG, lagged_synchrony

    for name in ('model', 'real'):
        lags = lagged_synchrony(
            reactions[name][..., _BEGIN['au'] :], test.speakers[..., _BEGIN['au'] :]
        ).lags
        axis.hist(
            lags[np.isfinite(lags)],
            bins=np.arange(-MAX_LAG, MAX_LAG + 2, 4),
            alpha=0.5,
            label=name,
        )
    axis.set_title('lag behind the speaker, frames (AU, pose, gaze)')
    axis.legend()


def _distances(axis: Any, reactions: dict[str, np.ndarray]) -> None:
    scale = reactions['real'].std(axis=(0, 1, 2))
    scale = np.where(scale > 1e-3, scale, 1.0)  # what stands still keeps its own units
    names = [name for name in reactions if name != 'model']
    values = [
        float(np.sqrt(np.square((reactions['model'] - reactions[name]) / scale).mean()))
        for name in names
    ]
    axis.bar(names, values)
    axis.set_title("root mean square distance of the model's reactions")


def _bars(axis: Any, results: dict[str, dict[str, dict[str, Any]]], metric: str) -> None:
    names = list(results)
    values = [results[name]['all'][metric] for name in names]
    bounds = [
        results[name]['all'].get(f'{metric}_ci95') or [value, value]
        for name, value in zip(names, values, strict=True)
    ]
    errors = [
        [max(0.0, v - low) for v, (low, _) in zip(values, bounds, strict=True)],
        [max(0.0, high - v) for v, (_, high) in zip(values, bounds, strict=True)],
    ]
    axis.bar(
        names,
        values,
        yerr=errors,
        color=['tab:orange' if n == 'model' else 'tab:gray' for n in names],
    )
    axis.set_title(metric)
