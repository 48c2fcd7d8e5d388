# SPDX-License-Identifier: Apache-2.0
"""The voice matters to the weights that ship, with the real weights of `tiny.en`."""

import numpy as np
import pytest
import torch

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.facial_reaction_model import create_model
from robot_face_gen.features.whisper_cache import DEFAULT_WEIGHTS, find_cached
from robot_face_gen.layout import BRANCH_SLICES
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.generate import generate_prepared
from robot_face_gen.synthetic.plan import plan_speakers
from robot_face_gen.training.liveliness import pauses_of_face
from robot_face_gen.training.reactions import joined, seen

pytestmark = pytest.mark.skipif(
    not default_checkpoint() or not find_cached(DEFAULT_WEIGHTS),
    reason=f'needs weights: robot-face-gen models get whisper-{DEFAULT_WEIGHTS}',
)
SPEAKERS, FRAMES, SEEDS, NOD = 3, 600, 64, 1


@pytest.fixture(scope='module')
def speakers(tmp_path_factory):
    """Speakers with a formant synthesiser's voices."""
    root = tmp_path_factory.mktemp('data')
    config = GeneratorConfig(duration_s=FRAMES / 25, listeners=1)
    generate_prepared(plan_speakers({'train': 0, 'val': SPEAKERS, 'test': 0}, 3, config), root)
    return [item['speaker'] for item in ClipDataset(root, 'val', FRAMES)]


@pytest.fixture(scope='module')
def model():
    return create_model(checkpoint=default_checkpoint())


def exchanged(speakers):
    return [*speakers[1:], speakers[0]]


@torch.no_grad()
def react(model, speakers, voices, seed=0):
    """The network's faces (N, T, 160) and logits (N, T, E) with the voices of others, or none."""
    faces, logits = [], []
    for speaker, voice in zip(speakers, voices, strict=True):
        heard = {n: x for n, x in (voice or {}).items() if n.startswith('audio')}
        if voice is None:
            heard = {n: torch.zeros_like(speaker[n]) for n in ('audio', 'audio_valid')}
        given = {n: x[None] for n, x in {**speaker, **heard}.items()}
        face, found, _ = model(given, seed=seed, temperature=1.0, moving=False)
        faces.append(joined({n: x.numpy() for n, x in face.items()})[0])
        logits.append(found.events[0].numpy())
    return np.stack(faces), np.stack(logits)


def nod_lift(speakers, logits):
    """Mean hazard of nods within 0.2 to 1.0 s after pauses begin, relative to that of all frames.

    Unlike a lift of samples, it needs no random numbers.
    """
    after, everywhere = [], []
    for speaker, x in zip(speakers, logits[..., NOD], strict=True):
        hazard = np.logaddexp(0, x)
        everywhere.append(hazard)
        for begin_s in pauses_of_face(seen(speaker)).time_s:
            after.append(hazard[round(25 * (begin_s + 0.2)) : round(25 * (begin_s + 1.0)) + 1])
    return np.concatenate(after).mean() / np.concatenate(everywhere).mean()


def test_another_voice_changes_action_units_more_than_another_seed(model, speakers):
    """Of the network's own face."""
    own, _ = react(model, speakers, speakers)
    seeded, _ = react(model, speakers, speakers, seed=1)
    other, _ = react(model, speakers, exchanged(speakers))
    changes = [np.square(x - own)[..., BRANCH_SLICES['au']].mean() for x in (other, seeded)]
    assert changes[0] > changes[1], changes


@torch.no_grad()
def test_another_voice_changes_the_expected_pose_more_than_other_seeds(model, speakers):
    """Nods of a sample are elsewhere than those of the next, so means over seeds are compared."""

    def expected(voices, first_seed):
        poses = []
        for face, logits in zip(*react(model, speakers, voices), strict=True):
            base = {
                n: torch.from_numpy(face[None, :, columns]).float().expand(SEEDS, -1, -1)
                for n, columns in BRANCH_SLICES.items()
            }
            seeds = list(range(first_seed, first_seed + SEEDS))
            moving = model.add_motion(base, torch.from_numpy(logits)[None], seeds, 1.0)
            poses.append(moving['pose'].mean(dim=0).numpy())
        return np.stack(poses)

    own = expected(speakers, 0)
    changes = [
        np.square((x - own) / own.std(axis=(0, 1))).mean()
        for x in (expected(exchanged(speakers), 0), expected(speakers, 1000))
    ]
    assert changes[0] > 1.2 * changes[1], changes


def test_without_the_voice_nods_follow_pauses_less(model, speakers):
    lifts = {
        name: nod_lift(speakers, react(model, speakers, voices)[1])
        for name, voices in (
            ('own', speakers), ('none', [None] * SPEAKERS), ('other', exchanged(speakers))
        )
    }  # fmt: skip
    assert lifts['own'] > 2.0 and lifts['other'] < 0.9 * lifts['own'], lifts
    assert lifts['none'] < 0.98 * lifts['own'], lifts
