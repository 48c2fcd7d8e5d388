# SPDX-License-Identifier: Apache-2.0
"""Runs the measurements one after the other, each in its own process, and prints tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robot_face_gen.models.backends import CPU_BACKENDS, CUDA_GRAPH, EAGER, resolve_backend
from robot_face_gen.timing import CLIP_FRAMES, CONTEXT_S, FRAME_RATE_HZ, HOP_S

Rows = list[dict[str, Any]]
NOT_MEASURED = 'not measured'
THREADS = (1, 2)
_OPENAI_S = 30.0  # context to which openai-whisper pads
_COLUMNS = {
    'reaction_step': ('backend', 'threads', 'frames', 'history'),
    'whisper_hop': ('backend', 'threads', 'context_s', 'hop_s'),
    'faces': ('backend', 'device', 'threads', 'faces'),
    'server': ('backend', 'faces', 'frames', 'answered', 'p50_ms', 'p99_ms', 'cpu_percent',
               'rss_mb'),
}  # fmt: skip
_TIMES = ('median_ms', 'cpu_ms', 'p95_ms', 'p99_ms', 'n', 'rss_mb')


def print_part(name: str, figures: Any) -> None:
    """Print the figures of one part as a table."""
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
    elif name == 'outputs':
        _print_outputs(figures)
    else:
        for key, value in figures.items():
            print(f'{key:>14} {_text(value)}')
    print(flush=True)


def _text(value: Any) -> str:
    return f'{value:.2f}' if isinstance(value, float) else str(value)


def _print_error(backend: str, error: dict[str, Any]) -> None:
    kind = 'trained' if error['trained'] else 'random'
    print(f'{backend} minus eager ({kind} weights, {error["frames"]} frames), rms / spread:')
    for name, part in {**error['reaction'], 'whisper': error['whisper']}.items():
        print(f'{name:>14} {part["rms"]:.2g} / {part["spread"]:.2g}')


def _print_graph(figures: dict[str, Any]) -> None:
    from robot_face_gen.demo.report import table

    for part in filter(None, (figures, figures.get('busy'))):
        print('beside one busy process' if part['busy_process'] else 'alone')
        print(table(part))
        print(f'{"all processes, proportional (PSS)":38} {part["pss_mb"]:13.1f} MB')
        jitter = part['period_jitter_ms']
        print(
            f'{"deviation of the period from 40 ms":38} {jitter["p50"]:8.2f} {jitter["p99"]:8.2f}'
        )
        print()
    for row in figures['tried']:
        lost = row['frames'] - row['answered']
        print(
            f'{row["hz"]:6.1f} frames per second: {lost} of {row["frames"]} not answered, '
            f'{row["without_audio"]} without sound, {row["dropped"]} messages dropped'
        )
    print(f'fastest: {figures["fastest_hz"]:.1f} frames per second')


def _print_outputs(figures: dict[str, Any]) -> None:
    for page in figures.values():
        print(f'one page open: {page["page"]} ({page["messages_hz"]:.0f} messages a second)')
        for name, row in (*page['processes'].items(), ('together', page)):
            print(
                f'{name:>20} {row["cpu_percent"]:6.1f} % of a core {row["pss_mb"]:6.0f} MB (PSS)'
            )


def machine() -> dict[str, Any]:
    """Properties of this machine."""
    import psutil
    import torch

    cpu = platform.processor()
    if Path('/proc/cpuinfo').is_file():
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('model name'):
                cpu = line.partition(':')[2].strip()
    cuda = torch.cuda.is_available()
    return {
        'cpu': cpu,
        'cores': os.cpu_count(),
        'memory_gb': round(psutil.virtual_memory().total / 1e9, 1),
        'load_before': round(os.getloadavg()[0], 2),
        'system': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'torch': torch.__version__,
        'onnxruntime': _version('onnxruntime'),
        'cuda': torch.cuda.get_device_name() if cuda else NOT_MEASURED,
    }


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return 'not installed'


def backends() -> list[str]:
    """Backends that this installation can run on the CPU."""
    return list(CPU_BACKENDS) if resolve_backend('auto', 'cpu') != EAGER else [EAGER]


def run_case(name: str, case: dict[str, Any], cache: str | None = None) -> Any:
    """Run a function of `cases` in its own process, with `case['threads']` threads.

    `cache` is a folder for exported files that are not needed later.
    """
    threads = str(case['threads'])
    environment = {**os.environ, 'OMP_NUM_THREADS': threads, 'OMP_WAIT_POLICY': 'PASSIVE'}
    if cache:
        environment['XDG_CACHE_HOME'] = cache
    done = subprocess.run(
        [sys.executable, '-m', 'robot_face_gen.bench.cases', name, json.dumps(case)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['no output'])[-1]
        raise RuntimeError(f'{name} {case}: {last}')
    return json.loads(done.stdout.splitlines()[-1])['figures']


def _reaction_step(quick: bool) -> Rows:
    rows: Rows = []
    for backend in backends():
        error = None
        if backend != EAGER:
            error = run_case('backend_error', {'backend': backend, 'threads': 1})
        for threads in THREADS:
            case = {
                'backend': backend, 'threads': threads, 'quick': quick,
                'seconds': 0.6 if quick else 5.0, 'frames': [1, 16] if quick else [1, 4, 16],
                'histories': [16, 750, 75000] if quick else [16, 750, 7500, 75000],
            }  # fmt: skip
            for row in run_case('reaction_step', case):
                row = {**row, 'threads': threads, 'backend': backend, 'device': 'cpu'}
                rows.append(row if error is None else {**row, 'error': error})
    return rows


def _whisper_hop(quick: bool) -> Rows:
    rows: Rows = []
    for backend in backends():
        for threads in THREADS:
            case = {
                'backend': backend, 'threads': threads, 'least': 10,
                'seconds': 1.0 if quick else 5.0,
                'contexts': [CONTEXT_S] if quick else [1.0, CONTEXT_S, 4.0],
                'hops': [HOP_S] if quick else [HOP_S, 2 * HOP_S, 4 * HOP_S],
            }  # fmt: skip
            found = run_case('whisper_hop', case)
            if backend == EAGER:
                found += run_case(
                    'whisper_hop', {**case, 'contexts': [_OPENAI_S], 'hops': [HOP_S]}
                )
            rows += [
                {**row, 'frames': round(row['hop_s'] * FRAME_RATE_HZ), 'history': row['context_s'],
                 'threads': threads, 'device': 'cpu',
                 'backend': 'openai-whisper' if row['context_s'] == _OPENAI_S else backend}
                for row in found
            ]  # fmt: skip
    return rows


def _train_step(quick: bool) -> dict[str, Any]:
    case = {'clips': 4, 'frames': CLIP_FRAMES, 'threads': 2}
    figures = run_case('train_step', {**case, 'repeats': 1 if quick else 3})
    return {**figures, **case, 'samples': 3, 'backend': EAGER, 'device': 'cpu'}


def _faces(quick: bool) -> Rows:
    import torch

    rows: Rows = []
    with tempfile.TemporaryDirectory() as cache:  # an exported graph for each number of faces
        for backend in backends():
            for threads in THREADS[:1] if quick else THREADS:
                case = {'backend': backend, 'threads': threads, 'device': 'cpu', 'first': 2,
                        'seconds': 0.5 if quick else 3.0}  # fmt: skip
                rows.append({**run_case('faces', case, cache), **case})
    if torch.cuda.is_available():
        for backend in (EAGER, CUDA_GRAPH):
            case = {'backend': backend, 'threads': 1, 'device': 'cuda', 'first': 64,
                    'seconds': 0.5 if quick else 3.0}  # fmt: skip
            rows.append({**run_case('faces', case), **case})
    else:
        rows += [
            {'backend': backend, 'device': 'cuda', 'faces': NOT_MEASURED}
            for backend in (EAGER, CUDA_GRAPH)
        ]
    return rows


def _server(quick: bool) -> Rows:
    from .server import measure_server

    backend = resolve_backend('auto', 'cpu')
    counts = (8,) if quick else (1, 8, 16)
    return [measure_server(count, 5.0 if quick else 20.0, backend) for count in counts]


def _graph(quick: bool) -> dict[str, Any]:
    from .graph import measure_fastest, measure_graph

    found = measure_graph(12.0 if quick else 60.0)
    if not quick:
        found['busy'] = measure_graph(60.0, busy=True)
    found |= measure_fastest(4.0, (1.0, 2.0, 3.0)) if quick else measure_fastest(10.0)
    return found


def _outputs(quick: bool) -> dict[str, Any]:
    from .outputs import measure_outputs

    seconds = 10.0 if quick else 40.0
    found = {'face': measure_outputs(seconds)}
    if not quick:
        found['inspect'] = measure_outputs(seconds, inspect=True)
    return found


def _start(quick: bool) -> dict[str, Any]:
    from .graph import measure_start

    return measure_start(1 if quick else 5)


# In the order in which they run.
MEASURE: dict[str, Callable[[bool], Any]] = {
    'reaction_step': _reaction_step,
    'whisper_hop': _whisper_hop,
    'train_step': _train_step,
    'faces': _faces,
    'server': _server,
    'start': _start,
    'graph': _graph,
    'outputs': _outputs,
}
