# SPDX-License-Identifier: Apache-2.0
"""Each face of a batch gets what it would get alone, whatever the others do."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from speakers import SMALL, cut, join, largest_difference, make_mask, make_speaker

from robot_face_gen.facial_reaction_model import Sessions, create_model, make_runner
from robot_face_gen.models.backends import resolve_backend

FACES = 3


def tensors(face):
    return {name: torch.as_tensor(part) for name, part in face.items()}


pytestmark = pytest.mark.usefixtures('cache')


@pytest.mark.parametrize(
    'backend', ['eager', *(['onnx'] if resolve_backend('auto', 'cpu') == 'onnx' else [])]
)
@given(
    turns=st.lists(st.sets(st.integers(0, FACES - 1), min_size=1), min_size=1, max_size=40),
    again=st.integers(0, 40),
    seed=st.integers(0, 2**60),
)
@settings(deadline=None, max_examples=15)
@torch.no_grad()
def test_alone_or_among_others_is_the_same(model, backend, turns, again, seed):
    seeds = [seed + face for face in range(FACES)]
    batch = Sessions(make_runner(model, FACES, backend=backend), seeds)
    speakers = [
        {**make_speaker(60, seed=face), 'face_mask': make_mask(60, seed=face)}
        for face in range(FACES)
    ]
    begun, got = [0] * FACES, [[[]] for _ in range(FACES)]
    for turn, faces in enumerate(turns):
        if turn == again:  # one of them begins anew in between
            batch.reset(1, seed + 9)
            begun[1] += len(got[1][-1])
            got[1].append([])
        windows = {}
        for face in faces:
            at = begun[face] + len(got[face][-1])
            windows[face] = cut(speakers[face], at, at + 1)
        for face, answer in batch.step(windows).items():
            got[face][-1].append(tensors(answer))
    for face in range(FACES):
        at = 0
        for session, parts in enumerate(got[face]):
            if parts:
                alone = cut(speakers[face], at, at + len(parts))
                own = seed + 9 if session else seeds[face]
                whole, _, _ = model(alone, seed=[own])
                assert largest_difference(whole, join(parts)) < 1e-4
            at += len(parts)


@torch.no_grad()
def test_a_long_session_with_gaps_at_constant_size(model):
    batch = Sessions(make_runner(model, 2), [5, 6])
    size = batch.nbytes()
    speakers = [make_speaker(200, seed=face) for face in range(2)]
    parts = [[], []]
    for turn in range(200):
        faces = [0, 1] if turn % 3 else [0]
        windows = {f: cut(speakers[f], len(parts[f]), len(parts[f]) + 1) for f in faces}
        for face, answer in batch.step(windows).items():
            parts[face].append(tensors(answer))
    for face in range(2):
        whole, _, _ = model(cut(speakers[face], 0, len(parts[face])), seed=[5 + face])
        assert largest_difference(whole, join(parts[face])) < 1e-4
    assert batch.nbytes() == size and batch.clocks[0] == 200


def test_a_bad_frame_moves_nobody(model):
    batch = Sessions(make_runner(model, 2), [1, 2])
    good, bad = make_speaker(4), make_speaker(4)
    bad['au'][0, 2, 3] = torch.nan
    with pytest.raises(ValueError, match=r"face 1: speaker_data\['au'\]\[0, 2, 3\] = nan"):
        batch.step({0: good, 1: bad})
    assert batch.clocks.tolist() == [0, 0]
    with pytest.raises(ValueError, match='face 2: expected 0 to 1'):
        batch.step({2: good})
    with pytest.raises(ValueError, match='expected the same number for all faces'):
        batch.step({0: good, 1: make_speaker(3)})
    with pytest.raises(ValueError, match='face 0: 2 speakers: expected one'):
        batch.step({0: make_speaker(1, batch=2)})
    assert batch.step({}) == {}


def test_a_new_session_has_another_seed_only_where_none_was_chosen(model):
    for seed, same in ((None, False), (7, True)):
        batch = Sessions(make_runner(model, 2), seed)
        window = make_speaker(1)
        first = tensors(batch.step({0: window})[0])
        batch.reset(0)
        again = tensors(batch.step({0: window})[0])
        assert (largest_difference(first, again) == 0.0) is same


def test_there_must_be_a_face():
    with pytest.raises(ValueError, match='0 speakers, 0 sessions: expected at least 1'):
        make_runner(create_model(SMALL), 0)
