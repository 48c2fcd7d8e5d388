"""ONNX Runtime for whoever wants it: sessions, 8-bit weights, exported files kept from run to run.

Nothing here is needed, or imported, unless a backend other than `eager` is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

EAGER, ONNX, ONNX_INT8 = 'eager', 'onnx', 'onnx-int8'
BACKENDS = (EAGER, ONNX, ONNX_INT8)
AUTO = 'auto'
OPSET = 17


def check_backend(name: str) -> str:
    """The name of a backend.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in BACKENDS:
        raise ValueError(f'backend = {name!r}: expected {", ".join(BACKENDS)}')
    return name


def resolve_backend(name: str, device: torch.device | str) -> str:
    """The backend of a name; 'auto' is onnx on a CPU where its packages are, otherwise eager.

    Raises:
        ValueError: there is none of this name.
    """
    if name != AUTO:
        return check_backend(name)
    there = all(importlib.util.find_spec(module) for module in ('onnx', 'onnxruntime'))
    return ONNX if there and torch.device(device).type == 'cpu' else EAGER


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f'the backends onnx and onnx-int8 need {module.partition(".")[0]} ({error}): '
            'pip install robot_face_gen[onnx]'
        ) from None


def open_session(path: Path, threads: int) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU.

    Args:
        path: of the file.
        threads: that work on one step; idle ones sleep, the other processes need the cores.
    """
    runtime = _needed('onnxruntime')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = max(1, threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


def bind_input(binding: Any, name: str, tensor: Tensor) -> None:
    """Let a session read a tensor where it lies; it must be contiguous and outlive the run."""
    binding.bind_input(
        name, 'cpu', 0, _DTYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr()
    )


def bind_output(binding: Any, name: str, tensor: Tensor) -> None:
    """Let a session write into a tensor where it lies."""
    binding.bind_output(
        name, 'cpu', 0, _DTYPES[tensor.dtype], list(tensor.shape), tensor.data_ptr()
    )


_DTYPES: dict[torch.dtype, Any] = {
    torch.float32: np.float32,
    torch.int64: np.int64,
    torch.bool: np.bool_,
}


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
    _needed('onnx')
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
    quantization = _needed('onnxruntime.quantization')
    tools = _needed('onnxruntime.quantization.onnx_model')
    onnx = _needed('onnx')
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


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """A file of this name in the cache folder, made where it is missing.

    Args:
        name: it says all that the content depends on.
        make: writes the file, at once or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    base = os.environ.get('XDG_CACHE_HOME') or str(Path.home() / '.cache')
    path = Path(base) / 'robot_face_gen' / name
    if not path.is_file():
        make(path)
    return path
