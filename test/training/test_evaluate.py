# SPDX-License-Identifier: Apache-2.0
"""Evaluation end to end on small data, and its parts."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('matplotlib')

from prepared_data import ENCODER, SMALL_MODEL, make_partial, make_prepared

from robot_face_gen.cli import main
from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import CheckpointInfo, create_model, save_checkpoint
from robot_face_gen.training import metrics, reactions
from robot_face_gen.training.evaluation import (
    _frdvs_interval,
    _interval,
    speaker_weights,
    standardised,
)
from robot_face_gen.training.liveliness import MEASURES


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp('prepared'), speakers=(4, 2, 2))


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    model = create_model(SMALL_MODEL)
    model.info = CheckpointInfo(trained_on='nothing', audio_encoder=ENCODER)
    path = tmp_path_factory.mktemp('model') / 'model.safetensors'
    save_checkpoint(model, path)
    return path


def test_metrics_plots_and_table(data, checkpoint, tmp_path, capsys):
    words = ['--checkpoint', checkpoint, '--data', data, '--samples', 3, '--hop', 5]
    assert main(['evaluate', *map(str, words), '--out', str(tmp_path)]) == 0
    results = json.loads((tmp_path / 'metrics.json').read_text())
    assert set(results) == {'model', 'random', 'mean', 'mime', 'nearest', 'real', 'about'}
    for source in ('model', 'random', 'mean', 'mime', 'nearest', 'real'):
        alive = results[source].pop('liveliness')
        assert set(alive) == {*MEASURES, *(f'{name}_ci95' for name in MEASURES)}
        assert set(results[source]) == {'all', 'landmarks', 'au', 'pose', 'gaze'}
        for part in results[source].values():
            names = 'frcorr frdist frdiv frvar frdvs frsyn mse mae rmse'
            assert set(names.split()) <= set(part)
    assert results['real']['all']['frcorr'] == pytest.approx(3.0, abs=0.2)
    assert results['real']['all']['frdist'] == pytest.approx(0.0, abs=1e-6)
    assert results['mime']['all']['frdiv'] == pytest.approx(0.0, abs=1e-12)
    assert results['mean']['all']['frvar'] == pytest.approx(0.0, abs=1e-12)
    low, high = results['model']['all']['frdist_ci95']
    assert low <= results['model']['all']['frdist'] <= high
    for name in ('frdvs', 'mse', 'pearson'):
        low, high = results['model']['all'][f'{name}_ci95']
        assert low <= high
    text = capsys.readouterr().out
    assert 'FRCorr' in text
    assert 'blinks_per_min' in text
    table = (tmp_path / 'metrics.txt').read_text()
    assert table.count('nearest') == 6  # five parts and liveliness
    for name in ('trajectories.png', 'comparison.png', 'liveliness.png'):
        assert cv2.imread(str(tmp_path / name)).std() > 5


def test_what_was_not_seen_is_left_out(checkpoint, tmp_path, capsys):
    data = make_partial(tmp_path / 'data', speakers=(4, 2, 2))
    words = ['--checkpoint', checkpoint, '--data', data, '--samples', 2, '--out', tmp_path / 'out']
    assert main(['evaluate', *map(str, words)]) == 0
    assert 'the trackers saw 92.' in capsys.readouterr().out
    results = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert 0.92 < results['about']['seen_share'] < 0.93
    for source in ('model', 'random', 'mean', 'mime', 'nearest', 'real'):
        gaze = results[source]['gaze']  # no listener has any
        assert [gaze[name] for name in ('frcorr', 'frdist', 'mse', 'pearson')] == [None] * 4
        for part in ('all', 'au', 'pose'):
            assert results[source][part]['frdist'] >= 0 and results[source][part]['mse'] >= 0
    assert results['mime']['landmarks']['mse'] is None  # no speaker has any
    assert results['model']['landmarks']['mse'] > 0
    assert results['real']['all']['frcorr'] == pytest.approx(2.0, abs=0.2)
    assert results['real']['all']['frdist'] == pytest.approx(0.0, abs=1e-6)
    assert cv2.imread(str(tmp_path / 'out' / 'trajectories.png')).std() > 5
    test = reactions.gather(ClipDataset(data, 'test', frames=64))
    assert np.isnan(test.listeners[..., 158:]).all() and np.isnan(test.speakers[..., :136]).all()
    assert np.isnan(test.listeners[0, 12, 136 + 8]) and np.isnan(test.listeners[0, 41]).all()
    assert np.isfinite(test.listeners[0, 9, :158]).all()


def test_streamed_reactions_equal_the_forward_pass(data, checkpoint):
    model = create_model(checkpoint=checkpoint)
    dataset = ClipDataset(data, 'test', frames=64)
    streamed = reactions.stream_reactions(model, dataset, 2, 3, 7, seed=11)
    assert streamed.shape == (2, 3, 64, 160)
    speaker = {name: value[None] for name, value in dataset[1]['speaker'].items()}
    with torch.no_grad():
        whole, _, _ = model(speaker, seed=[14, 15, 16])
    assert streamed[1] == pytest.approx(reactions.joined(whole), abs=1e-4)


def test_another_encoder_is_refused(data, checkpoint, tmp_path, capsys):
    model = create_model(checkpoint=checkpoint)
    model.info.audio_encoder = 'whisper-other:111111111111'
    other = tmp_path / 'other.safetensors'
    save_checkpoint(model, other)
    words = ['--checkpoint', other, '--data', data, '--out', tmp_path]
    assert main(['evaluate', *map(str, words)]) == 2
    error = capsys.readouterr().err
    assert ENCODER in error and 'whisper-other:111111111111' in error


def test_a_folder_that_cannot_be_made_is_found_before_the_work(data, checkpoint, tmp_path, capsys):
    (tmp_path / 'out').write_text('a file')
    words = ['--checkpoint', checkpoint, '--data', data, '--out', tmp_path / 'out']
    assert main(['evaluate', *map(str, words)]) == 2
    told = capsys.readouterr()
    assert f'{tmp_path / "out"}: is a file: expected a folder' in told.err
    assert 'measured' not in told.out


def test_baselines(data):
    known = reactions.gather(ClipDataset(data, 'train', frames=64))
    test = reactions.gather(ClipDataset(data, 'test', frames=64))
    assert test.appropriate.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    mean = reactions.mean_face(known, test, 2)
    assert np.allclose(mean[0, 0, 5], known.listeners.reshape(-1, 160).mean(axis=0))
    noise = reactions.random_reactions(known, test, 30, 0)
    assert np.allclose(noise.std(axis=(0, 1, 2)), known.listeners.std(axis=(0, 1)), rtol=0.05)
    same = reactions.nearest_neighbours(known, replace(known, appropriate=np.eye(8)), 2)
    assert all(
        any(np.array_equal(pick, known.listeners[j]) for j in (k // 2 * 2, k // 2 * 2 + 1))
        for k, picks in enumerate(same)
        for pick in picks
    )
    real = reactions.real_listeners(test, 2, 0)
    for k, picks in enumerate(real):
        suited = test.listeners[np.flatnonzero(test.appropriate[k])]
        assert sorted(map(float, picks.sum(axis=(1, 2)))) == pytest.approx(
            sorted(map(float, suited.sum(axis=(1, 2))))
        )


def test_constant_columns_keep_their_units_and_intervals_contain_the_mean(data):
    test = reactions.gather(ClipDataset(data, 'test', frames=64))
    test.listeners[..., 153] = 0.0
    scaled, (mime,) = standardised(test, reactions.mime(test, 1))
    assert np.abs(mime).max() < 100
    assert scaled.listeners.std(axis=(0, 1))[:153] == pytest.approx(np.ones(153), abs=1e-6)


def clips(listeners, speaker_numbers):
    return reactions.Clips(
        listeners, listeners, np.eye(len(listeners)), np.asarray(speaker_numbers)
    )


def test_intervals_are_over_speakers():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 1.0, 200)
    faces = np.zeros((200, 3, 160))
    low, high = _interval(values, speaker_weights(clips(faces, np.arange(200))))
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 / 200**0.5, rel=0.15)
    # Four clips of each speaker that are equal are one observation: twice as wide.
    same, numbers = np.repeat(values[:50], 4), np.repeat(np.arange(50), 4)
    low, high = _interval(same, speaker_weights(clips(faces, numbers)))
    assert high - low == pytest.approx(4 / 50**0.5, rel=0.15)
    assert _interval(same, speaker_weights(clips(faces, np.zeros(200, int)))) is None
    same[:40] = np.nan
    low, high = _interval(same, speaker_weights(clips(faces, numbers)))
    assert low < same[40:].mean() < high


def test_the_interval_of_frdvs_contains_it():
    rng = np.random.default_rng(0)
    P = rng.standard_normal((24, 2, 5, 160)) * rng.uniform(0.5, 1.5, (24, 1, 1, 1))
    numbers = np.arange(24) // 2
    low, high = _frdvs_interval(P, speaker_weights(clips(P[:, 0], numbers)))
    assert low < metrics.frdvs(P) < high
    # Every clip once is the metric itself.
    assert _frdvs_interval(P, np.ones((1, 24))) == pytest.approx([metrics.frdvs(P)] * 2)


def test_clips_of_one_speaker_have_one_number_and_hidden_frames_are_missing(data):
    dataset = ClipDataset(data, 'test', frames=32)  # two clips of each session
    test = reactions.gather(dataset)
    # The group names the speaker; in `appropriate` the two halves of a session are apart.
    assert test.speaker_numbers.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    face = {name: value.clone() for name, value in dataset[0]['listener'].items()}
    assert not np.isnan(reactions.seen(face)).any()
    face['face_valid'][3:5] = False
    hidden = np.isnan(reactions.seen(face))
    assert hidden[3:5].all()
    assert hidden.sum() == 2 * 160
    face['face_mask'] = torch.ones(32, 25, dtype=torch.bool)
    face['face_mask'][7, 0] = face['face_mask'][9, 24] = False
    hidden = np.isnan(reactions.seen(face))
    assert hidden[7, :136].all() and not hidden[7, 136:].any()
    assert np.flatnonzero(hidden[9]).tolist() == [159]
