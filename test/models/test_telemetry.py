# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime must not prepare or send usage data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import robot_face_gen, onnxruntime
from onnx import TensorProto, helper
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy')
graph = helper.make_graph([helper.make_node('Identity', ['x'], ['y'])], 'graph', [x], [y])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere it has other folders')
def test_onnx_runtime_makes_no_device_id(tmp_path):
    pytest.importorskip('onnxruntime')
    # With these, it sends nothing by itself.
    quiet = ('CI', 'ORT_RUNNING_UNIT_TESTS', 'ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME')
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    environment |= {'HOME': str(tmp_path), 'TMPDIR': str(tmp_path)}
    environment['PYTHONPATH'] = str(Path(__file__).resolve().parents[2])
    subprocess.run([sys.executable, '-c', PROGRAM], env=environment, check=True, timeout=120)
    names = {path.name for path in tmp_path.rglob('*')}
    assert not names & {'Microsoft', '.onnxruntime', 'deviceid', 'onnxruntime.db', '.ses'}
