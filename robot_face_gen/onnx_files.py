# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime for whoever wants it: names of backends, sessions, files kept from run to run.

Without torch: a process that only runs what was exported before needs none.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .denormals import kept_environment

EAGER, ONNX, ONNX_INT8, CUDA_GRAPH = 'eager', 'onnx', 'onnx-int8', 'cuda-graph'
CPU_BACKENDS = (EAGER, ONNX, ONNX_INT8)
BACKENDS = (*CPU_BACKENDS, CUDA_GRAPH)
AUTO = 'auto'


def check_backend(name: str, among: tuple[str, ...] = BACKENDS) -> str:
    """The name of a backend.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in among:
        raise ValueError(f'backend = {name!r}: expected {", ".join(among)}')
    return name


def resolve_backend(name: str, device: object) -> str:
    """The backend of a name; 'auto' is onnx on a CPU where its packages are, otherwise eager.

    Args:
        name: of a backend, or 'auto'.
        device: a `torch.device` or its name.

    Raises:
        ValueError: there is none of this name.
    """
    if name != AUTO:
        return check_backend(name)
    there = all(importlib.util.find_spec(module) for module in ('onnx', 'onnxruntime'))
    return ONNX if there and str(device).partition(':')[0] == 'cpu' else EAGER


def cuda_is_possible() -> bool:
    """Whether torch could find a CUDA device: if not, it need not be imported to be asked."""
    try:
        if importlib.metadata.version('torch').endswith('+cpu'):
            return False
        ctypes.CDLL('nvcuda' if os.name == 'nt' else 'libcuda.so.1')  # the driver's
    except (importlib.metadata.PackageNotFoundError, OSError):
        return False
    return True


def needed(module: str) -> Any:
    """A module of the extra `onnx`.

    Raises:
        ImportError: it is missing; it says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'the backends onnx and onnx-int8 need {module.partition(".")[0]} ({error}): '
            'pip install robot_face_gen[onnx]'
        ) from None


SPIN_US = 200  # how long a worker looks for more before it sleeps: longer than between operators


def makers(*more: str) -> str:
    """What an exported file depends on beside its weights: versions of packages.

    Args:
        more: packages beside torch and those of the extra `onnx`.

    Raises:
        ImportError: a package is missing; it is named.
    """
    for module in ('onnx', 'onnxruntime'):
        if importlib.util.find_spec(module) is None:
            needed(module)
    found = [f'onnxruntime {needed("onnxruntime").__version__}']  # it has packages of many names
    for name in ('onnx', 'torch', *more):
        try:
            found.append(f'{name} {importlib.metadata.version(name)}')
        except importlib.metadata.PackageNotFoundError:  # built by hand: without a description
            found.append(name)
    return ', '.join(found)


def open_session(path: Path, threads: int) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU.

    Args:
        path: of the file.
        threads: that work on one step, 0 is one a core; idle ones sleep, the other processes need
            the cores.
    """
    runtime = needed('onnxruntime')
    options = runtime.SessionOptions()
    cores = _cores()
    options.intra_op_num_threads = threads = threads or len(cores)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', str(int(threads > 1)))
    options.add_session_config_entry('session.intra_op.spin_duration_us', str(SPIN_US))
    # For its own threads; the caller's is the caller's affair: see `denormals`.
    options.add_session_config_entry('session.set_denormal_as_zero', '1')
    if 1 < threads <= len(cores):
        # A woken worker would begin on its waker's core, and wait there for the waker to finish.
        workers = ';'.join(str(core + 1) for core in cores[1 - threads :])  # counted from 1
        options.add_session_config_entry('session.intra_op_thread_affinities', workers)
    with kept_environment():
        return runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def _cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if sys.platform == 'linux':
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cache_path(name: str) -> Path:
    """Where a file of this name has its place in the cache folder."""
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    return Path(base) / 'robot_face_gen' / name


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A file of this name in the cache folder, made where it is missing.

    Args:
        name: it says all that the content depends on.
        make: writes the file, at once or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    path = cache_path(name)
    if not path.is_file():
        make(path)
    return path
