# SPDX-License-Identifier: Apache-2.0
"""Small prepared data for training: the listener is a simple function of the speaker."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from robot_face_gen.data.store import (
    Catalogue,
    PreparedSession,
    measure_spread,
    read_catalogue,
    read_track,
    write_catalogue,
    write_track,
)
from robot_face_gen.facial_reaction_model.config import TYPICAL
from robot_face_gen.layout import AU

# Found without being imported, which takes 2 s in every worker.
NEEDS_TRAINING = pytest.mark.skipif(
    any(find_spec(name) is None for name in ('lightning', 'matplotlib')),
    reason='the extra [training] is not installed',
)
AUDIO_DIM = 8
ENCODER = 'whisper-test:000000000000'
SMALL_MODEL = {
    'feature_dim': 32,
    'audio_dim': AUDIO_DIM,
    'window_size': 4,
    'max_seq_len': 32,
    'latent_dim': 4,
    'num_heads': 4,
    'encoder_layers': 1,
    'decoder_layers': 1,
    'feedforward_dim': 32,
    'dropout': 0.1,
}


def _smooth(generator, frames, width):
    noise = generator.standard_normal((frames + 8, width))
    return np.stack(
        [np.convolve(x, np.ones(8) / 8**0.5, 'valid')[:frames] for x in noise.T], axis=1
    )


def _track(drive, audio):
    track = {}
    for i, (name, (mean, std)) in enumerate(TYPICAL.items()):
        mixing = np.random.default_rng(i).standard_normal((drive.shape[1], len(mean)))
        moved = drive @ mixing / drive.shape[1] ** 0.5
        track[name] = (np.array(mean) + 2 * np.array(std) * moved).astype(np.float32)
    frames = len(drive)
    track['audio'] = audio.astype(np.float32)
    track['face_valid'] = np.ones(frames, bool)
    track['audio_valid'] = np.ones(frames, bool)
    return track


def make_prepared(root, speakers=(8, 2, 2), listeners=2, frames=64, seed=0):
    """Write prepared data: the listener follows the speaker's face three frames later."""
    generator = np.random.default_rng(seed)
    sessions, number = [], 0
    for split, count in zip(('train', 'val', 'test'), speakers, strict=True):
        for _ in range(count):
            drive = _smooth(generator, frames, 4)
            audio = np.repeat(drive, 2, axis=1).reshape(frames, 1, 8).repeat(2, axis=1)
            write_track(root, f's{number}', _track(drive, audio))
            for j in range(listeners):
                own = 0.4 * _smooth(generator, frames, 4)
                later = np.concatenate((np.zeros((3, 4)), drive[:-3]))
                write_track(root, f's{number}_{j}', _track(later + own, np.zeros((frames, 2, 0))))
                sessions.append(
                    PreparedSession(
                        f'd{number}_{j}',
                        split,
                        'b',
                        (f'speaker {number}', ''),
                        (f's{number}', f's{number}_{j}'),
                        frames,
                    )
                )
            number += 1
    description = {
        'name': 'test data',
        'audio_encoder': ENCODER,
        'audio': {'hop_s': 0.04},
        'face_crop': {},
    }
    spread = measure_spread(root, [s for s in sessions if s.split == 'train'])
    write_catalogue(root, Catalogue(description, sessions, spread))
    return root


def make_partial(root, **options):
    """As `make_prepared`, but no listener has gaze and no speaker landmarks, and single values,
    a stretch of AU12 and frames of the listeners were not seen."""
    make_prepared(root, **options)
    for path in sorted((root / 'tracks').iterdir()):
        track = read_track(root, path.stem)
        speaks = track['audio'].shape[-1] > 0
        track['landmarks' if speaks else 'gaze'][:] = np.nan
        track['au'][10:20, AU['AU12']] = np.nan
        track['pose'][5, 1] = np.nan
        track['face_valid'][40:44] = speaks
        write_track(root, path.stem, track)
    catalogue = read_catalogue(root)
    train = [session for session in catalogue.sessions if session.split == 'train']
    catalogue.spread = measure_spread(root, train)
    write_catalogue(root, catalogue)
    return root


def data_set_files(folder):
    """The files of a data set, without its name."""
    found = {p.name: p.read_bytes() for p in (folder / 'tracks').iterdir()}
    catalogue = json.loads((folder / 'dataset.json').read_text())
    catalogue['description'].pop('name')
    return {**found, 'dataset.json': catalogue}
