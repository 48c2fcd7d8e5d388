# SPDX-License-Identifier: Apache-2.0
"""A Whisper model in CTranslate2's format becomes one that openai-whisper loads."""

import struct

import numpy as np
import pytest
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

from robot_face_gen.features.whisper_encoder import WhisperEncoder
from robot_face_gen.models.ctranslate2 import convert_whisper, read_model

DIMS = ModelDimensions(
    n_mels=80, n_audio_ctx=50, n_audio_state=32, n_audio_head=2, n_audio_layer=2,
    n_vocab=51864, n_text_ctx=8, n_text_state=32, n_text_head=4, n_text_layer=1,
)  # fmt: skip
# openai-whisper's modules of a layer, as CTranslate2 joins and names them.
PARTS = {
    'self_attention/layer_norm': ['attn_ln'],
    'self_attention/linear_0': ['attn.query', 'attn.key', 'attn.value'],
    'self_attention/linear_1': ['attn.out'],
    'attention/layer_norm': ['cross_attn_ln'],
    'attention/linear_0': ['cross_attn.query'],
    'attention/linear_1': ['cross_attn.key', 'cross_attn.value'],
    'attention/linear_2': ['cross_attn.out'],
    'ffn/layer_norm': ['mlp_ln'],
    'ffn/linear_0': ['mlp.0'],
    'ffn/linear_1': ['mlp.2'],
}


def ctranslate2_variables(model):
    """What CTranslate2's converter makes of a Whisper model."""
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    found = {}

    def put(name, *modules):
        norm = name.endswith('norm')
        for end, ours in (('weight', 'gamma'), ('bias', 'beta')):
            values = [
                state.get(f'{each}.{end}', np.zeros(32, np.float16))  # keys have no bias
                for each in modules
            ]
            found[f'{name}/{ours if norm else end}'] = np.concatenate(values)

    put('encoder/conv1', 'encoder.conv1')
    put('encoder/conv2', 'encoder.conv2')
    put('encoder/layer_norm', 'encoder.ln_post')
    put('decoder/layer_norm', 'decoder.ln')
    for part, layers in (('encoder', 2), ('decoder', 1)):
        for layer in range(layers):
            for name, modules in PARTS.items():
                if part == 'decoder' or not name.startswith('attention'):
                    places = [f'{part}.blocks.{layer}.{module}' for module in modules]
                    put(f'{part}/layer_{layer}/{name}', *places)
    found['decoder/embeddings/weight'] = state['decoder.token_embedding.weight']
    found['decoder/position_encodings/encodings'] = state['decoder.positional_embedding']
    found['encoder/position_encodings/encodings'] = state['encoder.positional_embedding']
    found['encoder/num_heads'], found['decoder/num_heads'] = np.int16(2), np.int16(4)
    found['decoder/activation'] = np.int8(3)
    found['decoder/alignment_layer'] = np.int16(-1)
    return found


def write(path, variables, version=6):
    """A file in CTranslate2's format, from its source code's description."""
    kinds = {'float32': 0, 'int8': 1, 'int16': 2, 'int32': 3, 'float16': 4}

    def text(value):
        return struct.pack('<H', len(value) + 1) + value.encode() + b'\0'

    parts = [
        struct.pack('<I', version),
        text('WhisperSpec'),
        struct.pack('<II', 3, len(variables)),
    ]
    for name, values in sorted(variables.items()):
        values = np.asarray(values)
        parts.append(text(name) + struct.pack('<B', values.ndim))
        parts.append(struct.pack(f'<{values.ndim}I', *values.shape))
        parts.append(struct.pack('<BI', kinds[values.dtype.name], values.nbytes))
        parts.append(values.tobytes())
    parts.append(struct.pack('<I', 1) + text('decoder/projection') + text('decoder/embeddings'))
    path.write_bytes(b''.join(parts))
    return path


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = Whisper(DIMS)
    with torch.no_grad():
        model.decoder.positional_embedding.normal_()  # not initialised by openai-whisper
    return model.half().eval()


@pytest.fixture(scope='module')
def variables(model):
    return ctranslate2_variables(model)


def test_all_variables_are_read(tmp_path, variables):
    found = read_model(write(tmp_path / 'model.bin', variables))
    assert sorted(found) == sorted(variables)
    for name, values in variables.items():
        assert found[name].dtype == np.asarray(values).dtype
        assert np.array_equal(found[name], values)


def test_openai_whisper_loads_the_converted_file(tmp_path, model, variables):
    path = tmp_path / 'model.pt'
    convert_whisper(write(tmp_path / 'model.bin', variables), path)
    loaded = whisper.load_model(str(path), device='cpu')
    assert loaded.dims == DIMS
    expected = model.state_dict()
    for name, tensor in loaded.state_dict().items():
        tolerance = 5e-4 if name == 'encoder.positional_embedding' else 0.0  # half precision
        assert (tensor - expected[name].float()).abs().max() <= tolerance, name
    mel, tokens = torch.randn(1, 80, 100), torch.tensor([[50257, 5, 7]])
    with torch.no_grad():
        model = Whisper(DIMS)
        model.load_state_dict(expected)
        difference = loaded(mel, tokens) - model.eval()(mel, tokens)
    assert difference.abs().max() < 5e-3


def test_the_same_weights_from_either_source_give_the_same_embeddings(tmp_path, model, variables):
    # OpenAI's own file has the table of positions in half precision.
    torch.save(
        {'dims': vars(DIMS), 'model_state_dict': model.state_dict()}, tmp_path / 'official.pt'
    )
    convert_whisper(write(tmp_path / 'model.bin', variables), tmp_path / 'model.pt')
    one, other = (
        WhisperEncoder.from_name_or_path(tmp_path / name) for name in ('official.pt', 'model.pt')
    )
    assert one.id == other.id
    mel = np.random.default_rng(0).uniform(-1, 1, (1, 80, 60)).astype(np.float32)
    assert np.array_equal(one.encode(mel), other.encode(mel))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda v: v.pop('encoder/conv2/bias'), 'encoder.conv2.bias'),
        (lambda v: v.pop('decoder/num_heads'), 'decoder/num_heads'),
        (lambda v: v.pop('encoder/layer_0/ffn/linear_0/weight'), 'not a Whisper model'),
        (lambda v: v.update({'encoder/conv2/bias': np.zeros(3, np.float16)}), 'size mismatch'),
        (lambda v: v['decoder/layer_0/attention/linear_1/bias'].__setitem__(3, 1), 'bias of keys'),
        (lambda v: v.update({'encoder/layer_0/odd/linear_0/bias': np.zeros(3)}), 'odd/linear_0'),
    ],
)
def test_what_is_no_whisper_model_is_refused(tmp_path, variables, change, words):
    changed = {name: np.array(values) for name, values in variables.items()}
    change(changed)
    changed = {n: v.astype(np.float16) if v.dtype == float else v for n, v in changed.items()}
    with pytest.raises(ValueError, match=words) as error:
        convert_whisper(write(tmp_path / 'model.bin', changed), tmp_path / 'model.pt')
    assert '\n' not in str(error.value) and not (tmp_path / 'model.pt').exists()


@pytest.mark.parametrize('content', [b'', b'\x06\0\0\0', b'PK\x03\x04' * 100, 'half', 'version'])
def test_another_file_is_refused(tmp_path, variables, content):
    path = write(tmp_path / 'model.bin', variables, version=5 if content == 'version' else 6)
    if content == 'half':
        content = path.read_bytes()[: path.stat().st_size // 2]
    if isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r'model\.bin: not a CTranslate2 model'):
        read_model(path)
