# SPDX-License-Identifier: Apache-2.0
"""The encoder half of Whisper for short contexts: openai-whisper's own classes and weights.

The weights are those of official files, or fixed random ones.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from whisper.audio import mel_filters
from whisper.model import AudioEncoder, ModelDimensions, sinusoids

from .log_mel import check_span
from .whisper_cache import UNTRAINED, locate

_PREFIX = 'encoder.'
# Of the encoder in a file, to refuse nonsense: the largest Whisper has 1500, 1280, 20, 32.
_MOST = {'n_audio_ctx': 6000, 'n_audio_state': 4096, 'n_audio_head': 64, 'n_audio_layer': 96}
_TINY = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=384, n_audio_head=6, n_audio_layer=4,
    n_vocab=51865, n_text_ctx=448, n_text_state=384, n_text_head=6, n_text_layer=4,
)  # fmt: skip


class WhisperEncoder:
    """Log-mel frames in, embeddings out.

    Attributes:
        id: the name, and a hash of the weights: what a checkpoint was trained with.
        dim: length of an embedding.
        n_mels, filters: bands of the log-mel spectrogram; (n_mels, 201) float32 from the power
            spectrum to them.
    """

    def __init__(self, encoder: AudioEncoder, dims: ModelDimensions, name: str) -> None:
        self.network = encoder.eval().requires_grad_(False)
        self.dim, self.n_mels = dims.n_audio_state, dims.n_mels
        self.most_frames = 2 * dims.n_audio_ctx
        self.id = f'{name}:{_digest(encoder)}'
        self.filters = mel_filters('cpu', dims.n_mels).numpy()

    @classmethod
    def from_name_or_path(cls, weights: str | Path, device: str = 'cpu') -> WhisperEncoder:
        """Load weights: a name (`tiny.en`), a path (`.pt` in Whisper's format), or `untrained`.

        `untrained` is the tiny architecture with fixed random weights. It needs no download and is
        the same everywhere; it keeps what the sound is like, and knows nothing of speech.

        Raises:
            ValueError: no such name, a file that is no Whisper checkpoint, weights that have not
                been downloaded (the message says how to get them).
            OSError: the file cannot be read.
        """
        if weights == UNTRAINED:
            return cls(_untrained().to(device), _TINY, 'whisper-untrained')
        network, dims = _load(locate(str(weights), checks_hash=True))
        return cls(network.to(device), dims, f'whisper-{dims.n_audio_layer}x{dims.n_audio_state}')

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.network.positional_embedding.device

    @torch.inference_mode()
    def encode(self, mel: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Embeddings (B, end - begin, dim) of short contexts, at the first of Whisper's positions.

        The contexts are (B, n_mels, frames) float32, an even number of frames of 10 ms. `begin`
        and `end` are those of the wanted embeddings, 0..frames / 2 (None): what is not wanted
        costs less.
        """
        end = check_span(mel, self.n_mels, begin, end)
        encoder = self.network
        x = torch.from_numpy(np.ascontiguousarray(mel, np.float32)).to(self.device)
        # TF32, torch's default for convolutions on CUDA, would change the third digit.
        with torch.backends.cudnn.flags(allow_tf32=False):
            x = torch.nn.functional.gelu(encoder.conv1(x))
            x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + encoder.positional_embedding[: x.shape[1]]
        *lower, last = encoder.blocks
        for block in lower:
            x = block(x)
        # The last layer looks at all positions, and answers the wanted ones alone.
        seen, x = last.attn_ln(x), x[:, begin:end]
        x = x + last.attn(seen[:, begin:end], seen)[0]
        x = x + last.mlp(last.mlp_ln(x))
        return encoder.ln_post(x).float().cpu().numpy()


def _digest(encoder: AudioEncoder) -> str:
    """First 12 digits of the SHA-256 of all weights as float32, in the order of their names.

    Without the table of positions: it is computed, and its last bits depend on the processor.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        if 'positional' in name:
            continue
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def _untrained() -> AudioEncoder:
    """The tiny architecture with the same weights on every machine, all but the positions' bits.

    Random convolutions keep the spectrum of the newest frames; the attention layers add a little
    of the context. Uniform numbers of a frozen generator: no libm function is in their way.
    """
    encoder = _empty(_TINY)
    generator = np.random.RandomState(20240)
    for name, tensor in sorted(encoder.state_dict().items()):
        if 'positional' in name:
            continue
        if 'ln' in name:
            values = np.full(tensor.shape, 1.0 if name.endswith('weight') else 0.0)
        else:
            fan_in = int(np.prod(tensor.shape[1:])) if tensor.ndim > 1 else 0
            convolution = name.startswith('conv')
            # The spread of He et al. 2015 for the convolutions; small steps for the layers above.
            # (math.sqrt is exact on every machine; a power need not be.)
            spread = math.sqrt((2.4 if convolution else 0.5) / fan_in) if fan_in else 0.3
            if not convolution and not fan_in:
                spread = 0.0
            values = (generator.random_sample(tensor.shape) - 0.5) * (2 * spread * math.sqrt(3))
        tensor.copy_(torch.from_numpy(values.astype(np.float32)))
    # Whisper's own table, quartered: a random network has not learned to look past it.
    encoder.positional_embedding.mul_(0.25)
    return encoder


def _empty(dims: ModelDimensions) -> AudioEncoder:
    sizes = (getattr(dims, f'n_audio_{name}') for name in ('ctx', 'state', 'head', 'layer'))
    return AudioEncoder(dims.n_mels, *sizes)


class _WithoutMemory(TorchFunctionMode):
    """Parameters are made without memory.

    `torch.device('meta')` would make all tensors so, and import torch._dynamo to compute the
    table of positions, which takes a second.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.empty:
            kwargs = {**(kwargs or {}), 'device': 'meta'}
        return func(*args, **(kwargs or {}))


def _load(path: Path) -> tuple[AudioEncoder, ModelDimensions]:
    """The encoder of a checkpoint in Whisper's format; no code of the file is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # about what a foreign file holds: it is refused below
            checkpoint: Any = torch.load(path, map_location='cpu', weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError:
        # Its own text advises to load the file unsafely.
        raise ValueError(
            f"{path}: no checkpoint in Whisper's format: it holds more than weights, or is damaged"
        ) from None
    except Exception as error:  # a damaged archive raises whatever it comes upon
        text = ' '.join(str(error).split())[:200]
        raise ValueError(
            f"{path}: no checkpoint in Whisper's format, or a damaged one ({text})"
        ) from None
    try:
        dims = ModelDimensions(**checkpoint['dims'])
        mine: dict[str, Tensor] = {
            name[len(_PREFIX) :]: tensor
            for name, tensor in checkpoint['model_state_dict'].items()
            if name.startswith(_PREFIX)
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{path}: no checkpoint in Whisper's format: expected 'dims' and 'model_state_dict'"
        ) from None
    for name, most in _MOST.items():
        value = getattr(dims, name)
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(f'{path}: dims: {name} = {value!r}: expected 1 to {most}')
    if dims.n_mels not in (80, 128) or dims.n_audio_state % (2 * dims.n_audio_head):
        raise ValueError(f'{path}: dims that no Whisper model has: {dims}')
    with _WithoutMemory():  # dims that lie cannot ask for much of it
        encoder = _empty(dims)
    # The table of positions follows from the dimensions: older files leave it out, and files of
    # half precision round it, so that the same weights would give other embeddings.
    table = sinusoids(dims.n_audio_ctx, dims.n_audio_state)
    try:
        if torch.allclose(mine.get('positional_embedding', table).float(), table, atol=1e-3):
            mine['positional_embedding'] = table
        encoder.load_state_dict(mine, assign=True)
        encoder = encoder.float()
    except (RuntimeError, TypeError, AttributeError) as error:
        text = ' '.join(str(error).split())[:300]
        raise ValueError(f'{path}: its weights do not fit its dimensions: {text}') from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in encoder.state_dict().values()):
        raise ValueError(f'{path}: holds weights that are not finite')
    return encoder, dims
