# SPDX-License-Identifier: Apache-2.0
"""Runs the measurements one by one, each in a process of its own, and tells the figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from robot_face_gen.models.backends import CPU_BACKENDS, CUDA_GRAPH, EAGER, resolve_backend

from .tables import print_part

Rows = list[dict[str, Any]]
NOT_MEASURED = 'not measured'
THREADS = (1, 2)


def measure_all(only: Sequence[str], *, quick: bool, json_path: str | None) -> dict[str, Any]:
    """Measure parts and print each as soon as it is there.

    Args:
        only: names of parts (see `PARTS` of the package).
        quick: fewer repetitions and cases, and a history that is not lived through.
        json_path: all figures go there as well, after each part; None is nowhere.

    Returns:
        dict: `machine`, `quick`, and each part under its name.

    Raises:
        RuntimeError: a measurement failed; its last words are told.
        OSError: the file cannot be written.
    """
    from . import PARTS

    out: dict[str, Any] = {'machine': machine(), 'quick': quick}
    print_part('machine', out['machine'])
    for name in PARTS:
        if name not in only:
            continue
        begin = time.monotonic()
        out[name] = _MEASURE[name](quick)
        print_part(name, out[name])
        print(f'({name}: {time.monotonic() - begin:.0f} s)\n', flush=True)
        if json_path:
            Path(json_path).write_text(json.dumps(out, indent=1) + '\n', encoding='utf-8')
    return out


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
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
    """Those that this installation can run."""
    return list(CPU_BACKENDS) if resolve_backend('auto', 'cpu') != EAGER else [EAGER]


def run_case(name: str, case: dict[str, Any], cache: str | None = None) -> Any:
    """One measurement in a process of its own, with as many threads as its `threads` says.

    Args:
        name: function of `cases` or `step_case`.
        case: its argument.
        cache: a folder for files that are to be forgotten.
    """
    threads = str(case['threads'])
    environment = {**os.environ, 'OMP_NUM_THREADS': threads, 'OMP_WAIT_POLICY': 'PASSIVE'}
    if cache:
        environment['XDG_CACHE_HOME'] = cache
    done = subprocess.run(
        [sys.executable, '-m', 'robot_face_gen.bench.run_case', name, json.dumps(case)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ['nothing was said'])[-1]
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
                'contexts': [2.0] if quick else [1.0, 2.0, 4.0],
                'hops': [0.04] if quick else [0.04, 0.08, 0.16],
            }  # fmt: skip
            found = run_case('whisper_hop', case)
            if backend == EAGER:
                found += run_case('whisper_hop', {**case, 'contexts': [30.0], 'hops': [0.04]})
            rows += [
                {**row, 'frames': round(row['hop_s'] * 25), 'history': row['context_s'],
                 'threads': threads, 'device': 'cpu',
                 'backend': 'openai-whisper' if row['context_s'] == 30.0 else backend}
                for row in found
            ]  # fmt: skip
    return rows


def _train_step(quick: bool) -> dict[str, Any]:
    case = {'clips': 4, 'frames': 750, 'threads': 2, 'repeats': 1 if quick else 3}
    return {
        **run_case('train_step', case), 'clips': 4, 'frames': 750, 'samples': 3, 'threads': 2,
        'backend': EAGER, 'device': 'cpu',
    }  # fmt: skip


def _faces(quick: bool) -> Rows:
    import torch

    rows: Rows = []
    with tempfile.TemporaryDirectory() as cache:  # a graph for each number of faces
        for backend in backends():
            for threads in (1,) if quick else (1, 2):
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
    from .fastest import measure_fastest
    from .graph import measure_graph

    found = measure_graph(12.0 if quick else 60.0)
    if not quick:
        found['busy'] = measure_graph(60.0, busy=True)
    found |= measure_fastest(4.0, (1.0, 2.0, 3.0)) if quick else measure_fastest(10.0)
    return found


def _start(quick: bool) -> dict[str, Any]:
    from .graph import measure_start

    return measure_start(1 if quick else 5)


_MEASURE: dict[str, Callable[[bool], Any]] = {
    'reaction_step': _reaction_step,
    'whisper_hop': _whisper_hop,
    'train_step': _train_step,
    'faces': _faces,
    'server': _server,
    'start': _start,
    'graph': _graph,
}
