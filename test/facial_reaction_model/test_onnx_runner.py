# SPDX-License-Identifier: Apache-2.0
"""An exported model: no torch in its process, exported once, and the same function."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import run_python
from speakers import SMALL, largest_difference, make_mask, make_speaker

from robot_face_gen.facial_reaction_model import (
    BRANCHES,
    CheckpointInfo,
    ExportedModel,
    FacialReactionModel,
    OnlineInferenceManager,
    create_model,
    load_checkpoint,
    save_checkpoint,
)

pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')
import itertools

from robot_face_gen.facial_reaction_model.onnx_runner import exported_step, is_exported

FRAMES = 70  # more than attention sees, and than a ring holds


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('exported')


@pytest.fixture(scope='module')
def checkpoint(folder):
    torch.manual_seed(3)
    path = folder / 'small.safetensors'
    info = CheckpointInfo(trained_on='nothing, for a test', audio={'hop_s': 0.04})
    model = FacialReactionModel(SMALL, info)
    torch.nn.init.normal_(model.encoder.face.missing, std=0.3)
    save_checkpoint(model, path)
    return path


@pytest.fixture(scope='module')
def model(checkpoint, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        assert not is_exported(checkpoint)
        yield ExportedModel.of(checkpoint)


@pytest.fixture(scope='module')
def speaker():
    window = {name: part.numpy() for name, part in make_speaker(FRAMES).items()}
    window['face_valid'] = np.ones((1, FRAMES), bool)
    window['audio_valid'] = np.ones((1, FRAMES), bool)
    window['face_valid'][:, 20:25] = False
    window['face_mask'] = make_mask(FRAMES).numpy()
    window['audio_valid'][:, 22:40] = False
    return window


def parts_of(speaker, cuts):
    edges = [0, *sorted(cuts), FRAMES]
    return [
        {name: part[:, begin:end] for name, part in speaker.items()}
        for begin, end in itertools.pairwise(edges)
        if begin < end
    ]


def answers(manager, speaker, cuts=()):
    parts = [manager.process_window(part) for part in parts_of(speaker, cuts)]
    return {name: torch.cat([torch.as_tensor(p[name]) for p in parts], 1) for name in BRANCHES}


@settings(deadline=None, max_examples=10)
@given(cuts=st.sets(st.integers(1, FRAMES - 1)), seed=st.integers(0, 2**62))
def test_however_cut_it_is_the_model(model, checkpoint, speaker, cuts, seed):
    with torch.no_grad():
        whole, _, _ = load_checkpoint(checkpoint).eval()(speaker, seed=seed, temperature=0.8)
    manager = OnlineInferenceManager(model, seed=seed, temperature=0.8)
    assert largest_difference(answers(manager, speaker, cuts), whole) < 1e-4


def test_what_it_says_of_itself_is_the_checkpoints(model, checkpoint):
    other = load_checkpoint(checkpoint)
    assert (model.config, model.info) == (other.config, other.info)


def test_a_new_session_begins_anew(model, speaker):
    manager = OnlineInferenceManager(model, seed=4)
    first = answers(manager, speaker, {3})
    manager.reset()
    assert largest_difference(answers(manager, speaker, {30, 31}), first) < 1e-5
    manager.reset(seed=5)
    assert largest_difference(answers(manager, speaker), first) > 1e-3
    drawn = OnlineInferenceManager(model)
    first = answers(drawn, speaker)
    drawn.reset()
    assert largest_difference(answers(drawn, speaker), first) > 1e-3


def test_a_session_goes_on_with_torch_and_back(model, checkpoint, speaker):
    usual = OnlineInferenceManager(load_checkpoint(checkpoint), seed=1)
    whole = usual.process_window(speaker)
    manager, eager = (
        OnlineInferenceManager(model, seed=1),
        OnlineInferenceManager(load_checkpoint(checkpoint), seed=9),
    )
    first, second, third = parts_of(speaker, {17, 45})
    parts = [answers_of(manager, first)]
    eager.load_state_dict(manager.state_dict())
    parts.append(eager.process_window(second))
    manager = OnlineInferenceManager(model, seed=7)
    manager.process_window(second)
    manager.load_state_dict(eager.state_dict())
    parts.append(answers_of(manager, third))
    joined = {name: torch.cat([part[name] for part in parts], 1) for name in BRANCHES}
    assert largest_difference(joined, whole) < 1e-4


def test_a_saved_session_of_another_model_is_refused(model, speaker):
    manager = OnlineInferenceManager(model, seed=1)
    first, second = parts_of(speaker, {17})
    manager.process_window(first)
    saved = manager.state_dict()
    expected = manager.process_window(second)
    manager.load_state_dict(saved)
    for damaged, words in (
        ({k: v for k, v in saved.items() if k != 'own'}, "'own' is missing"),
        ({**saved, 'encoder.9.keys': saved['own']}, r"'encoder\.9\.keys' is unknown"),
        ({**saved, 'own': saved['own'][:, 1:]}, r"'own' has shape \(1, 7\): expected \(1, 8\)"),
        ({**saved, 'seeds': [1, 2]}, '2 sessions: an exported model has one'),
        ({**saved, 'temperature': 11.0}, r'temperature = 11\.0'),
    ):
        with pytest.raises(ValueError, match=words):
            manager.load_state_dict(damaged)
    again = manager.process_window(second)
    for name in BRANCHES:
        np.testing.assert_array_equal(again[name], expected[name])


def test_temperature_counts_from_the_next_window_on(model, checkpoint, speaker):
    usual = OnlineInferenceManager(load_checkpoint(checkpoint), seed=1, temperature=1.0)
    manager = OnlineInferenceManager(model, seed=1, temperature=1.0)
    for index, part in enumerate(parts_of(speaker, {10, 33})):
        usual.temperature = manager.temperature = index * 0.5
        assert largest_difference(usual.process_window(part), answers_of(manager, part)) < 1e-4
    with pytest.raises(ValueError, match=r'temperature = 11\.0: expected 0 to 10'):
        manager.temperature = 11.0


def answers_of(manager, part):
    return {name: torch.as_tensor(x) for name, x in manager.process_window(part).items()}


def test_bad_input_is_named_and_changes_nothing(model, speaker):
    manager, untouched = (
        OnlineInferenceManager(model, seed=2),
        OnlineInferenceManager(model, seed=2),
    )
    first, second = parts_of(speaker, {30})
    manager.process_window(first)
    untouched.process_window(first)
    damaged = {**second, 'gaze': second['gaze'].copy()}
    damaged['gaze'][0, 3, 1] = np.nan
    damaged['face_mask'] = np.ones((1, 40, 25), bool)
    with pytest.raises(ValueError, match=r"'gaze'\]\[0, 3, 1\] = nan: expected finite numbers"):
        manager.process_window(damaged)
    with pytest.raises(ValueError, match=r"'pose'\] has shape \(1, 40, 3\): expected"):
        manager.process_window({**second, 'pose': second['pose'][..., :3]})
    with pytest.raises(ValueError, match='window of 2 speakers: this session has 1'):
        manager.process_window({name: part.repeat(2, 0) for name, part in second.items()})
    with pytest.raises(ValueError, match='expected landmarks, au, pose, gaze'):
        manager.process_window({name: second[name] for name in ('au', 'audio')})
    got, expected = manager.process_window(second), untouched.process_window(second)
    for name in BRANCHES:
        np.testing.assert_array_equal(got[name], expected[name])


def test_memory_that_is_not_finite_is_gone_after_a_reset(model, speaker):
    manager, other = OnlineInferenceManager(model, seed=2), OnlineInferenceManager(model, seed=2)
    manager.process_window(parts_of(speaker, {30})[0])
    runner = manager.state.runner
    damaged = {name: np.full_like(part, np.nan) for name, part in runner.read_state().items()}
    runner.write_state(damaged)
    manager.reset()
    assert largest_difference(answers(manager, speaker), answers(other, speaker)) == 0.0


WITHOUT_TORCH = """
import sys
import numpy as np
from robot_face_gen.facial_reaction_model import ExportedModel, OnlineInferenceManager
model = ExportedModel.of(sys.argv[1])
shapes = {'landmarks': (136,), 'au': (18,), 'pose': (4,), 'gaze': (2,), 'audio': (2, 24)}
window = {name: np.zeros((1, 3, *shape), np.float32) for name, shape in shapes.items()}
window.update({name: np.ones((1, 3), bool) for name in ('face_valid', 'audio_valid')})
OnlineInferenceManager(model, seed=0).process_window(window)
print('torch' in sys.modules)
"""


def test_the_second_time_torch_is_not_there(model, checkpoint):
    done = run_python(WITHOUT_TORCH, checkpoint)
    assert (done.stdout.strip(), done.returncode) == ('False', 0), done.stderr


@pytest.mark.usefixtures('export_here')
def test_other_weights_in_the_same_file_are_exported_anew(model, checkpoint, tmp_path):
    path = tmp_path / 'changing.safetensors'
    path.write_bytes(checkpoint.read_bytes())
    assert is_exported(path)  # the same weights
    torch.manual_seed(8)
    save_checkpoint(FacialReactionModel(SMALL), path)
    assert not is_exported(path)
    assert ExportedModel.of(path).step != model.step


@pytest.mark.usefixtures('export_here')
@pytest.mark.parametrize('damaged', ['payload', 'index'])
@pytest.mark.parametrize('content', [b'', b'half', None])
def test_a_damaged_or_missing_file_is_made_again(model, checkpoint, damaged, content):
    (index,) = model.step.parent.glob(f'{model.step.stem.rpartition("-")[0]}.json')
    path = model.step if damaged == 'payload' else index
    good = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(good[: len(good) // 2] if content else b'')
    assert not is_exported(checkpoint)
    assert ExportedModel.of(checkpoint) == model
    assert is_exported(checkpoint)
    window = make_speaker(3)
    with torch.no_grad():
        whole = load_checkpoint(checkpoint).eval()(window, seed=1)[0]
    answer = OnlineInferenceManager(ExportedModel.of(checkpoint), seed=1).process_window(window)
    assert largest_difference({n: torch.as_tensor(x) for n, x in answer.items()}, whole) < 1e-4


def test_a_model_in_memory_and_its_checkpoint_share_one_file(model, checkpoint):
    assert exported_step(load_checkpoint(checkpoint)) == model.step
    written = model.step.stat().st_mtime_ns
    assert exported_step(load_checkpoint(checkpoint)) == model.step
    assert model.step.stat().st_mtime_ns == written
    assert exported_step(create_model(SMALL)) != model.step
    assert exported_step(load_checkpoint(checkpoint), 1, 2) != model.step
    assert not list(model.step.parent.glob('.export-*'))


def test_several_speakers_or_seeds_are_refused(model):
    with pytest.raises(ValueError, match='2 speakers, 2 sessions: an exported model has one'):
        OnlineInferenceManager(model).process_window(make_speaker(2, batch=2))
    with pytest.raises(ValueError, match='1 speakers, 3 sessions: an exported model has one'):
        OnlineInferenceManager(model, seed=[1, 2, 3]).process_window(make_speaker(2))


@pytest.mark.usefixtures('export_here')
def test_eight_bits_are_near(model, checkpoint, speaker):
    near = ExportedModel.of(checkpoint, int8=True)
    assert near.step != model.step
    usual = answers(OnlineInferenceManager(model, seed=1), speaker)
    other = answers(OnlineInferenceManager(near, seed=1), speaker)
    spread = usual['landmarks'].std()
    assert 0.0 < float((usual['landmarks'] - other['landmarks']).abs().mean()) < 0.3 * spread


def test_what_is_no_checkpoint_is_said_so(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.safetensors: no such checkpoint'):
        ExportedModel.of(tmp_path / 'none.safetensors')
    path = tmp_path / 'broken.safetensors'
    path.write_bytes(b'not a checkpoint')
    with pytest.raises(ValueError, match=r'broken\.safetensors: not a safetensors file'):
        ExportedModel.of(path)


def test_a_folder_that_cannot_be_written_is_said_so(checkpoint, tmp_path, monkeypatch):
    (tmp_path / 'robot_face_gen').write_text('in the way')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(OSError, match='robot_face_gen'):
        ExportedModel.of(checkpoint)
