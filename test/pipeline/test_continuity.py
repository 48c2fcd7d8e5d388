# SPDX-License-Identifier: Apache-2.0
"""Continuity: no jump where the input changes; otherwise the model's own reaction."""

from dataclasses import replace

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


def numbered(frames, first=0):
    """The frames of a stream in which none is left out."""
    return [replace(each, index=first + i) for i, each in enumerate(frames)]


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
    continuity, before = Continuity(), LIMITED_FRAMES + 100
    continuity.apply(numbered([frame()] * before), faces([0.0] * before))
    out = continuity.apply(numbered([frame()] * 100, before), values)
    assert all((out[name] == values[name]).all() for name in BRANCHES)


@pytest.mark.parametrize('change', [{'epoch': 2}, {'face_valid': False}, {'audio_valid': False}])
def test_a_change_of_the_input_makes_no_jump_and_is_caught_up(change):
    continuity = Continuity()
    continuity.apply(numbered([frame()] * LIMITED_FRAMES), faces([0.1] * LIMITED_FRAMES))
    given = faces([0.1] + [0.6] * 60)
    out = continuity.apply(numbered([frame()] + [frame(**change)] * 60, LIMITED_FRAMES), given)
    assert largest_steps(out) <= 1.001
    assert all((out[name][-1] == given[name][-1]).all() for name in BRANCHES)


def test_cuts_into_windows_make_no_difference():
    frames = numbered([frame(face_valid=i % 30 < 20) for i in range(90)])
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
    frames = numbered([frame(mask=mask if i % 2 else None) for i in range(40)])
    given = faces(np.zeros(40))
    given['au'][20:23, AU['AU45']] = 2.0, 3.5, 2.0
    out = Continuity().apply(frames, given)
    assert (out['au'][20:23, AU['AU45']] == given['au'][20:23, AU['AU45']]).all()


def test_frames_that_were_left_out_make_no_jump():
    """As a playout does that has fallen behind."""
    continuity = Continuity()
    continuity.apply(numbered([frame()] * 40), faces([0.1] * 40))
    given = faces([0.6] * 60)
    before = {name: values[:1] * 0 + 0.1 for name, values in given.items()}
    out = continuity.apply(numbered([frame()] * 60, 65), given)
    joined = {name: np.concatenate((before[name], out[name])) for name in BRANCHES}
    assert largest_steps(joined) <= 1.001
    assert all((out[name][-1] == given[name][-1]).all() for name in BRANCHES)
