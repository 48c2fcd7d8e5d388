# SPDX-License-Identifier: Apache-2.0
"""Figures for a person to read."""

from __future__ import annotations

from typing import Any

_COLUMNS = {
    'reaction_step': ('backend', 'threads', 'frames', 'history'),
    'whisper_hop': ('backend', 'threads', 'context_s', 'hop_s'),
    'faces': ('backend', 'device', 'threads', 'faces'),
    'server': (
        'backend',
        'faces',
        'frames',
        'answered',
        'p50_ms',
        'p99_ms',
        'cpu_percent',
        'rss_mb',
    ),
}
_TIMES = ('median_ms', 'cpu_ms', 'p95_ms', 'p99_ms', 'n', 'rss_mb')


def print_part(name: str, figures: Any) -> None:
    """Print one part of the report."""
    print(f'== {name}')
    if isinstance(figures, list):
        columns: tuple[str, ...] = _COLUMNS[name]
        columns += () if name in ('faces', 'server') else _TIMES
        print(' '.join(f'{column:>12}' for column in columns))
        for row in figures:
            row = {**row, **{f'{p}_ms': v for p, v in row.get('latency_ms', {}).items()}}
            print(' '.join(f'{_text(row.get(column, "")):>12}' for column in columns))
        errors = {row['backend']: row['error'] for row in figures if 'error' in row}
        for backend, error in errors.items():
            _print_error(backend, error)
    elif name == 'graph':
        _print_graph(figures)
    else:
        for key, value in figures.items():
            print(f'{key:>14} {_text(value)}')
    print(flush=True)


def _text(value: Any) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def _print_error(backend: str, error: dict[str, Any]) -> None:
    kind = 'trained' if error['trained'] else 'random'
    print(f'{backend} beside eager ({kind} weights, {error["frames"]} frames), rms / spread:')
    for name, part in {**error['reaction'], 'whisper': error['whisper']}.items():
        print(f'{name:>14} {part["rms"]:.2g} / {part["spread"]:.2g}')


def _print_graph(figures: dict[str, Any]) -> None:
    from robot_face_gen.demo.report import table

    for part in filter(None, (figures, figures.get('busy'))):
        print('with one other busy process' if part['busy_process'] else 'alone')
        print(table(part))
        print(f'{"together, proportional (PSS)":38} {part["pss_mb"]:13.1f} MB')
        jitter = part['period_jitter_ms']
        print(f'{"period off 40 ms by":38} {jitter["p50"]:8.2f} {jitter["p99"]:8.2f}')
        print()
    for row in figures['tried']:
        lost = row['frames'] - row['answered']
        print(
            f'{row["hz"]:6.1f} frames a second: {lost} of {row["frames"]} not answered, '
            f'{row["without_audio"]} without the voice, {row["dropped"]} messages dropped'
        )
    print(f'fastest: {figures["fastest_hz"]:.1f} frames a second')
