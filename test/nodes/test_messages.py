# SPDX-License-Identifier: Apache-2.0
import array
import dataclasses

import numpy as np
import pytest
from faces import make_frame

from robot_face_gen.nodes import messages
from robot_face_gen.nodes.messages import BadMessage

NOW = 1_700_000_000_123_456_789


def face_message(**changes):
    return messages.from_face_frame(
        dataclasses.replace(make_frame(NOW), **changes), 'camera_optical_frame'
    )


def test_a_face_comes_back_as_it_went():
    frame = make_frame(NOW)
    message = messages.from_face_frame(frame, 'camera_optical_frame')
    assert message.header.frame_id == 'camera_optical_frame'
    back = messages.to_face_frame(message)
    for field in dataclasses.fields(frame):
        there, here = getattr(back, field.name), getattr(frame, field.name)
        if isinstance(here, np.ndarray):
            assert there.dtype == np.float32 and np.array_equal(there, here)
        else:
            assert there == pytest.approx(here)
    assert back.stamp_ns == NOW


@pytest.mark.parametrize('branch', ['landmarks', 'au', 'pose', 'gaze'])
def test_a_face_that_is_not_finite_is_refused_by_field(branch):
    values = getattr(make_frame(), branch).copy()
    values[1] = np.nan
    field = {'au': 'action_units'}.get(branch, branch)
    with pytest.raises(BadMessage, match=rf'{field}\[1\] = nan \(1 of {values.size} values\)'):
        messages.to_face_frame(face_message(**{branch: values}))


def test_a_face_of_impossible_size_is_refused():
    with pytest.raises(BadMessage, match=r'landmarks\[0\] = 1e\+30'):
        messages.to_face_frame(face_message(landmarks=np.full(136, 1e30, np.float32)))


def test_a_face_that_was_not_found_may_hold_anything():
    frame = messages.to_face_frame(
        face_message(success=False, landmarks=np.full(136, np.nan, np.float32))
    )
    assert not frame.success and np.array_equal(frame.landmarks, np.zeros(136))


def test_a_face_without_a_stamp_or_with_an_impossible_confidence_is_refused():
    with pytest.raises(BadMessage, match=r'header.stamp = 0'):
        messages.to_face_frame(face_message(stamp_ns=0))
    for confidence in (-0.1, 1.5, float('nan')):
        with pytest.raises(BadMessage, match='confidence'):
            messages.to_face_frame(face_message(confidence=confidence))


def test_sound_comes_back_as_it_went():
    samples = np.linspace(-1.0, 1.0, 320, dtype=np.float32)
    message = messages.from_samples(NOW, 2**40, samples, 44100, 'microphone')
    assert isinstance(message.samples, array.array)
    stamp_ns, first, back, rate = messages.to_samples(message)
    assert (stamp_ns, first, rate) == (NOW, 2**40, 44100)
    assert np.array_equal(back, samples)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'stamp_ns': 0}, 'header.stamp = 0'),
        ({'sample_rate': 0}, 'sample_rate = 0'),
        ({'samples': np.zeros(0)}, 'samples is empty'),
        ({'samples': np.array([0.0, np.inf])}, r'samples\[1\] = inf'),
        ({'samples': np.array([0.0, -32768.0])}, r'samples\[1\] = -32768 \(1 of 2 values\)'),
    ],
)
def test_impossible_sound_is_refused(changes, words):
    values = {
        'stamp_ns': NOW,
        'first_sample': 0,
        'samples': np.zeros(320),
        'sample_rate': 16000,
        'frame_id': 'microphone',
    }
    with pytest.raises(BadMessage, match=words):
        messages.to_samples(messages.from_samples(**{**values, **changes}))


def test_embeddings_come_back_as_they_went():
    data = np.random.default_rng(0).normal(size=(4, 384)).astype(np.float32)
    message = messages.from_embeddings(NOW, data, 50.0, 'tiny', 'microphone')
    assert (message.encoder, message.dim, message.rate) == ('tiny', 384, 50.0)
    stamp_ns, back = messages.to_embeddings(message, 384, 50.0)
    assert stamp_ns == NOW and np.array_equal(back, data)


def test_embeddings_that_the_model_cannot_take_are_refused():
    data = np.zeros((2, 384), np.float32)
    with pytest.raises(BadMessage, match='dim = 512: the model expects 384'):
        messages.to_embeddings(
            messages.from_embeddings(NOW, np.zeros((2, 512)), 50.0, 'base', ''), 384, 50.0
        )
    with pytest.raises(BadMessage, match='rate = 25 Hz: the model expects 50'):
        messages.to_embeddings(messages.from_embeddings(NOW, data, 25.0, 'tiny', ''), 384, 50.0)
    ragged = messages.from_embeddings(NOW, data, 50.0, 'tiny', '')
    ragged.data = ragged.data[:-1]
    with pytest.raises(BadMessage, match='767 values: expected a multiple of dim = 384'):
        messages.to_embeddings(ragged, 384, 50.0)
    with pytest.raises(BadMessage, match=r'data\[0\] = nan'):
        messages.to_embeddings(
            messages.from_embeddings(NOW, data * np.nan, 50.0, 'tiny', ''), 384, 50.0
        )


def test_a_reaction_comes_back_as_it_went():
    frame = make_frame()
    face = {name: getattr(frame, name) for name in ('landmarks', 'au', 'pose', 'gaze')}
    message = messages.from_reaction(face, 7, NOW + 1, NOW, 'robot_face')
    assert (message.frame, messages.to_ns(message.source_stamp)) == (7, NOW)
    assert messages.to_ns(message.header.stamp) == NOW + 1
    back = messages.to_reaction(message)
    assert all(np.array_equal(back[name], face[name]) for name in face)
