# SPDX-License-Identifier: Apache-2.0
"""Denormals are flushed inside the block only, and in this thread only."""

import platform
import sys
import threading

import numpy as np
import pytest

from robot_face_gen.models.denormals import flushed_denormals, kept_environment

known = pytest.mark.skipif(
    sys.platform != 'linux' or platform.machine() != 'x86_64', reason='another machine'
)


def product():
    return float((np.full(64, 1e-30, np.float32) * np.full(64, 1e-10, np.float32))[0])


@known
def test_only_inside_and_only_in_this_thread():
    assert product() > 0.0
    go, elsewhere = threading.Event(), []
    other = threading.Thread(target=lambda: (go.wait(), elsewhere.append(product())))
    other.start()
    with flushed_denormals():
        assert product() == 0.0
        with kept_environment():
            pass
        assert product() == 0.0
        go.set()
        other.join()
    assert elsewhere[0] > 0.0
    assert product() > 0.0


@known
def test_an_error_inside_changes_nothing_outside():
    with pytest.raises(KeyError), flushed_denormals():
        raise KeyError
    assert product() > 0.0


def test_a_session_leaves_its_callers_numbers_alone(tmp_path):
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnx')
    import torch

    from robot_face_gen.models.onnx_export import export
    from robot_face_gen.models.onnx_session import open_session

    path = tmp_path / 'sum.onnx'
    export(torch.nn.Linear(4, 4), {'x': torch.zeros(1, 4)}, ['y'], {}, path)
    for threads in (1, 2):
        session = open_session(path, threads)
        session.run(None, {'x': np.zeros((1, 4), np.float32)})
        assert product() > 0.0
