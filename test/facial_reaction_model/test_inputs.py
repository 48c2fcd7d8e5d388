# SPDX-License-Identifier: Apache-2.0
"""Bad input is refused by name, and a session that got it goes on as if it had not come."""

import numpy as np
import pytest
import torch
from speakers import SMALL, cut, join, largest_difference, make_speaker

from robot_face_gen.facial_reaction_model import OnlineInferenceManager


def spoilt(name, value):
    return {**make_speaker(6), name: value}


def with_nan(name):
    speaker = make_speaker(6)
    speaker[name][0, 4, 1] = float('nan')
    return speaker


@pytest.mark.parametrize(
    ('speaker', 'message'),
    [
        (with_nan('au'), r"speaker_data\['au'\]\[0, 4, 1\] = nan: expected finite"),
        (with_nan('audio'), r"speaker_data\['audio'\]\[0, 4, 1, 0\] = nan: expected finite"),
        (spoilt('pose', torch.full((1, 6, 4), float('inf'))), r"'pose'\]\[0, 0, 0\] = inf"),
        (
            spoilt('gaze', torch.zeros(1, 6, 3)),
            r"'gaze'\] has shape \(1, 6, 3\): expected \(B, T, 2\)",
        ),
        (spoilt('gaze', torch.zeros(1, 5, 2)), r"'gaze'\] has shape \(1, 5, 2\): expected 1 x 6"),
        (spoilt('landmarks', torch.zeros(6, 136)), r"'landmarks'\] has shape \(6, 136\)"),
        (spoilt('audio', torch.zeros(1, 7, SMALL.audio_dim)), r"'audio'\] has shape \(1, 7, 24\)"),
        (spoilt('action_units', torch.zeros(1, 6, 18)), "unknown name 'action_units'"),
        (spoilt('face_valid', torch.zeros(1, 6)), r"'face_valid'\] is \(1, 6\) torch.float32"),
        (
            spoilt('face_mask', torch.ones(1, 6, 24, dtype=torch.bool)),
            r"speaker_data\['face_mask'\] is \(1, 6, 24\) torch.bool: expected \(1, 6, 25\) bool",
        ),
        (
            spoilt('face_mask', torch.ones(1, 6, 25)),
            r"'face_mask'\] is \(1, 6, 25\) torch.float32",
        ),
        ({'au': torch.zeros(1, 6, 18)}, 'lacks landmarks, pose, gaze'),
        (cut(make_speaker(6), 0, 0), '1 x 0 frames: expected at least one'),
        ([1, 2], 'is a list: expected a dict'),
    ],
)
def test_refused_by_name(model, speaker, message):
    with pytest.raises(ValueError, match=message):
        model(speaker)


def test_a_refused_window_leaves_the_session_alone(model):
    speaker = make_speaker(10)
    whole, _, _ = model(speaker, seed=3)
    manager = OnlineInferenceManager(model, seed=3)
    first = manager.process_window(cut(speaker, 0, 6))
    with pytest.raises(ValueError, match='nan'):
        manager.process_window(with_nan('landmarks'))
    with pytest.raises(ValueError, match='window of 2 speakers: this session has 1'):
        manager.process_window(make_speaker(2, batch=2))
    second = manager.process_window(cut(speaker, 6, 10))
    assert (
        largest_difference({n: v.detach() for n, v in whole.items()}, join([first, second])) < 1e-4
    )


def test_numpy_arrays_are_welcome(model):
    speaker = make_speaker(5)
    arrays = {name: value.numpy().astype(np.float64) for name, value in speaker.items()}
    with torch.no_grad():
        a, b = model(speaker, seed=0)[0], model(arrays, seed=0)[0]
    assert largest_difference(a, b) < 1e-5


@pytest.mark.parametrize('temperature', [-0.1, float('nan'), 11.0])
def test_temperature_out_of_range(model, temperature):
    with pytest.raises(ValueError, match='temperature'):
        model(make_speaker(2), temperature=temperature)
    manager = OnlineInferenceManager(model)
    with pytest.raises(ValueError, match='temperature'):
        manager.temperature = temperature


def test_seeds_must_fit_the_batch(model):
    with pytest.raises(ValueError, match='seed holds 3 seeds: expected one for each of the 2'):
        model(make_speaker(4, batch=2), seed=[1, 2, 3])
