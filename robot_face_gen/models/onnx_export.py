# SPDX-License-Identifier: Apache-2.0
"""Export a torch module to an ONNX file, with 8-bit weights if wanted."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..extras import require
from ..files import atomic_file

OPSET = 17


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's and the quantiser's warnings."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)


def export(
    module: torch.nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    axes: Mapping[str, Mapping[int, str]],
    path: Path,
    *,
    int8: bool = False,
) -> None:
    """Write a module as one ONNX file with its weights, completely or not at all.

    Args:
        module: its `forward` takes the inputs in their order.
        inputs: an example of each, by name.
        outputs: names.
        axes: for each name, the dimensions that may vary.
        path: of the file.
        int8: 8-bit weights of matrix products (one scale per output); their inputs are rounded
            to 8 bits at run time.
    """
    require('onnx', 'onnx')
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix='.export-') as folder,
        atomic_file(path) as partial,
    ):
        file = Path(folder) / 'float.onnx'
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module.eval(), tuple(inputs.values()), str(file), input_names=list(inputs),
                output_names=outputs, dynamic_axes={k: dict(v) for k, v in axes.items()},
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
            if int8:
                file = _quantise(file)
        file.rename(partial)


def _quantise(path: Path) -> Path:
    quantization = require('onnxruntime.quantization', 'onnx')
    tools = require('onnxruntime.quantization.onnx_model', 'onnx')
    onnx = require('onnx', 'onnx')
    model = tools.ONNXModel(onnx.load(str(path)))
    model.replace_gemm_with_matmul()  # only MatMul is quantised
    matmul, out = path.with_name('matmul.onnx'), path.with_name('int8.onnx')
    onnx.save(model.model, str(matmul))
    quantization.quantize_dynamic(
        str(matmul), str(out), op_types_to_quantize=['MatMul'], per_channel=True,
        weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    return out
