# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen export` writes a file that any ONNX Runtime runs."""

import numpy as np
import pytest
import torch
from speakers import SMALL, make_speaker

from robot_face_gen.cli import main
from robot_face_gen.facial_reaction_model import BRANCHES, FacialReactionModel, save_checkpoint

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(2)
    model = FacialReactionModel(SMALL).eval()
    path = tmp_path_factory.mktemp('weights') / 'small.safetensors'
    save_checkpoint(model, path)
    return model, path


def test_a_stranger_can_run_the_file(checkpoint, tmp_path, capsys):
    """No class of ours: zeros to begin with, and each `next.X` goes back in as `X`."""
    model, path = checkpoint
    out = tmp_path / 'made' / 'step.onnx'
    assert main(['export', '--checkpoint', str(path), '--out', str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(out), providers=['CPUExecutionProvider'])
    names = [item.name for item in session.get_outputs()]
    speaker = {name: value.numpy() for name, value in make_speaker(30).items()}
    state = {
        item.name: np.zeros(item.shape, np.float32)
        for item in session.get_inputs()
        if f'next.{item.name}' in names
    }
    answers, clock = {name: [] for name in BRANCHES}, 0
    for frames in (3, 4, 1, 4, 4, 4, 4, 4, 2):
        given = {name: value[:, clock : clock + frames] for name, value in speaker.items()}
        given['face_valid'] = given['audio_valid'] = np.ones((1, frames), bool)
        given['face_mask'] = np.ones((1, frames, 25), bool)
        given['clock'] = np.array([clock])
        given['temperature'] = np.array(0.0, np.float32)
        given['fresh'] = np.zeros((1, SMALL.latent_dim), np.float32)
        found = dict(zip(names, session.run(None, {**given, **state}), strict=True))
        state = {name: found['next.' + name] for name in state}
        for name in BRANCHES:
            answers[name].append(found['listener.' + name])
        clock += frames
    with torch.no_grad():
        whole, _, _ = model(make_speaker(30), seed=0, temperature=0.0)
    for name in BRANCHES:
        joined = np.concatenate(answers[name], axis=1)
        np.testing.assert_allclose(joined, whole[name].numpy(), atol=1e-4)


def test_8_bit_weights_make_a_smaller_file(checkpoint, tmp_path):
    _, path = checkpoint
    for name, words in (('a', []), ('b', ['--int8'])):
        out = ['--out', str(tmp_path / name)]
        assert main(['export', '--checkpoint', str(path), *out, *words]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ['a', 'b']
    assert (tmp_path / 'a').stat().st_size > (tmp_path / 'b').stat().st_size


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--checkpoint', 'none.safetensors', '--out', 'x.onnx'], 'none.safetensors'),
        (['--faces', '0', '--out', 'x.onnx'], '--faces 0: expected at least 1'),
        (['--out', '.'], '--out .: is a folder'),
    ],
)
def test_what_is_wrong_is_told_in_one_line(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['export', *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith('robot-face-gen: error: ') and told in error
    assert error.count('\n') == 1
