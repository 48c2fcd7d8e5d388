# SPDX-License-Identifier: Apache-2.0
"""The metrics compared with loops written from their definitions."""

import itertools
import warnings

import numpy as np
import pytest

from robot_face_gen.training import metrics

from .test_dtw import brute_force

N, M, T, F = 4, 3, 60, 5


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    P = np.cumsum(rng.normal(size=(N, M, T, F)), axis=2) / 4
    Y = np.cumsum(rng.normal(size=(N, T, F)), axis=1) / 4
    X = np.cumsum(rng.normal(size=(N, T, F)), axis=1) / 4
    A = np.eye(N)
    A[0, 2] = A[1, 0] = A[1, 3] = 1
    return P, Y, X, A


def loop_ccc(y, x):
    covariance = np.mean((y - y.mean()) * (x - x.mean()))
    return 2 * covariance / (y.var() + x.var() + (y.mean() - x.mean()) ** 2 + 1e-8)


def test_frcorr_from_its_definition(arrays):
    P, Y, _, A = arrays
    total = 0.0
    for k in range(N):
        for i in range(M):
            total += max(
                np.mean([loop_ccc(Y[j, :, f], P[k, i, :, f]) for f in range(F)])
                for j in range(N)
                if A[k, j] == 1
            )
    assert metrics.frcorr(P, Y, A) == pytest.approx(total / N, abs=1e-12)


def test_frcorr_of_the_real_listener_is_the_number_of_samples(arrays):
    _, Y, _, A = arrays
    copies = np.repeat(Y[:, None], M, axis=1)
    assert metrics.frcorr(copies, Y, A) == pytest.approx(M, abs=1e-6)
    assert metrics.frcorr(np.zeros_like(copies), Y, A) == 0


@pytest.mark.parametrize(
    'groups, parts',
    [
        (None, [(0, F, 1 / F)]),
        ([slice(0, 2), slice(2, None)], [(0, 2, 1 / 2), (2, F, 1 / 3)]),
        ([(slice(1, 4), 2.0)], [(1, 4, 2.0)]),
    ],
)
def test_frdist_from_its_definition(arrays, groups, parts):
    P, Y, _, A = arrays
    total = 0.0
    for k, i in itertools.product(range(N), range(M)):
        total += min(
            sum(w * brute_force(P[k, i, :, s:e], Y[j, :, s:e]) for s, e, w in parts)
            for j in range(N)
            if A[k, j] == 1
        )
    assert metrics.frdist(P, Y, A, groups) == pytest.approx(total / N, rel=1e-9)
    assert metrics.frdist(P, Y, A, groups, threads=2) == pytest.approx(total / N, rel=1e-9)


def test_frdist_of_25_channels_has_the_weights_of_the_challenge():
    rng = np.random.default_rng(0)
    P, Y = rng.normal(size=(1, 1, 9, 25)), rng.normal(size=(1, 9, 25))
    p, y = P[0, 0], Y[0]
    expected = (
        brute_force(p[:, :15], y[:, :15]) / 15
        + brute_force(p[:, 15:17], y[:, 15:17])
        + brute_force(p[:, 17:], y[:, 17:]) / 8
    )
    assert metrics.frdist(P, Y, np.eye(1)) == pytest.approx(expected, rel=1e-9)


def test_frdist_of_a_copy_is_zero(arrays):
    _, Y, _, A = arrays
    assert metrics.frdist(Y[:, None], Y, A) == 0


def test_frdiv_frvar_frdvs_from_their_definitions(arrays):
    P = arrays[0]
    between_samples = sum(
        np.sum((P[k, i] - P[k, j]) ** 2) for k in range(N) for i in range(M) for j in range(M)
    ) / (N * M * (M - 1) * T * F)
    assert metrics.frdiv(P) == pytest.approx(between_samples, rel=1e-12)
    between_speakers = sum(
        np.sum((P[k, i] - P[j, i]) ** 2) for i in range(M) for k in range(N) for j in range(N)
    ) / (M * N * (N - 1) * T * F)
    assert metrics.frdvs(P) == pytest.approx(between_speakers, rel=1e-12)
    variance = np.mean(
        [np.sum((x - x.mean()) ** 2) / (T - 1) for x in P.transpose(0, 1, 3, 2).reshape(-1, T)]
    )
    assert metrics.frvar(P) == pytest.approx(variance, rel=1e-12)


def test_one_sample_or_one_clip_has_no_diversity(arrays):
    P = arrays[0]
    assert metrics.frdiv(P[:, :1]) == 0
    assert metrics.sample_distance(P[:, :1]) == 0
    assert metrics.frdvs(P[:1]) == 0


def loop_lag(p, x):
    """The lag of the highest mean correlation, computed with numpy."""
    means = []
    for lag in range(-49, 50):
        a, b = (p[lag:], x[: len(x) - lag]) if lag >= 0 else (p[:lag], x[-lag:])
        means.append(np.mean([np.corrcoef(a[:, f], b[:, f])[0, 1] for f in range(F)]))
    return int(np.argmax(means)) - 49


def test_frsyn_from_its_definition(arrays):
    P, _, X, _ = arrays
    expected = [[loop_lag(P[k, i], X[k]) for i in range(M)] for k in range(N)]
    np.testing.assert_array_equal(metrics.synchrony(P, X).lags, expected)
    assert metrics.frsyn(P, X) == pytest.approx(np.abs(expected).mean())


@pytest.mark.parametrize('lag', [-17, 0, 12, 49])
def test_frsyn_finds_a_known_lag(lag):
    rng = np.random.default_rng(1)
    wide = np.cumsum(rng.normal(size=(1, 300, F)), axis=1)
    X, P = wide[:, 50:250], wide[:, None, 50 - lag : 250 - lag]
    assert metrics.synchrony(P, X).lags[0, 0] == lag
    assert metrics.frsyn(P, X) == abs(lag)


def test_frsyn_leaves_out_and_counts_constant_channels():
    rng = np.random.default_rng(1)
    wide = np.cumsum(rng.normal(size=(1, 300, F)), axis=1)
    X, P = wide[:, 50:250].copy(), wide[:, None, 40:240].copy()
    X[0, :, 1] = 7.0  # never moves
    P[0, 0, 20:, 3] = 0.25  # moves only at the beginning: no correlation at a lag of 49
    with pytest.warns(UserWarning, match='2 of 5 channels are constant'):
        assert metrics.frsyn(P, X) == 10
    with pytest.warns(UserWarning, match='5 of 5'):
        assert np.isnan(metrics.frsyn(np.zeros_like(P), X))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert metrics.frsyn(wide[:, None, 40:240], wide[:, 50:250]) == 10


def test_plain_errors_from_their_definitions(arrays):
    P, Y, _, _ = arrays
    errors = [P[k, i] - Y[k] for k in range(N) for i in range(M)]
    assert metrics.mse(P, Y) == pytest.approx(np.mean(np.square(errors)))
    assert metrics.mae(P, Y) == pytest.approx(np.mean(np.abs(errors)))
    assert metrics.rmse(P, Y) == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    r = [
        np.corrcoef(P[k, i, :, f], Y[k, :, f])[0, 1]
        for k in range(N)
        for i in range(M)
        for f in range(F)
    ]
    assert metrics.pearson(P, Y) == pytest.approx(np.mean(r), rel=1e-12)
    distances = [
        np.linalg.norm(P[k, i, t] - P[k, j, t])
        for k in range(N)
        for i in range(M)
        for j in range(i)
        for t in range(T)
    ]
    assert metrics.sample_distance(P) == pytest.approx(np.mean(distances))


def test_pearson_leaves_out_constant_channels(arrays):
    P, Y, _, _ = arrays
    P = np.repeat(Y[:, None], M, axis=1)
    P[:, :, :, 0] = 1.0
    assert metrics.pearson(P, Y) == pytest.approx(1)
    assert np.isnan(metrics.pearson(np.ones_like(P), Y))


def test_motion_of_known_curves():
    t = np.arange(8.0)
    assert metrics.frame_difference(np.stack([3 * t, -t], axis=1)) == pytest.approx(2)
    assert metrics.acceleration(np.stack([3 * t, -t], axis=1)) == pytest.approx(0)
    assert metrics.acceleration((t**2)[:, None]) == pytest.approx(2)


def test_per_clip_values_average_to_the_metric(arrays):
    P, Y, _, A = arrays
    for value, clips in [
        (metrics.frcorr(P, Y, A), metrics.frcorr(P, Y, A, per_clip=True)),
        (metrics.frdist(P, Y, A), metrics.frdist(P, Y, A, per_clip=True)),
        (metrics.frdiv(P), metrics.frdiv(P, per_clip=True)),
        (metrics.frvar(P), metrics.frvar(P, per_clip=True)),
    ]:
        assert clips.shape == (N,)
        assert clips.mean() == pytest.approx(value)


def with_nan(x):
    x = x.copy()
    x[(1,) * x.ndim] = np.nan
    return x


@pytest.mark.parametrize(
    'call, message',
    [
        (lambda P, Y, X, A: metrics.frcorr(P[0], Y, A), 'P: expected 4 dimensions'),
        (lambda P, Y, X, A: metrics.frcorr(P, Y[:, :-1], A), 'Y: expected .4, 60, 5'),
        (lambda P, Y, X, A: metrics.frcorr(P, Y, A[:2]), r'A: expected \(4, 4\)'),
        (lambda P, Y, X, A: metrics.frcorr(P, Y, 2 * A), 'A: expected 0 and 1, found 2'),
        (lambda P, Y, X, A: metrics.frdist(P, Y, 0 * A), 'A: row 0 has no appropriate'),
        (lambda P, Y, X, A: metrics.frdist(with_nan(P), Y, A), r'P: not finite at \(1, 1, 1, 1\)'),
        (lambda P, Y, X, A: metrics.mse(P, with_nan(Y)), 'Y: not finite'),
        (lambda P, Y, X, A: metrics.frsyn(P, X[..., :2]), 'X: expected'),
        (lambda P, Y, X, A: metrics.frsyn(P[:, :, :50], X[:, :50]), 'at least 51 frames, got 50'),
        (lambda P, Y, X, A: metrics.frdiv(P[:, :0]), 'P: is empty'),
        (lambda P, Y, X, A: metrics.frvar(P[:, :, :1]), 'P: a variance over time'),
        (lambda P, Y, X, A: metrics.frdist(P, Y, A, [slice(3, 9)]), r'groups\[0\]'),
        (lambda P, Y, X, A: metrics.frdist(P, Y, A, [(slice(3), 0)]), 'weight above 0, got 0'),
        (lambda P, Y, X, A: metrics.frdist(P, Y, A, []), 'groups: is empty'),
        (lambda P, Y, X, A: metrics.acceleration(X[:, :2]), 'x: expected'),
    ],
)
def test_a_bad_array_is_refused_by_name(arrays, call, message):
    with pytest.raises(ValueError, match=message):
        call(*arrays)


def hide(x, share=0.3, seed=0):
    """Some values of x that were not seen."""
    lost = np.random.default_rng(seed).random(x.shape) < share
    return np.where(lost, np.nan, x)


def frames_cut(Y, frames):
    return np.delete(Y, frames, axis=-2)


def test_without_nan_partial_changes_nothing(arrays):
    P, Y, X, A = arrays
    for plain, other in [
        (metrics.frcorr(P, Y, A), metrics.frcorr(P, Y, A, partial=True)),
        (metrics.frdist(P, Y, A), metrics.frdist(P, Y, A, partial=True)),
        (metrics.frdiv(P), metrics.frdiv(P, partial=True)),
        (metrics.frvar(P), metrics.frvar(P, partial=True)),
        (metrics.frdvs(P), metrics.frdvs(P, partial=True)),
        (metrics.frsyn(P, X), metrics.synchrony(P, X, partial=True).mean_abs_lag),
        (metrics.mse(P, Y), metrics.mse(P, Y, partial=True)),
        (metrics.pearson(P, Y), metrics.pearson(P, Y, partial=True)),
        (metrics.sample_distance(P), metrics.sample_distance(P, partial=True)),
        (metrics.acceleration(P), metrics.acceleration(P, partial=True)),
    ]:
        assert other == pytest.approx(plain, rel=1e-12)


def test_frames_that_were_not_seen_are_as_if_they_had_not_been_recorded(arrays):
    P, Y, _, A = arrays
    lost = [7, 8, 9, 10, 41]
    partial = Y.copy()
    partial[:, lost] = np.nan
    P_cut, Y_cut = frames_cut(P, lost), frames_cut(Y, lost)
    for name in ('mse', 'mae', 'rmse', 'pearson'):
        metric = getattr(metrics, name)
        assert metric(P, partial, partial=True) == pytest.approx(metric(P_cut, Y_cut), rel=1e-12)
    expected = metrics.frcorr(P_cut, Y_cut, A)
    assert metrics.frcorr(P, partial, A, partial=True) == pytest.approx(expected, rel=1e-12)
    # A distance grows with the root of the number of frames: missing ones are as far as the rest.
    expected = metrics.frdist(P_cut, Y_cut, A, GROUPS) * (T / (T - len(lost))) ** 0.5
    found = metrics.frdist(P, partial, A, GROUPS, partial=True)
    assert found == pytest.approx(expected, rel=1e-12)
    gaps = P.copy()
    gaps[:, :, lost] = np.nan
    for name in ('frdiv', 'frvar', 'frdvs', 'sample_distance'):
        metric = getattr(metrics, name)
        assert metric(gaps, partial=True) == pytest.approx(metric(P_cut), rel=1e-12)


GROUPS = [slice(0, 2), slice(2, 5)]


def test_channels_that_were_not_seen_are_as_if_they_did_not_exist(arrays):
    P, Y, X, A = arrays
    kept = [0, 1, 2, 4]
    partial, speakers = Y.copy(), X.copy()
    partial[..., 3] = speakers[..., 3] = np.nan
    for name in ('mse', 'mae', 'pearson'):
        metric = getattr(metrics, name)
        expected = metric(P[..., kept], Y[..., kept])
        assert metric(P, partial, partial=True) == pytest.approx(expected, rel=1e-12)
    expected = metrics.frcorr(P[..., kept], Y[..., kept], A)
    assert metrics.frcorr(P, partial, A, partial=True) == pytest.approx(expected, rel=1e-12)
    # The group of 3 channels has 2 left, each of which counts for one and a half.
    both = [(slice(0, 2), 0.5), (slice(2, 4), 1 / 3 * 1.5**0.5)]
    expected = metrics.frdist(P[..., kept], Y[..., kept], A, both)
    found = metrics.frdist(P, partial, A, GROUPS, partial=True)
    assert found == pytest.approx(expected, rel=1e-12)
    result = metrics.synchrony(P, speakers, partial=True)
    np.testing.assert_array_equal(result.lags, metrics.synchrony(P[..., kept], X[..., kept]).lags)
    assert (result.left_out, result.channels) == (N * M, N * M * F)
    hidden = P.copy()
    hidden[..., 3] = np.nan
    for name in ('frdiv', 'frvar', 'frdvs', 'acceleration'):
        metric = getattr(metrics, name)
        assert metric(hidden, partial=True) == pytest.approx(metric(P[..., kept]), rel=1e-12)


def test_a_group_that_was_not_seen_counts_as_the_others(arrays):
    P, Y, _, A = arrays
    partial = Y.copy()
    partial[..., :2] = np.nan
    expected = 2 * metrics.frdist(P[..., 2:], Y[..., 2:], A)
    found = metrics.frdist(P, partial, A, GROUPS, partial=True)
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_listener_of_whom_nothing_was_seen_is_not_chosen(arrays):
    P, Y, _, _ = arrays
    both = np.ones((N, N))
    blind = Y.copy()
    blind[1] = np.nan
    others = both.copy()
    others[:, 1] = 0
    for metric in (metrics.frcorr, metrics.frdist):
        found = metric(P, blind, both, partial=True)
        assert found == pytest.approx(metric(P, Y, others), rel=1e-12)
        none = metric(P, np.full_like(Y, np.nan), both, partial=True)
        assert np.isnan(none)
    assert np.isnan(metrics.mse(P, np.full_like(Y, np.nan), partial=True))
    assert np.isnan(metrics.synchrony(P, np.full_like(Y, np.nan), partial=True).lags).all()


def test_single_values_that_were_not_seen_from_the_definitions(arrays):
    P, Y, _, _ = arrays
    partial, gaps = hide(Y), hide(P, seed=1)
    errors = P - partial[:, None]
    assert metrics.mse(P, partial, partial=True) == pytest.approx(np.nanmean(errors**2))
    frame = np.abs(np.diff(partial, axis=1))
    assert metrics.frame_difference(partial, partial=True) == pytest.approx(np.nanmean(frame))
    pairs = [
        (gaps[k, i] - gaps[k, j]) ** 2
        for k in range(1)
        for i in range(M)
        for j in range(M)
        if i != j
    ]
    assert metrics.frdiv(gaps, per_clip=True, partial=True)[0] == pytest.approx(np.nanmean(pairs))
    pairs = [
        (gaps[k, i] - gaps[j, i]) ** 2
        for i in range(M)
        for k in range(N)
        for j in range(N)
        if j != k
    ]
    assert metrics.frdvs(gaps, partial=True) == pytest.approx(np.nanmean(pairs))
    variance = np.nanmean(np.nanvar(gaps, axis=2, ddof=1))
    assert metrics.frvar(gaps, partial=True) == pytest.approx(variance)
    seen = np.isfinite(partial[0, :, 2])
    expected = metrics.ccc(Y[0, seen, 2], P[0, 0, seen, 2])
    assert metrics.ccc(partial[0], P[0, 0])[2] == pytest.approx(expected)
    r = []
    for k in range(N):
        for f in range(F):
            seen = np.isfinite(partial[k, :, f])
            r += [np.corrcoef(P[k, i, seen, f], Y[k, seen, f])[0, 1] for i in range(M)]
    assert metrics.pearson(P, partial, partial=True) == pytest.approx(np.mean(r))


@pytest.mark.parametrize('lag', [-17, 0, 12, 49])
def test_a_known_lag_is_found_through_gaps(lag):
    rng = np.random.default_rng(1)
    wide = np.cumsum(rng.normal(size=(1, 300, F)), axis=1)
    X, P = hide(wide[:, 50:250], 0.2), wide[:, None, 50 - lag : 250 - lag].copy()
    P[:, :, 30:50] = np.nan
    result = metrics.synchrony(P, X, partial=True)
    assert (result.lags[0, 0], result.left_out) == (lag, 0)
    X[0, :, 1] = np.where(np.isnan(X[0, :, 1]), np.nan, 7.0)  # constant where it was seen
    P[0, 0, 40:190, 2] = np.nan  # seldom seen
    result = metrics.synchrony(P, X, partial=True)
    assert (result.lags[0, 0], result.left_out) == (lag, 2)


def test_infinity_is_refused_in_partial_arrays_too(arrays):
    P, Y, _, A = arrays
    Y = Y.copy()
    Y[1, 2, 3] = np.inf
    with pytest.raises(ValueError, match=r'Y: not finite at \(1, 2, 3\): inf'):
        metrics.frcorr(P, Y, A, partial=True)
