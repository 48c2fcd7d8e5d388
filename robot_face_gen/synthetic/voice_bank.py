# SPDX-License-Identifier: Apache-2.0
"""A bank of spoken phrases: one compressed file with the voices of several synthesisers.

The file is an .npz without pickled objects (`VoiceBank` lists its arrays). The sound is 8-bit
mu-law at 16 kHz: 16 kB for a second.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from robot_face_gen.files import atomic_file
from robot_face_gen.timing import AUDIO_RATE_HZ

VERSION = 1
_MU = 255.0


def encode_mu_law(sound: np.ndarray) -> np.ndarray:
    """(n,) float, -1..1, as (n,) uint8."""
    x = np.clip(sound, -1, 1)
    y = np.sign(x) * np.log1p(_MU * np.abs(x)) / np.log1p(_MU)
    return np.round((y + 1) * 127.5).astype(np.uint8)


def decode_mu_law(codes: np.ndarray) -> np.ndarray:
    """(n,) uint8 as (n,) float32, -1..1."""
    y = codes.astype(np.float32) / 127.5 - 1
    return np.asarray(np.sign(y) * np.expm1(np.abs(y) * np.log1p(_MU)) / _MU, np.float32)


@dataclass(frozen=True)
class VoiceBank:
    """Spoken phrases of several speakers; k phrases."""

    codes: np.ndarray  # (n,) uint8, mu-law sound of all phrases, one after the other, at 16 kHz
    stop: np.ndarray  # (k,) int64, end of each phrase in `codes`
    speaker: np.ndarray  # (k,) names such as 'flite/slt'
    language: np.ndarray  # (k,) codes such as 'en'
    text: np.ndarray  # (k,) what is said
    question: np.ndarray  # (k,) bool, whether it is a question
    held_out: np.ndarray  # (k,) bool, speakers for tests only

    def __len__(self) -> int:
        return len(self.stop)

    def sound(self, index: int) -> np.ndarray:
        """(n,) float32 of one phrase, peak about 0.9."""
        begin = int(self.stop[index - 1]) if index else 0
        return decode_mu_law(self.codes[begin : int(self.stop[index])])

    @cached_property
    def speakers(self) -> dict[bool, list[tuple[str, str]]]:
        """(speaker, language) of each voice, for `held_out` False and True."""
        out: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
        for speaker, language, held_out in sorted(
            set(zip(self.speaker.tolist(), self.language.tolist(), self.held_out.tolist(),
                    strict=True))
        ):  # fmt: skip
            out[held_out].append((speaker, language))
        return out

    def phrases(self, speaker: str, language: str) -> np.ndarray:
        """Indices of the phrases of a voice."""
        return np.flatnonzero((self.speaker == speaker) & (self.language == language))

    def save(self, path: str | Path) -> None:
        """Write the file."""
        arrays = {name: getattr(self, name) for name in self.__annotations__}
        with atomic_file(Path(path)) as partial, partial.open('wb') as file:
            np.savez_compressed(file, version=np.array(VERSION), **arrays)


_KINDS = {
    'codes': 'u1', 'stop': 'i8', 'speaker': 'U', 'language': 'U', 'text': 'U', 'question': '?',
    'held_out': '?',
}  # fmt: skip


@lru_cache(maxsize=1)
def load_bank(path: Path) -> VoiceBank:
    """Read a bank.

    Raises:
        ValueError: the file is no bank; the message says what is wrong.
        FileNotFoundError: there is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path}: no such voice bank; `robot-face-gen voices` makes one'
        ) from None
    except Exception as error:  # zipfile and numpy raise many kinds
        raise ValueError(f'{path}: no voice bank: {error}') from error
    version = arrays.pop('version', None)
    if version is None or int(version) != VERSION:
        raise ValueError(f'{path}: voice bank of version {version}, expected {VERSION}')
    for name, kind in _KINDS.items():
        if name not in arrays or arrays[name].ndim != 1:
            raise ValueError(f'{path}: no voice bank: expected a one-dimensional array {name!r}')
        if not np.issubdtype(arrays[name].dtype, np.dtype(kind).type):
            raise ValueError(
                f'{path}: array {name!r} has type {arrays[name].dtype}, expected {np.dtype(kind)}'
            )
    stop, count = arrays['stop'], len(arrays['stop'])
    if any(len(arrays[name]) != count for name in _KINDS if name != 'codes') or not count:
        raise ValueError(f'{path}: expected one value for each phrase in every array')
    if np.diff(stop, prepend=0).min() < AUDIO_RATE_HZ // 10 or stop[-1] != len(arrays['codes']):
        raise ValueError(f"{path}: array 'stop' does not fit the sound ({stop[-1]} samples)")
    bank = VoiceBank(**{name: arrays[name] for name in _KINDS})
    if not bank.speakers[False]:
        raise ValueError(f'{path}: all speakers are held out, expected some for training')
    return bank


def bank_digest(path: str | Path) -> str:
    """SHA-256 of the file; part of what generated data depends on."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
