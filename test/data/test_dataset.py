# SPDX-License-Identifier: Apache-2.0
"""Prepared clips: cropping, masks, roles, groups, augmentation."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from robot_face_gen.data.dataset import ClipDataset, draw_dropouts
from robot_face_gen.data.store import (
    Catalogue,
    PreparedSession,
    hold_last_valid,
    measure_spread,
    read_catalogue,
    read_track,
    write_catalogue,
    write_track,
)
from robot_face_gen.layout import BRANCHES

FACE = (*BRANCHES, 'face_valid')


def make_track(frames, seed, audio_dim=4):
    """A track in which au[0] is the index of the frame and au[1] the seed."""
    rng = np.random.default_rng(seed)
    track = {
        name: rng.normal(size=(frames, width)).astype(np.float32)
        for name, width in BRANCHES.items()
    }
    track['au'][:, 0], track['au'][:, 1] = np.arange(frames), seed
    track['audio'] = rng.normal(size=(frames, 2, audio_dim))
    track['audio'][:, 0, 0] = np.arange(frames)
    track['face_valid'] = rng.random(frames) < 0.95
    track['audio_valid'] = rng.random(frames) < 0.95
    return track


@pytest.fixture
def prepared(tmp_path):
    lengths = {'short': 30, 'middle': 100, 'long': 250}
    sessions = []
    for index, (name, frames) in enumerate(lengths.items()):
        tracks = (f'{name}-a', f'{name}-b')
        write_track(tmp_path, tracks[0], make_track(frames, 2 * index))
        write_track(tmp_path, tracks[1], make_track(frames, 2 * index + 1))
        who = 'ab' if name == 'middle' else 'b'
        groups = ('joke', '') if name != 'short' else ('', '')
        sessions.append(PreparedSession(name, 'train', who, groups, tracks, frames))
    catalogue = Catalogue({'name': 'x', 'audio_encoder': 'e'}, sessions)
    catalogue.spread = measure_spread(tmp_path, sessions)
    write_catalogue(tmp_path, catalogue)
    return tmp_path


def identity(clip, who):
    """(seed of the track, indices of the frames) of a person in a clip."""
    au = clip[who]['au']
    return int(au[0, 1]), au[:, 0].int().tolist()


def test_clips_of_all_sessions_and_roles(prepared):
    data = ClipDataset(prepared, 'train', frames=100)
    found = [(identity(clip, 'speaker'), identity(clip, 'listener')) for clip in data]
    held = [*range(30), *[29] * 70]
    expected = [
        ((0, held), (1, held)),
        ((3, list(range(100))), (2, list(range(100)))),
        ((2, list(range(100))), (3, list(range(100)))),
        *(((4, list(range(s, s + 100))), (5, list(range(s, s + 100)))) for s in (0, 100, 150)),
    ]
    assert found == expected
    assert data.description == {'name': 'x', 'audio_encoder': 'e'}


def test_an_item_equals_the_stored_arrays(prepared):
    clip = ClipDataset(prepared, 'train', frames=100)[4]
    speaker, listener = make_track(250, 4), make_track(250, 5)
    for name in FACE:
        np.testing.assert_array_equal(clip['speaker'][name], speaker[name][100:200])
        np.testing.assert_array_equal(clip['listener'][name], listener[name][100:200])
    assert clip['speaker']['audio'].dtype == torch.float32
    np.testing.assert_array_equal(
        clip['speaker']['audio'], speaker['audio'][100:200].astype(np.float16)
    )
    assert set(clip['speaker']) == {*FACE, 'face_mask', 'audio', 'audio_valid'}
    assert set(clip['listener']) == {*FACE, 'face_mask'}
    assert clip['speaker']['face_mask'].all() and clip['listener']['face_mask'].all()
    assert clip['key'] == 4


def test_frames_past_the_end_are_not_valid(prepared):
    clip = ClipDataset(prepared, 'train', frames=100)[0]
    for who, name in (('speaker', 'face_valid'), ('speaker', 'audio_valid'),
                      ('listener', 'face_valid')):  # fmt: skip
        assert clip[who][name][:30].any()
        assert not clip[who][name][30:].any()


def test_groups_define_appropriate_listeners(prepared):
    data = ClipDataset(prepared, 'train', frames=100)
    A = data.appropriate()
    expected = np.eye(6)
    # "middle" with listener b and "long" at its start have the same group.
    expected[2, 3] = expected[3, 2] = 1
    np.testing.assert_array_equal(A, expected)
    assert data[2]['group'] == data[3]['group'] != data[4]['group']


def test_the_default_collate_function_makes_batches(prepared):
    batch = next(iter(DataLoader(ClipDataset(prepared, 'train', frames=100), batch_size=4)))
    assert batch['speaker']['audio'].shape == (4, 100, 2, 4)
    assert batch['listener']['landmarks'].shape == (4, 100, 136)
    assert batch['key'].tolist() == [0, 1, 2, 3]


def augmentation(**changes):
    """Settings that change nothing, but for `changes`."""
    shares = ('temporal_dropout', 'feature_noise', 'partial_faces', 'value_dropout', 'voiceless')
    return SimpleNamespace(**{**dict.fromkeys(shares, 0.0), 'cropping': False, **changes})


HARD = augmentation(temporal_dropout=0.3, feature_noise=0.5, cropping=True)


def test_augmentation_does_not_change_the_target(prepared):
    data = ClipDataset(prepared, 'train', frames=100, augmentation=HARD, seed=3)
    changed = 0
    for epoch in range(4):
        data.set_epoch(epoch)
        for index in range(3, 6):
            clip = data[index]
            whole = make_track(250, 5)
            start = int(clip['listener']['au'][0, 0])
            for name in FACE:
                np.testing.assert_array_equal(
                    clip['listener'][name], whole[name][start : start + 100]
                )
            # The speaker has the same crop.
            heard = clip['speaker']['audio_valid'].numpy()
            assert (
                clip['speaker']['audio'][heard, 0, 0].numpy() == start + np.flatnonzero(heard)
            ).all()
            speaker = make_track(250, 4)['pose'][start : start + 100]
            changed += int((clip['speaker']['pose'].numpy() != speaker).any())
    assert changed == 12


def test_dropouts_are_masked_held_and_silent(prepared):
    data = ClipDataset(prepared, 'train', frames=100, augmentation=HARD, seed=0)
    clip = data[2]
    plain = ClipDataset(prepared, 'train', frames=100)[2]
    for name in ('face_valid', 'audio_valid'):
        assert not (clip['speaker'][name] & ~plain['speaker'][name]).any()
    seen, heard = clip['speaker']['face_valid'].numpy(), clip['speaker']['audio_valid'].numpy()
    assert 0 < seen.sum() < plain['speaker']['face_valid'].sum()
    assert not clip['speaker']['audio'][~heard].any()
    for t in range(1, 100):
        if not seen[t] and seen[:t].any():
            assert (clip['speaker']['pose'][t] == clip['speaker']['pose'][t - 1]).all()


def test_noise_is_in_units_of_each_values_spread(prepared):
    noisy = augmentation(feature_noise=0.02)
    plain = ClipDataset(prepared, 'train', frames=100)
    data = ClipDataset(prepared, 'train', frames=100, augmentation=noisy)
    spread = read_catalogue(prepared).spread
    error = {name: [] for name in BRANCHES}
    for epoch in range(30):
        data.set_epoch(epoch)
        a, b = data[3]['speaker'], plain[3]['speaker']
        seen = b['face_valid'].numpy()
        for name in BRANCHES:
            error[name].append((a[name] - b[name]).numpy()[seen] / np.array(spread[name]))
        assert torch.equal(a['audio'][b['audio_valid']], b['audio'][b['audio_valid']])
    for name in BRANCHES:
        assert np.concatenate(error[name]).std() == pytest.approx(0.02, rel=0.05)
    assert spread['au'][0] == pytest.approx(make_track(250, 0)['au'][:, 0].std(), rel=0.3)


def same(a, b):
    return all(
        torch.equal(a[who][n], b[who][n]) for who in ('speaker', 'listener') for n in a[who]
    )


def test_clips_depend_on_seed_and_epoch(prepared):
    def clip(seed, epoch):
        data = ClipDataset(prepared, 'train', frames=100, augmentation=HARD, seed=seed)
        data.set_epoch(epoch)
        return data[3]

    assert same(clip(1, 2), clip(1, 2))
    assert not same(clip(1, 2), clip(1, 3))
    assert not same(clip(1, 2), clip(2, 2))


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0.02, 0.6), seed=st.integers(0, 10_000))
def test_the_share_of_dropouts(share, seed):
    lost = draw_dropouts(np.random.default_rng(seed), 40_000, share)
    assert lost.mean() == pytest.approx(share, abs=0.05)
    ends = np.diff(lost.astype(int)) != 0
    # Dropouts last several frames.
    assert ends.sum() < 0.55 * 2 * 40_000 * share * (1 - share)
    assert not draw_dropouts(np.random.default_rng(seed), 100, 0.0).any()


def test_hold_repeats_the_last_valid_frame():
    x = np.arange(6.0)[:, None]
    valid = np.array([False, True, False, False, True, False])
    assert hold_last_valid(x, valid)[:, 0].tolist() == [0, 1, 1, 1, 4, 4]


def test_missing_data_is_named(tmp_path, prepared):
    with pytest.raises(FileNotFoundError, match=r'dataset\.json: not found'):
        ClipDataset(tmp_path / 'nowhere')
    with pytest.raises(ValueError, match='contains no clip of the split test'):
        ClipDataset(prepared, 'test')
    with pytest.raises(ValueError, match="split = 'all'"):
        ClipDataset(prepared, 'all')
    (prepared / 'tracks' / 'long-a.safetensors').write_bytes(b'nonsense')
    with pytest.raises(ValueError, match=r'long-a.safetensors: cannot be read'):
        ClipDataset(prepared, 'train', frames=100)[4]
    (prepared / 'dataset.json').write_text('{"format": 0}')
    with pytest.raises(ValueError, match=r'dataset.json: .* prepare the data again'):
        ClipDataset(prepared)


def test_only_embeddings_have_half_precision(prepared):
    write_track(prepared, 'x', make_track(5, 0))
    track = read_track(prepared, 'x')
    assert {name: x.dtype for name, x in track.items()} == {
        **dict.fromkeys(BRANCHES, np.dtype(np.float32)),
        'audio': np.dtype(np.float16),
        'face_valid': np.dtype(bool),
        'audio_valid': np.dtype(bool),
    }


def with_missing(prepared):
    """The session `long`, whose speaker has no gaze and whose listener lost some values."""
    speaker, listener = make_track(250, 4), make_track(250, 5)
    speaker['gaze'][:] = np.nan
    listener['landmarks'][100:110] = np.nan
    listener['au'][105, 17] = np.nan
    write_track(prepared, 'long-a', speaker)
    write_track(prepared, 'long-b', listener)
    return ClipDataset(prepared, 'train', frames=100)


def test_nan_in_a_track_is_a_value_that_was_not_seen(prepared):
    clip = with_missing(prepared)[4]
    speaker, listener = np.ones((100, 25), bool), np.ones((100, 25), bool)
    speaker[:, 23:] = False
    listener[:10, 0] = listener[5, 18] = False
    np.testing.assert_array_equal(clip['speaker']['face_mask'], speaker)
    np.testing.assert_array_equal(clip['listener']['face_mask'], listener)
    assert not clip['speaker']['gaze'].any() and not clip['listener']['landmarks'][:10].any()
    for who in ('speaker', 'listener'):
        assert all(x.isfinite().all() for x in clip[who].values())
    assert clip['listener']['landmarks'][10].any()


def test_the_spread_is_that_of_the_values_that_were_seen(prepared):
    with_missing(prepared)
    sessions = [s for s in read_catalogue(prepared).sessions if s.name == 'long']
    spread = measure_spread(prepared, sessions)
    assert spread['gaze'] == pytest.approx(
        make_track(250, 5)['gaze'][make_track(250, 5)['face_valid']].std(axis=0), rel=1e-5
    )
    seen = np.concatenate(
        [
            make_track(250, 4)['landmarks'],
            np.delete(make_track(250, 5)['landmarks'], range(100, 110), 0),
        ]
    )
    valid = np.concatenate(
        [
            make_track(250, 4)['face_valid'],
            np.delete(make_track(250, 5)['face_valid'], range(100, 110)),
        ]
    )
    assert spread['landmarks'] == pytest.approx(seen[valid].std(axis=0), rel=1e-5)
    blind = make_track(20, 0)
    blind['pose'][:] = np.nan
    write_track(prepared, 'blind', blind)
    only = [PreparedSession('x', 'train', 'b', ('', ''), ('blind', 'blind'), 20)]
    assert measure_spread(prepared, only)['pose'] == [0.0] * 4


PARTS = augmentation(partial_faces=1.0)


def test_every_partial_face_of_a_real_tracker_is_drawn(prepared):
    data = ClipDataset(prepared, 'train', frames=100, augmentation=PARTS, seed=1)
    found = set()
    for epoch in range(60):
        data.set_epoch(epoch)
        mask = data[3]['speaker']['face_mask'].numpy()
        assert (mask == mask[0]).all()  # of the whole clip
        found.add(tuple(np.flatnonzero(~mask[0])))
        assert data[3]['listener']['face_mask'].all()
    assert found == {
        (0,),  # landmarks
        (0, *range(19, 25)),  # all but the action units
        (23, 24),  # gaze
        (19, 20, 21, 22),  # pose
        (18,),  # AU28
        (5, 7, 10, 13),  # AU06 AU09 AU14 AU20
        tuple(range(25)),  # nobody is in view
    }


def test_the_share_of_partial_faces_and_of_single_values(prepared):
    some = augmentation(partial_faces=0.3)
    data = ClipDataset(prepared, 'train', frames=100, augmentation=some)
    partial = 0
    for epoch in range(300):
        data.set_epoch(epoch)
        partial += not bool(data[3]['speaker']['face_mask'].all())
    assert partial / 300 == pytest.approx(0.3, abs=0.08)
    single = augmentation(value_dropout=0.2)
    data = ClipDataset(prepared, 'train', frames=100, augmentation=single)
    masks = []
    for epoch in range(60):
        data.set_epoch(epoch)
        masks.append(data[3]['speaker']['face_mask'].numpy())
    assert 1 - np.stack(masks).mean(axis=(0, 1)) == pytest.approx(0.2, abs=0.06)
    assert not np.array_equal(masks[0][:, 3], masks[0][:, 4])


def test_missing_values_change_nothing_else_that_is_drawn(prepared):
    """With both shares at 0 the augmentation is what it was before there were masks."""
    other = SimpleNamespace(**{**vars(HARD), 'partial_faces': 0.9, 'value_dropout': 0.1})
    for index in range(3, 6):
        a, b = (
            ClipDataset(prepared, 'train', frames=100, augmentation=x, seed=3)[index]
            for x in (HARD, other)
        )
        assert a['speaker']['face_mask'].all() and not b['speaker']['face_mask'].all()
        for name in (*BRANCHES, 'audio', 'audio_valid'):
            assert torch.equal(a['speaker'][name], b['speaker'][name])


def test_a_face_without_any_value_is_not_valid(prepared):
    track = make_track(250, 4)
    for name in ('landmarks', 'pose', 'gaze'):
        track[name][:] = np.nan
    track['au'][:] = np.nan
    track['au'][:, 17] = 1.0  # only AU28
    write_track(prepared, 'long-a', track)
    data = ClipDataset(prepared, 'train', frames=100, augmentation=PARTS)
    lost = 0
    for epoch in range(30):
        data.set_epoch(epoch)
        speaker = data[3]['speaker']
        missing = not bool(speaker['face_mask'].any())
        lost += missing
        assert bool(speaker['face_valid'].any()) is not missing
    assert lost
