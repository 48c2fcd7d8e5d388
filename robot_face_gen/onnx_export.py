# SPDX-License-Identifier: Apache-2.0
"""From a torch module to an ONNX file, with weights in 8 bits if wanted."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from .onnx_files import needed

OPSET = 17


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporter and quantiser warn about what is meant so."""
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
    """Write a module as an ONNX file, weights inside, at once or not at all.

    Args:
        module: its `forward` takes the inputs in their order.
        inputs: an example of each, by name.
        outputs: names.
        axes: for each name, the dimensions that may vary.
        path: of the file.
        int8: weights of matrix products in 8 bits (one scale an output), inputs rounded to 8 bits
            as they come.
    """
    needed('onnx')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix='.export-') as folder:
        file = Path(folder) / 'float.onnx'
        with _quiet(), torch.no_grad():
            torch.onnx.export(
                module.eval(), tuple(inputs.values()), str(file), input_names=list(inputs),
                output_names=outputs, dynamic_axes={k: dict(v) for k, v in axes.items()},
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
            if int8:
                file = _quantise(file)
        os.replace(file, path)


def _quantise(path: Path) -> Path:
    quantization = needed('onnxruntime.quantization')
    tools = needed('onnxruntime.quantization.onnx_model')
    onnx = needed('onnx')
    model = tools.ONNXModel(onnx.load(str(path)))
    model.replace_gemm_with_matmul()  # only products are quantised
    matmul, out = path.with_name('matmul.onnx'), path.with_name('int8.onnx')
    onnx.save(model.model, str(matmul))
    quantization.quantize_dynamic(
        str(matmul), str(out), op_types_to_quantize=['MatMul'], per_channel=True,
        weight_type=quantization.QuantType.QInt8,
    )  # fmt: skip
    return out


def digest(tensors: Mapping[str, Tensor], *texts: str, sources: Path | None = None) -> str:
    """A name for what a file is made of: tensors, texts, and the code that made it.

    Args:
        tensors: weights by name.
        texts: what else counts.
        sources: a folder whose Python files count as well.
    """
    found = hashlib.sha256('\n'.join(texts).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for file in [Path(__file__), *sorted(sources.glob('*.py') if sources else ())]:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]
