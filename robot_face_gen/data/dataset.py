# SPDX-License-Identifier: Apache-2.0
"""Prepared clips for training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .augmentation import Augmentation, augment
from .sessions import SPLITS
from .store import FACE, VOICE, PreparedSession, Track, read_catalogue, read_track


@dataclass(frozen=True)
class _Clip:
    session: PreparedSession
    listener: int  # 0: a, 1: b
    start: int
    group: int


class ClipDataset(Dataset):
    """Pairs of a speaker and a listener, `frames` frames long.

    A session longer than that gives several clips, side by side; a rest of at least half a clip
    gives one more, which overlaps with the one before. A shorter session gives one clip whose last
    frame is held, not valid. If either person can be the listener, a session gives the clips of
    both roles.

    Args:
        root: a folder of prepared data.
        split: train, val or test.
        frames: length of a clip; 750 are 30 s.
        augmentation: what is done to the speaker (see `Augmentation`), or None. The listener, who
            is the target, is never changed; cropping moves both together.
        seed: of the augmentation; with the same seed and epoch, the same clips come.

    An item is a dict of tensors:

        speaker   landmarks (T, 136), au (T, 18), pose (T, 4), gaze (T, 2), audio (T, 2, D),
                  face_valid (T,), audio_valid (T,)
        listener  landmarks, au, pose, gaze, face_valid
        group     number of what the speaker says: listeners of one group suit each other's speaker
        key       number of the clip in this data set

    Raises:
        FileNotFoundError: the folder holds no prepared data.
        ValueError: no clip of this split.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = 'train',
        frames: int = 750,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f'split = {split!r}: expected one of {", ".join(SPLITS)}')
        if frames < 1:
            raise ValueError(f'frames = {frames}: expected 1 or more')
        self.root, self.split, self.frames = Path(root), split, frames
        self.augmentation, self.seed, self._epoch = augmentation, seed, 0
        self._catalogue = read_catalogue(root)
        self.clips = self._list_clips()
        if not self.clips:
            raise ValueError(f'{self.root}: holds no clip of the split {split}')

    @property
    def description(self) -> dict[str, Any]:
        """How the data was made: name, audio_encoder, audio, face_crop."""
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
                # Without a group only the session's own listener is known to suit.
                name = ('group', said) if said else (f'session {"ab"[listener]}', session.name)
                for start in starts:
                    group = groups.setdefault((*name, start), len(groups))
                    clips.append(_Clip(session, listener, start, group))
        return clips

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch: each crops and augments in its own way."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.clips)

    def appropriate(self) -> np.ndarray:
        """A (n, n) of 0 and 1: A[k, j] = 1 where clip j's listener suits clip k's speaker."""
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
        return track

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One clip; see the class."""
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
