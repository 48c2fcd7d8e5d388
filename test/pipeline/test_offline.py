# SPDX-License-Identifier: Apache-2.0
"""The offline pipeline: which slots it answers, and what it does not import."""

import dataclasses

import numpy as np
import pytest
from launching import run_python

from robot_face_gen.pipeline.offline import OfflinePipeline
from robot_face_gen.pipeline.recording import read_recording
from robot_face_gen.resources import demo_recording

MS = 1_000_000


@pytest.fixture(scope='module')
def pipeline():
    return OfflinePipeline([3, 4])


@pytest.fixture(scope='module')
def recording():
    return read_recording(*demo_recording()).until(3.0)


@pytest.fixture(scope='module')
def frames(pipeline, recording):
    return list(pipeline.react(recording))


def test_every_slot_is_answered_by_every_listener(frames, recording):
    assert [f.number for f in frames] == list(range(75))
    assert [f.source_stamp_ns for f in frames] == [i * 40 * MS for i in range(75)]
    assert [f.face_valid for f in frames] == [f.success for f in recording.faces]
    assert [f.audio_valid for f in frames] == 7 * [False] + 68 * [True]  # the sound is 0.2 s old
    one, other = (np.stack([f.faces[i]['landmarks'] for f in frames]) for i in (0, 1))
    assert 1e-3 < np.abs(one - other).max() < 1.0


def test_the_second_run_gives_the_same_result(pipeline, recording, frames):
    for first, second in zip(frames, pipeline.react(recording), strict=True):
        assert np.array_equal(first.faces[0]['landmarks'], second.faces[0]['landmarks'])


@pytest.mark.parametrize('frames', [1, 2, 17, 33])
def test_a_recording_of_any_length_is_answered(pipeline, recording, frames):
    found = list(pipeline.react(recording.until(frames * 0.04)))
    assert [frame.number for frame in found] == list(range(frames))


def test_a_longer_voice_is_answered_to_its_end(pipeline, recording):
    shorter = dataclasses.replace(recording, faces=recording.faces[:25])
    frames = list(pipeline.react(shorter))
    assert len(frames) == 75
    assert [f.face_valid for f in frames] == 27 * [True] + 48 * [False]  # held for 0.1 s
    assert pipeline.counters['gaps'] == 50


def test_a_longer_face_is_answered_to_its_end(pipeline, recording):
    shorter = dataclasses.replace(recording, samples=recording.samples[: recording.sample_rate])
    frames = list(pipeline.react(shorter))
    assert len(frames) == 75
    assert [f.audio_valid for f in frames] == 7 * [False] + 20 * [True] + 48 * [False]


def test_is_causal(pipeline, recording, frames):
    """A reaction does not depend on later input."""
    whole = [f.faces[0] for f in frames]
    first = [f.faces[0] for f in pipeline.react(recording.until(1.4))]
    assert len(first) == 35
    for face, same in zip(first, whole, strict=False):
        for name, values in face.items():
            assert np.abs(values - same[name]).max() <= 1e-5, name


@pytest.mark.usefixtures('export_here')
def test_a_different_encoder_is_noted_and_not_used(recording, tmp_path):
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = ModelDimensions(80, 1500, 32, 4, 1, 10, 10, 32, 4, 1)
    torch.manual_seed(1)
    path = tmp_path / 'other.pt'
    torch.save(
        {'dims': dataclasses.asdict(dims), 'model_state_dict': Whisper(dims).state_dict()}, path
    )
    pipeline = OfflinePipeline(whisper=str(path))
    frames = list(pipeline.react(recording.until(1.0)))
    assert len(frames) == 25 and not any(f.audio_valid for f in frames)
    assert 'the checkpoint was trained with' in pipeline.notes[0]


@pytest.fixture
def delayed(tmp_path):
    """The shipped weights, as if they had been trained with sound that has settled."""
    from robot_face_gen.facial_reaction_model import load_checkpoint, save_checkpoint
    from robot_face_gen.resources import default_checkpoint

    model = load_checkpoint(default_checkpoint())
    model.info.audio = {'hop_s': 0.08, 'context_s': 2.0, 'settle_s': 0.12, 'delay_s': 0.2}
    save_checkpoint(model, tmp_path / 'delayed.safetensors')
    return tmp_path / 'delayed.safetensors'


def test_a_frame_uses_sound_that_is_as_old_as_in_the_training(recording, delayed):
    """A change of the sound at 2 s reaches the embeddings from 1.88 s, and these later frames."""
    at = round(2.0 * recording.sample_rate)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, len(recording.samples) - at)
    changed = np.concatenate((recording.samples[:at], noise.astype(np.float32)))
    pipeline = OfflinePipeline([0], checkpoint=delayed)
    one, other = (
        list(pipeline.react(dataclasses.replace(recording, samples=samples)))
        for samples in (recording.samples, changed)
    )
    assert [f.audio_valid for f in one] == 7 * [False] + 68 * [True]
    differ = [
        not np.array_equal(a.faces[0]['au'], b.faces[0]['au'])
        for a, b in zip(one, other, strict=True)
    ]
    assert 2.08 <= differ.index(True) * 0.04 <= 2.16


def test_without_the_weights_of_the_training_the_face_is_answered(
    recording, delayed, tmp_path, monkeypatch
):
    from robot_face_gen.facial_reaction_model import load_checkpoint, save_checkpoint

    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    model = load_checkpoint(delayed)
    model.info.audio_encoder, model.info.audio['weights'] = 'whisper-4x384:1', 'tiny.en'
    save_checkpoint(model, delayed)
    pipeline = OfflinePipeline([0], checkpoint=delayed, backend='eager')
    for _ in 'ab':
        frames = list(pipeline.react(recording.until(0.4)))
        assert len(frames) == 10 and not any(f.audio_valid for f in frames)
    (note,) = pipeline.notes  # once
    assert 'face alone' in note and '`robot-face-gen models get whisper-tiny.en`' in note


def test_imports_neither_ros_nor_drawing_nor_torch():
    """Torch is not needed once the model is exported; the start is faster without it."""
    list(OfflinePipeline().react(read_recording(*demo_recording()).until(0.2)))  # exports
    code = (
        'import sys\n'
        'from robot_face_gen.pipeline.recording import read_recording\n'
        'from robot_face_gen.pipeline.offline import OfflinePipeline\n'
        'from robot_face_gen.resources import demo_recording\n'
        'list(OfflinePipeline().react(read_recording(*demo_recording()).until(0.2)))\n'
        "unwanted = ('rclpy', 'robot_face_gen.nodes', 'robot_face_gen_msgs', 'cv2', 'numba',"
        " 'matplotlib', 'torch')\n"
        'print([name for name in unwanted if name in sys.modules])\n'
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == '[]'
