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
    back, impossible = messages.to_face_frame(message)
    assert impossible == 0
    for field in dataclasses.fields(frame):
        there, here = getattr(back, field.name), getattr(frame, field.name)
        if isinstance(here, np.ndarray):
            assert there.dtype == np.float32 and np.array_equal(there, here)
        else:
            assert there == pytest.approx(here)
    assert back.stamp_ns == NOW


@pytest.mark.parametrize('branch', ['landmarks', 'au', 'pose', 'gaze'])
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, 1e30])
def test_a_value_that_is_missing_or_impossible_costs_that_value_alone(branch, value):
    values = getattr(make_frame(), branch).copy()
    values[1] = value
    frame, impossible = messages.to_face_frame(face_message(**{branch: values}))
    assert impossible == (not np.isnan(value))
    assert frame.success and frame.is_valid()
    expected = np.arange(len(values)) == 1
    if branch == 'landmarks':  # all or none
        expected[:] = True
    assert np.array_equal(np.isnan(getattr(frame, branch)), expected)
    for other in {'landmarks', 'au', 'pose', 'gaze'} - {branch}:
        assert np.array_equal(getattr(frame, other), getattr(make_frame(), other))


def test_a_face_that_was_not_found_may_hold_anything():
    frame, _ = messages.to_face_frame(
        face_message(success=False, landmarks=np.full(136, np.inf, np.float32))
    )
    assert not frame.success and not frame.is_valid() and np.isnan(frame.landmarks).all()


def test_missing_values_survive_a_message():
    sent = dataclasses.replace(make_frame(NOW), gaze=np.full(2, np.nan, np.float32))
    back, _ = messages.to_face_frame(messages.from_face_frame(sent, ''))
    assert np.array_equal(back.mask, sent.mask) and back.mask.sum() == len(back.mask) - 2


def test_a_reaction_never_holds_nan():
    frame = make_frame()
    face = {name: getattr(frame, name).copy() for name in ('landmarks', 'au', 'pose', 'gaze')}
    face['pose'][2] = np.nan
    with pytest.raises(BadMessage, match=r'pose\[2\] = nan'):
        messages.to_reaction(messages.from_reaction(face, 7, NOW + 1, NOW, 'robot_face'))


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
