# SPDX-License-Identifier: Apache-2.0
"""Prepared clips for training and evaluation, and the augmentation of the speaker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from robot_face_gen.layout import AU, BRANCHES, VALUE_MASK_SLICES, VALUE_MASK_WIDTH
from robot_face_gen.timing import CLIP_FRAMES

from .sessions import SPLITS
from .store import (
    FACE,
    VOICE,
    PreparedSession,
    Track,
    hold_last_valid,
    read_catalogue,
    read_track,
    value_mask,
)


def _flags(*names: str) -> list[int]:
    """Columns of branches and action units in a mask."""
    columns = np.arange(VALUE_MASK_WIDTH)
    found = (
        columns[VALUE_MASK_SLICES['au']][AU[name]] if name in AU
        else columns[VALUE_MASK_SLICES[name]]
        for name in names
    )  # fmt: skip
    return np.hstack(list(found)).tolist()


# What real trackers leave out of a whole recording, as columns of a mask. OpenFace writes
# landmarks only with -2Dfp, and neither pose nor gaze with -aus alone. Trackers of webcams
# estimate fewer action units.
PARTIAL_FACES = (
    _flags('landmarks'),
    _flags('landmarks', 'pose', 'gaze'),
    _flags('gaze'),
    _flags('pose'),
    _flags('AU28'),
    _flags('AU06', 'AU09', 'AU14', 'AU20'),
    list(range(VALUE_MASK_WIDTH)),  # nobody is in view
)
# Faces, voices and values are lost for several frames at a time: mean length of a dropout.
MEAN_DROPOUT = 6.0


# What is done to the speaker: `training.config.AugmentationConfig` explains its fields.
Augmentation = Any


def draw_dropouts(rng: np.random.Generator, frames: int, share: float) -> np.ndarray:
    """Draw the frames that are lost: (frames,) bool, True with the probability `share`.

    A two-state Markov chain; dropouts have the mean length `MEAN_DROPOUT`.
    """
    lost = np.zeros(frames, dtype=bool)
    if share <= 0:
        return lost
    mean_kept = MEAN_DROPOUT * (1 - share) / share
    now, t = bool(rng.random() < share), 0
    while t < frames:
        # Geometric lengths have no memory, so the chain is stationary from its first frame.
        length = int(rng.geometric(1 / max(1.0, MEAN_DROPOUT if now else mean_kept)))
        lost[t : t + length] = now
        now, t = not now, t + length
    return lost


def augment(
    speaker: Track,
    augmentation: Augmentation,
    spread: dict[str, list[float]],
    rng: np.random.Generator,
) -> Track:
    """Add dropouts and noise to a speaker: new arrays of the same shapes.

    `spread` is the standard deviation of each value of each branch.
    """
    out: Track = dict(speaker)
    frames = len(speaker['face_valid'])
    for branch in BRANCHES:
        scale = augmentation.feature_noise * np.asarray(spread[branch], dtype=np.float32)
        noise = rng.standard_normal(speaker[branch].shape, dtype=np.float32)
        out[branch] = speaker[branch] + scale * noise
    face = speaker['face_valid'] & ~draw_dropouts(rng, frames, augmentation.temporal_dropout)
    voice = speaker['audio_valid'] & ~draw_dropouts(rng, frames, augmentation.temporal_dropout)
    for branch in BRANCHES:
        out[branch] = hold_last_valid(out[branch], face)
    mask = speaker['face_mask'] & _draw_mask(rng, frames, augmentation)
    if augmentation.voiceless > 0 and rng.random() < augmentation.voiceless:
        voice[:] = False
    out['audio'] = np.where(voice[:, None, None], speaker['audio'], 0).astype(np.float32)
    out['face_valid'], out['audio_valid'] = face & mask.any(axis=1), voice
    out['face_mask'] = mask
    return out


def _draw_mask(rng: np.random.Generator, frames: int, augmentation: Augmentation) -> np.ndarray:
    """Draw the values that are kept: (frames, 25) bool."""
    mask = np.ones((frames, VALUE_MASK_WIDTH), bool)
    if augmentation.partial_faces > 0 and rng.random() < augmentation.partial_faces:
        mask[:, PARTIAL_FACES[rng.integers(len(PARTIAL_FACES))]] = False
    if augmentation.value_dropout > 0:
        for column in range(VALUE_MASK_WIDTH):
            mask[:, column] &= ~draw_dropouts(rng, frames, augmentation.value_dropout)
    return mask


@dataclass(frozen=True)
class _Clip:
    session: PreparedSession
    listener: int  # 0: a, 1: b
    start: int
    group: int


class ClipDataset(Dataset):
    """Pairs of a speaker and a listener, `frames` frames long (750 are 30 s).

    A longer session is cut into consecutive clips; if at least half a clip remains, one more clip
    overlaps with the previous one. A shorter session gives one clip: its last frame is repeated
    and marked as not valid. If both people can be the listener, the session gives clips of both
    roles. The augmentation changes the speaker; the listener is the target. Cropping applies to
    both. The same seed and epoch give the same clips.

    An item is a dict of tensors:

        speaker   landmarks (T, 136), au (T, 18), pose (T, 4), gaze (T, 2), audio (T, 2, D),
                  face_valid (T,), face_mask (T, 25), audio_valid (T,)
        listener  landmarks, au, pose, gaze, face_valid, face_mask
        group     number of what the speaker says: all listeners of a group are appropriate for its
                  speakers
        key       number of the clip in this data set

    A value that was not seen is 0 and False in `face_mask`.

    Raises:
        FileNotFoundError: the folder contains no prepared data.
        ValueError: no clip of this split.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = 'train',
        frames: int = CLIP_FRAMES,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split = {split!r}: expected one of {", ".join(SPLITS)}')
        if frames < 1:
            raise ValueError(f'frames = {frames}: expected at least 1')
        self.root, self.split, self.frames = Path(root), split, frames
        self.augmentation, self.seed, self._epoch = augmentation, seed, 0
        self._catalogue = read_catalogue(root)
        self.clips = self._list_clips()
        if not self.clips:
            raise ValueError(
                f'{self.root}: contains no clip of the split {split}: in sessions.csv, give at '
                f'least one session the split {split}, and prepare again'
            )

    @property
    def description(self) -> dict[str, Any]:
        """Description of the data: name, audio_encoder, audio, face_crop."""
        return self._catalogue.description

    def _list_clips(self) -> list[_Clip]:
        groups: dict[tuple[str, str, int], int] = {}
        clips = []
        for session in self._catalogue.sessions:
            if session.split != self.split:
                continue
            last = max(0, session.frames - self.frames)
            starts = list(range(0, last + 1, self.frames))
            if last - starts[-1] >= self.frames // 2:
                starts.append(last)
            for listener in (0, 1):
                if 'ab'[listener] not in session.listeners:
                    continue
                said = session.groups[1 - listener]
                # Without a group only the session's own listener is appropriate.
                name = ('group', said) if said else (f'session {"ab"[listener]}', session.name)
                for start in starts:
                    group = groups.setdefault((*name, start), len(groups))
                    clips.append(_Clip(session, listener, start, group))
        return clips

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch: it selects the crops and the augmentation."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.clips)

    def appropriate(self) -> np.ndarray:
        """A (n, n): A[k, j] = 1 if listener j is appropriate for speaker k, otherwise 0."""
        groups = np.array([clip.group for clip in self.clips])
        return (groups[:, None] == groups[None]).astype(np.int64)

    def _start(self, clip: _Clip, rng: np.random.Generator) -> int:
        if self.augmentation is None or not self.augmentation.cropping:
            return clip.start
        reach = self.frames // 2
        last = max(0, clip.session.frames - self.frames)
        low, high = max(0, clip.start - reach), min(last, clip.start + reach)
        return int(rng.integers(low, max(low, high) + 1))

    def _read(self, name: str, names: tuple[str, ...], start: int, session: int) -> Track:
        stop = min(start + self.frames, session)
        track = read_track(self.root, name, names, start, stop)
        missing = self.frames - (stop - start)
        if missing:
            for key, x in track.items():
                rest = np.repeat(x[-1:], missing, axis=0)
                track[key] = np.concatenate((x, rest & False if x.dtype == bool else rest))
        track['face_mask'] = value_mask(track)
        if not track['face_mask'].all():
            track |= {key: np.nan_to_num(track[key], nan=0.0) for key in BRANCHES}
        return track

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Read a clip, see the class."""
        clip = self.clips[index]
        rng = np.random.default_rng((self.seed, self._epoch, index))
        start = self._start(clip, rng)
        tracks, frames = clip.session.tracks, clip.session.frames
        speaker = self._read(tracks[1 - clip.listener], (*FACE, *VOICE), start, frames)
        speaker['audio'] = speaker['audio'].astype(np.float32)
        listener = self._read(tracks[clip.listener], FACE, start, frames)
        if self.augmentation is not None:
            speaker = augment(speaker, self.augmentation, self._catalogue.spread, rng)
        return {
            'speaker': {name: torch.from_numpy(x) for name, x in speaker.items()},
            'listener': {name: torch.from_numpy(x) for name, x in listener.items()},
            'group': clip.group,
            'key': index,
        }
