# SPDX-License-Identifier: Apache-2.0
"""What follows from the speaker's face is no event."""

import numpy as np
import pytest

from robot_face_gen.layout import AU, BRANCH_SLICES, FACE_DIM
from robot_face_gen.training.listener_motion import event_weights, separate
from robot_face_gen.training.mirrored import Mirrored

AU12, SMILE = BRANCH_SLICES['au'].start + AU['AU12'], 2


def pair(seed):
    """A speaker who smiles twice; the listener mirrors it 0.64 s later, and smiles once alone."""
    rng = np.random.default_rng(seed)
    speaker, listener = rng.normal(0, 0.02, (2, 750, FACE_DIM))
    own = 20 + 60 * int(rng.integers(2))
    for begin in (rng.integers(150, 250), rng.integers(450, 550)):
        speaker[begin : begin + 90, AU12] += 3.0
        listener[begin + 16 : begin + 106, AU12] += 2.0
    listener[own : own + 40, AU12] += 1.5
    return speaker, listener, own


def test_a_mirrored_smile_is_no_event_and_stays_in_the_face_that_the_network_learns():
    pairs = [pair(seed) for seed in range(20)]
    mirrored = Mirrored((speaker, listener) for speaker, listener, _ in pairs)
    speaker, listener, own = pair(99)
    everything = separate(listener)
    apart = separate(listener, mirrored(speaker))
    assert everything.onset[:, SMILE].sum() == 3
    (begin,) = np.flatnonzero(apart.onset[:, SMILE])
    assert abs(begin - own) <= 6
    smiles = listener[:, AU12] > 1.7
    assert apart.base[smiles, AU12].mean() == pytest.approx(2.0, abs=0.1)
    assert apart.base[own : own + 40, AU12].mean() < 0.3
    rates = [
        np.exp(event_weights(map(separate, faces, parts))['bias'][SMILE])
        for faces, parts in (
            ([face for _, face, _ in pairs], [None] * len(pairs)),
            ([face for _, face, _ in pairs], (mirrored(face) for face, _, _ in pairs)),
        )
    ]
    assert rates[1] < 0.5 * rates[0]


def test_values_that_were_not_seen_explain_nothing():
    pairs = [pair(seed)[:2] for seed in range(4)]
    pairs[0][0][:, AU12], pairs[1][1][100:200] = np.nan, np.nan
    mirrored = Mirrored(pairs)
    unseen = np.full((750, FACE_DIM), np.nan)
    assert not mirrored(unseen).any()
    assert np.isfinite(mirrored(pairs[0][0])).all()
    assert not Mirrored([])(pairs[2][0]).any()
