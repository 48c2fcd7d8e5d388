# SPDX-License-Identifier: Apache-2.0
"""Continuity: no jump where the input changes; otherwise the model's own reaction."""

import numpy as np
import pytest

from robot_face_gen.layout import AU, BRANCHES, VALUE_MASK_WIDTH
from robot_face_gen.pipeline.continuity import LIMITED_FRAMES, LIMITS, Continuity
from robot_face_gen.pipeline.timeline_frame import TimelineFrame


def frame(epoch=1, face_valid=True, audio_valid=True, mask=None):
    values = {name: np.zeros(width, np.float32) for name, width in BRANCHES.items()}
    return TimelineFrame(
        index=0, epoch=epoch, stamp_ns=0, source_stamp_ns=0, face_valid=face_valid,
        audio_valid=audio_valid, audio=np.zeros((2, 4), np.float32), **values,
        mask=np.full(VALUE_MASK_WIDTH, face_valid) if mask is None else mask,
    )  # fmt: skip


def faces(values):
    """Faces whose values are all this number, one for each."""
    column = np.asarray(values, np.float32)[:, None]
    return {name: np.repeat(column, width, axis=1) for name, width in BRANCHES.items()}


def largest_steps(out):
    """In units of the limits."""
    return max(
        float((np.abs(np.diff(out[name], axis=0)) / limit).max()) for name, limit in LIMITS.items()
    )


def test_an_unchanged_input_leaves_every_jump_to_the_model():
    values = faces(np.random.default_rng(0).normal(0, 5, 100))
    continuity = Continuity()
    continuity.apply([frame()], faces([0.0]))
    for _ in range(LIMITED_FRAMES + 100):
        continuity.apply([frame()], faces([0.0]))
    out = continuity.apply([frame()] * 100, values)
    assert all((out[name] == values[name]).all() for name in BRANCHES)


@pytest.mark.parametrize('change', [{'epoch': 2}, {'face_valid': False}, {'audio_valid': False}])
def test_a_change_of_the_input_makes_no_jump_and_is_caught_up(change):
    continuity = Continuity()
    for _ in range(LIMITED_FRAMES):
        continuity.apply([frame()], faces([0.1]))
    given = faces([0.1] + [0.6] * 60)
    out = continuity.apply([frame()] + [frame(**change)] * 60, given)
    assert largest_steps(out) <= 1.001
    assert all((out[name][-1] == given[name][-1]).all() for name in BRANCHES)


def test_cuts_into_windows_make_no_difference():
    frames = [frame(face_valid=i % 30 < 20) for i in range(90)]
    given = faces(np.cumsum(np.random.default_rng(1).normal(0, 0.3, 90)))
    whole, parts = Continuity().apply(frames, given), Continuity()
    joined = [
        parts.apply(frames[i : i + 7], {n: v[i : i + 7] for n, v in given.items()})
        for i in range(0, 90, 7)
    ]
    for name in BRANCHES:
        assert (np.concatenate([part[name] for part in joined]) == whole[name]).all()


def test_a_blink_passes_while_the_face_comes_and_goes():
    """The mask flickers at every frame; the lids close and open within 0.2 s."""
    mask = np.ones(VALUE_MASK_WIDTH, bool)
    mask[-1] = False
    frames = [frame(mask=mask if i % 2 else None) for i in range(40)]
    given = faces(np.zeros(40))
    given['au'][20:23, AU['AU45']] = 2.0, 3.5, 2.0
    out = Continuity().apply(frames, given)
    assert (out['au'][20:23, AU['AU45']] == given['au'][20:23, AU['AU45']]).all()
