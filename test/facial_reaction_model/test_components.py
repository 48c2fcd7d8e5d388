# SPDX-License-Identifier: Apache-2.0
"""Each operator of a step: torch computes what the model does, ONNX Runtime the same."""

import math

import numpy as np
import pytest
import torch
from speakers import SMALL

from robot_face_gen.facial_reaction_model.components import (
    Attend,
    FusedBranches,
    Geometry,
    Rotary,
    SlidingWindowAttention,
    Write,
    regrouped_out,
    regrouped_qkv,
    rotate,
)
from robot_face_gen.facial_reaction_model.config import BRANCHES, ModelConfig
from robot_face_gen.models.onnx_export import export
from robot_face_gen.models.onnx_session import open_session

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')
ROWS, HEADS, WIDTH, SLOTS = 6, 3, 8, 11


@pytest.mark.parametrize(('heads', 'kv_heads'), [(4, 4), (4, 2), (4, 1)])
def test_the_sizes_of_the_geometry(heads, kv_heads):
    config = ModelConfig(
        feature_dim=32, num_heads=heads, num_kv_heads=kv_heads, max_seq_len=7, window_size=3
    )
    geometry = Geometry(config)
    assert (geometry.window, geometry.ring_size) == (7, 9)
    assert geometry.group == heads // kv_heads and isinstance(geometry.group, int)
    # Eight windows without a repeated position, in whole seconds of 25 frames.
    assert geometry.cycle == 25 * 4
    # A query of a block sees itself and the six frames before it.
    expected = [[query <= key <= query + 6 for key in range(13)] for query in range(7)]
    assert geometry.band.tolist() == expected


def test_the_frequencies_go_from_one_radian_a_frame_to_one_turn_a_cycle():
    geometry = Geometry(ModelConfig(feature_dim=64, num_heads=4, num_kv_heads=2))
    half = geometry.cos.shape[1] // 2
    angle = torch.atan2(geometry.sin[1, half:], geometry.cos[1, :half])
    assert float(angle[0]) == pytest.approx(1.0, abs=0.01)
    assert float(angle[-1]) == pytest.approx(2 * math.pi / geometry.cycle, rel=1e-4)
    assert float(angle[half // 2]) == pytest.approx(2 * math.pi / 25, rel=1e-4)
    assert (geometry.sin[:, :half] == -geometry.sin[:, half:]).all()


@pytest.mark.parametrize('frames', [1, 7, 8, 14, 17, 30])
@pytest.mark.parametrize('kv_heads', [4, 2])
def test_a_sequence_is_attended_in_blocks_as_by_one_mask(frames, kv_heads):
    torch.manual_seed(0)
    config = ModelConfig(
        feature_dim=32, num_heads=4, num_kv_heads=kv_heads, max_seq_len=7, window_size=3
    )
    attention, geometry = SlidingWindowAttention(config), Geometry(config)
    x = torch.randn(2, frames, 32)
    with torch.no_grad():
        got = attention(x, geometry)
        q, k, v = (
            attention.qkv(x)
            .unflatten(2, (-1, 8))
            .transpose(1, 2)
            .split((4, kv_heads, kv_heads), dim=1)
        )
        q, k = (rotate(part, geometry.rotary(0, frames)) for part in (q, k))
        k, v = (part.repeat_interleave(4 // kv_heads, dim=1) for part in (k, v))
        age = torch.arange(frames)[:, None] - torch.arange(frames)
        scores = (q @ k.transpose(2, 3) / 8**0.5).masked_fill((age < 0) | (age > 6), -math.inf)
        expected = attention.out((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))
    np.testing.assert_allclose(got, expected, atol=1e-5)


class Call(torch.nn.Module):
    def __init__(self, operator):
        super().__init__()
        self.operator = operator

    def forward(self, *inputs):
        return self.operator.apply(*inputs)


def by_onnx(operator, tmp_path, **inputs):
    path = tmp_path / 'operator.onnx'
    copies = {name: tensor.clone() for name, tensor in inputs.items()}
    export(Call(operator), copies, ['out'], {}, path)
    given = {name: tensor.numpy() for name, tensor in inputs.items()}
    return open_session(path, 1).run(None, given)[0]


def rotary_inputs():
    geometry = Geometry(ModelConfig(feature_dim=4 * WIDTH, num_heads=4, num_kv_heads=2))
    half = WIDTH // 2
    return geometry, {
        'x': torch.randn(ROWS, HEADS, 1, WIDTH),
        'at': torch.tensor([[5], [6], [7], [0], [geometry.cycle - 1], [90]]),
        'cos': geometry.cos[:, :half].contiguous(),
        'sin': geometry.sin[:, half:].contiguous(),
    }


def test_rotary_is_the_models_rotation():
    geometry, inputs = rotary_inputs()
    expected = [rotate(x, (geometry.cos[at], geometry.sin[at]))
                for x, at in zip(inputs['x'], inputs['at'], strict=True)]  # fmt: skip
    np.testing.assert_allclose(Rotary.call(*inputs.values()), torch.stack(expected), atol=1e-6)


def test_rotary_in_onnx_runtime(tmp_path):
    _, inputs = rotary_inputs()
    expected = Rotary.call(*inputs.values())
    np.testing.assert_allclose(by_onnx(Rotary, tmp_path, **inputs), expected, atol=1e-6)


def test_write_puts_rows_where_they_belong_and_nothing_else(tmp_path):
    ring, new = torch.randn(2, HEADS, SLOTS, WIDTH), torch.randn(4, HEADS, 1, WIDTH)
    places = torch.tensor(
        [[[[session, head, slot]] for head in range(HEADS)]
         for session, slot in ((0, 10), (0, 0), (1, 3), (1, 4))]
    )  # fmt: skip
    expected = ring.clone()
    expected[0, :, 10], expected[0, :, 0] = new[0, :, 0], new[1, :, 0]
    expected[1, :, 3], expected[1, :, 4] = new[2, :, 0], new[3, :, 0]
    got = by_onnx(Write, tmp_path, ring=ring, places=places, new=new)
    np.testing.assert_array_equal(got, expected)
    Write.call(ring, places, new)
    np.testing.assert_array_equal(ring, expected)


@pytest.mark.parametrize('rows', [4, 12])
def test_attend_is_masked_attention_of_each_head(tmp_path, rows):
    q = torch.randn(2, rows, HEADS * WIDTH)
    keys, values = torch.randn(2, HEADS, SLOTS, WIDTH), torch.randn(2, HEADS, SLOTS, WIDTH)
    mask = torch.where(torch.rand(2, 1, rows, SLOTS) < 0.5, 0.0, -torch.inf)
    mask[..., 0] = 0.0  # everybody sees something
    expected = torch.empty_like(q)
    for head in range(HEADS):
        part = slice(head * WIDTH, (head + 1) * WIDTH)
        scores = q[..., part] @ keys[:, head].transpose(1, 2) / WIDTH**0.5 + mask[:, 0]
        expected[..., part] = scores.softmax(-1) @ values[:, head]
    inputs = {'q': q, 'keys': keys, 'values': values, 'mask': mask}
    np.testing.assert_allclose(Attend.call(*inputs.values()), expected, atol=1e-5)
    np.testing.assert_allclose(by_onnx(Attend, tmp_path, **inputs), expected, atol=1e-5)


def test_fused_branches_are_the_branches(model):
    face = {name: torch.randn(5, width) for name, width in BRANCHES.items()}
    branches = model.encoder.face.branches
    expected = torch.cat([branches[name](x) for name, x in face.items()], dim=1)
    with torch.no_grad():
        fused = FusedBranches(branches, shared_input=False)
        np.testing.assert_allclose(
            fused(torch.cat([*face.values()], 1)), expected.detach(), atol=1e-5
        )
        x, heads = torch.randn(5, SMALL.feature_dim), model.decoder.heads.branches
        expected = torch.cat([net(x) for net in heads.values()], dim=1)
        np.testing.assert_allclose(FusedBranches(heads, shared_input=True)(x), expected, atol=1e-5)


def test_regrouped_projections_are_copies_without_gradients(model):
    layer = next(part for part in model.modules() if hasattr(part, 'attention'))
    for make, original in ((regrouped_qkv, 'qkv'), (regrouped_out, 'out')):
        with torch.no_grad():
            made = make(layer)
        own = getattr(layer.attention, original)
        assert not any(part.requires_grad for part in made.parameters())
        assert own.weight.requires_grad and made.weight.data_ptr() != own.weight.data_ptr()
        # The same numbers in another order.
        assert torch.equal(made.weight.flatten().sort()[0], own.weight.flatten().sort()[0])
