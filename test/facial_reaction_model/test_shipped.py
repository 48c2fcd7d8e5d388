# SPDX-License-Identifier: Apache-2.0
"""The weights that ship: a listener that is alive, whatever is seen and heard."""

import numpy as np
import pytest
import torch

from robot_face_gen.facial_reaction_model import create_model
from robot_face_gen.facial_reaction_model.config import TYPICAL
from robot_face_gen.layout import AU, BRANCHES, RX
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.training.events import find_blinks, find_nods

pytestmark = pytest.mark.skipif(
    not default_checkpoint(), reason='no weights come with this package'
)
MINUTE = 60 * 25


@pytest.fixture(scope='module')
def shipped():
    return create_model(checkpoint=default_checkpoint())


def nobody(frames=MINUTE):
    speaker = {name: torch.zeros(1, frames, width) for name, width in BRANCHES.items()}
    return {**speaker, 'face_valid': torch.zeros(1, frames, dtype=torch.bool)}


def looking(frames=MINUTE):
    """A face that does not move."""
    return {name: torch.tensor(TYPICAL[name][0]).expand(1, frames, -1) for name in BRANCHES}


@pytest.mark.parametrize('make', [nobody, looking])
@torch.no_grad()
def test_it_blinks_without_a_voice_and_without_a_face(shipped, make):
    face, _, _ = shipped(make(), seed=[1, 2, 3])
    au45 = face['au'][..., AU['AU45']].numpy()
    blinks = [find_blinks(x) for x in au45]
    assert all(5 <= len(found) <= 40 for found in blinks), [len(found) for found in blinks]
    durations = np.concatenate([found.duration_s for found in blinks])
    assert 0.1 <= durations.mean() <= 0.3
    times = [tuple(found.time_s) for found in blinks]
    assert len(set(times)) == 3  # another seed, other times
    nods = [len(find_nods(x)) for x in face['pose'][..., RX].numpy()]
    assert max(nods) <= 40


@torch.no_grad()
def test_without_temperature_it_blinks_at_the_same_time_for_every_seed(shipped):
    face, _, _ = shipped(nobody(750), seed=[1, 2], temperature=0.0)
    for name in BRANCHES:
        assert torch.equal(face[name][0], face[name][1])
    assert len(find_blinks(face['au'][0, :, AU['AU45']].numpy())) >= 2


@torch.no_grad()
def test_input_that_no_person_gives_does_not_run_away(shipped):
    wild = looking(750)
    wild = {name: x + 50 * torch.randn(x.shape) for name, x in wild.items()}
    wild['audio'] = 100 * torch.randn(1, 750, 2, 384)
    face, _, _ = shipped(wild, seed=1)
    assert all(torch.isfinite(x).all() for x in face.values())
    assert len(find_blinks(face['au'][0, :, AU['AU45']].numpy())) <= 45  # 90 a minute
