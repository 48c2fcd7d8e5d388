# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime sessions on the CPU; no torch."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..extras import require
from .denormals import kept_environment

SPIN_US = 200  # how long an idle worker polls before it sleeps: longer than between operators


def open_session(path: Path, threads: int) -> Any:
    """Open an `onnxruntime.InferenceSession`; 0 threads: one per core.

    Idle threads sleep: other processes need the cores.
    """
    runtime = require('onnxruntime', 'onnx')
    options = runtime.SessionOptions()
    cores = _cores()
    options.intra_op_num_threads = threads = threads or len(cores)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', str(int(threads > 1)))
    options.add_session_config_entry('session.intra_op.spin_duration_us', str(SPIN_US))
    # For the session's own threads; `denormals` does it for the caller's.
    options.add_session_config_entry('session.set_denormal_as_zero', '1')
    if 1 < threads <= len(cores):
        # Without an affinity a worker wakes up on the caller's core and waits there for it.
        workers = ';'.join(str(core + 1) for core in cores[1 - threads :])  # counted from 1
        options.add_session_config_entry('session.intra_op_thread_affinities', workers)
    with kept_environment():
        return runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def _cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if sys.platform == 'linux':
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
