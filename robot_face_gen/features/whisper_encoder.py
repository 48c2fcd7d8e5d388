"""The encoder half of Whisper for short contexts: openai-whisper's own classes and weights."""

from __future__ import annotations

import hashlib
import http.client
import math
import os
import pickle
import socket
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import whisper
from torch import Tensor
from whisper.audio import mel_filters
from whisper.model import AudioEncoder, ModelDimensions, sinusoids

from robot_face_gen.onnx_files import EAGER, ONNX_INT8, check_backend

if TYPE_CHECKING:
    from .whisper_onnx import OnnxEncoder

UNTRAINED = 'untrained'
RATE_HZ = 50.0  # embeddings a second
_DOWNLOAD_TIMEOUT_S = 20.0
_PREFIX = 'encoder.'
# Of the encoder in a file, to refuse nonsense: the largest Whisper has 1500, 1280, 20, 32.
_MOST = {'n_audio_ctx': 6000, 'n_audio_state': 4096, 'n_audio_head': 64, 'n_audio_layer': 96}
_TINY = ModelDimensions(
    n_mels=80, n_audio_ctx=1500, n_audio_state=384, n_audio_head=6, n_audio_layer=4,
    n_vocab=51865, n_text_ctx=448, n_text_state=384, n_text_head=6, n_text_layer=4,
)  # fmt: skip


class WhisperEncoder:
    """Log-mel frames in, embeddings out.

    Args:
        encoder: of openai-whisper.
        dims: its dimensions.
        name: a word for the id.
        backend: what computes: `eager` is torch; `onnx` is ONNX Runtime on a CPU, equal to 1e-4
            and faster; `onnx-int8` is faster still with 8-bit weights, and not quite equal.

    Attributes:
        id: the name, and a hash of the weights: what a checkpoint was trained with.
        dim: length of an embedding.
        n_mels: bands of the log-mel spectrogram.
        filters: (n_mels, 201) float32, from power spectrum to mel bands.
    """

    def __init__(
        self, encoder: AudioEncoder, dims: ModelDimensions, name: str, backend: str = EAGER
    ) -> None:
        self._encoder = encoder.eval().requires_grad_(False)
        self.dim, self.n_mels = dims.n_audio_state, dims.n_mels
        self.most_frames = 2 * dims.n_audio_ctx
        self.id = f'{name}:{_digest(encoder)}'
        self.filters = mel_filters('cpu', dims.n_mels).numpy()
        self._positions = encoder.positional_embedding
        self._onnx: OnnxEncoder | None = None
        if check_backend(backend) != EAGER:
            from .whisper_onnx import OnnxEncoder

            self._onnx = OnnxEncoder(encoder, int8=backend == ONNX_INT8)

    @classmethod
    def from_name_or_path(
        cls, weights: str | Path, device: str = 'cpu', backend: str = EAGER
    ) -> WhisperEncoder:
        """Load weights: a name (`tiny`, ...), a path (`.pt` in Whisper's format), or `untrained`.

        `untrained` is the tiny architecture with fixed random weights. It needs no download and is
        the same everywhere; it keeps what the sound is like, and knows nothing of speech.

        Raises:
            ValueError: no such name, a file that is no Whisper checkpoint, weights that cannot be
                downloaded (it says how to get them).
            OSError: the file cannot be read.
        """
        text = str(weights)
        if text == UNTRAINED:
            encoder, dims, name = _untrained(), _TINY, 'whisper-untrained'
        else:
            encoder, dims = _load(_find(text))
            name = f'whisper-{dims.n_audio_layer}x{dims.n_audio_state}'
        return cls(encoder.to(device), dims, name, backend)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._positions.device

    @torch.inference_mode()
    def encode(self, mel: np.ndarray, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Embeddings of short contexts, with the first positions of Whisper's table.

        Args:
            mel: (B, n_mels, frames) float32, an even number of frames of 10 ms.
            begin: the first embedding that is wanted, 0..frames / 2: what is not costs less.
            end: the one after the last; None is frames / 2.

        Returns:
            np.ndarray: (B, end - begin, dim) float32.
        """
        if mel.ndim != 3 or mel.shape[1] != self.n_mels or mel.shape[2] % 2:
            raise ValueError(f'mel of shape {mel.shape}: expected (B, {self.n_mels}, even frames)')
        end = mel.shape[2] // 2 if end is None else end
        if not 0 <= begin <= end <= mel.shape[2] // 2:
            raise ValueError(
                f'embeddings {begin} to {end}: expected 0 <= begin <= end <= {mel.shape[2] // 2}'
            )
        if self._onnx is not None:
            return self._onnx.encode(mel.astype(np.float32, copy=False), begin, end)
        encoder = self._encoder
        x = torch.from_numpy(np.ascontiguousarray(mel, np.float32)).to(self.device)
        x = torch.nn.functional.gelu(encoder.conv1(x))
        x = torch.nn.functional.gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + self._positions[: x.shape[1]]
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
    encoder = AudioEncoder(
        _TINY.n_mels,
        _TINY.n_audio_ctx,
        _TINY.n_audio_state,
        _TINY.n_audio_head,
        _TINY.n_audio_layer,
    )  # fmt: skip
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


def _cache_folder() -> Path:
    """Where openai-whisper keeps what it has downloaded."""
    return Path(os.getenv('XDG_CACHE_HOME') or Path.home() / '.cache') / 'whisper'


def _find(weights: str) -> Path:
    """The file of weights, downloaded if it must be and can be."""
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    if weights not in whisper.available_models():
        names = ', '.join(whisper.available_models())
        raise ValueError(
            f'{weights}: no such file, and no Whisper model: known are {UNTRAINED}, {names}'
        )
    url = whisper._MODELS[weights]
    file = _cache_folder() / os.path.basename(url)
    if file.is_file():
        return file
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Beside its place: a part of it, left by an interruption, would be taken for the whole.
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            os.replace(whisper._download(url, folder, False), file)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise ValueError(
            f'Whisper weights {weights!r} are not in {file.parent} and cannot be downloaded '
            f'({error}). On a '
            'machine with network, run python -c "import whisper; '
            f"whisper.load_model('{weights}')\" and "
            f'copy {file.name} to {file.parent}, or give its path; {UNTRAINED!r} needs no download'
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return file


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
    with torch.device('meta'):  # without memory: dims that lie cannot ask for much of it
        encoder = AudioEncoder(
            dims.n_mels,
            dims.n_audio_ctx,
            dims.n_audio_state,
            dims.n_audio_head,
            dims.n_audio_layer,
        )
    # Older files leave the table of positions out: it follows from the dimensions.
    mine.setdefault('positional_embedding', sinusoids(dims.n_audio_ctx, dims.n_audio_state))
    try:
        encoder.load_state_dict(mine, assign=True)
        encoder = encoder.float()
    except (RuntimeError, TypeError, AttributeError) as error:
        text = ' '.join(str(error).split())[:300]
        raise ValueError(f'{path}: its weights do not fit its dimensions: {text}') from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in encoder.state_dict().values()):
        raise ValueError(f'{path}: holds weights that are not finite')
    return encoder, dims
