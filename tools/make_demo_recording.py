# SPDX-License-Identifier: Apache-2.0
"""Makes the recording that ships for the demo: a voice from espeak-ng and a face that fits it.

    python tools/make_demo_recording.py robot_face_gen/resources/demo

Needs the program espeak-ng (for making only). The face is the generator's: a mouth that follows
the sound, brows and a nod of the head at loud syllables, smiles, a frown at the raised voice,
blinks, a tracker's noise and one short dropout.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.features.resample import RATE, Resampler
from robot_face_gen.features.sound_file import read_audio, write_flac
from robot_face_gen.layout import AU, RX, RY, RZ, TZ
from robot_face_gen.synthetic.config import CONTROL_HZ, CameraConfig
from robot_face_gen.synthetic.face_shape import FaceShape
from robot_face_gen.synthetic.gestures import add_blinks
from robot_face_gen.synthetic.motion import own_motion
from robot_face_gen.synthetic.signals import add_bump, add_hold, smooth, wander
from robot_face_gen.synthetic.tracker import CameraSetup, Faults, track_face

# Text, how it is said, pitch and amplitude of espeak-ng, and the pause after it in seconds.
PHRASES = (
    ('Hello! It is so good to see you again.', 'smile', 62, 110, 0.8),
    (
        'Yesterday I took the train to the sea, and you will not believe what happened.',
        'plain',
        50,
        100,
        0.6,
    ),
    ('Somebody had taken my seat!', 'raised', 68, 190, 0.9),
    ('But then he gave me half of his cake.', 'smile', 58, 105, 0.9),
    ('Would you have done that?', 'question', 64, 110, 1.7),
    ('Well, I was very happy.', 'smile', 54, 105, 1.2),
)
SECONDS = 21.0
LEAD_S = 0.6


def speak(text: str, pitch: int, amplitude: int) -> np.ndarray:
    """A phrase as mono samples at 16 kHz."""
    wav = subprocess.run(
        [
            'espeak-ng',
            '-v',
            'en-gb+f3',
            '-s',
            '165',
            '-p',
            str(pitch),
            '-a',
            str(amplitude),
            '--stdout',
            text,
        ],
        check=True,
        capture_output=True,
    ).stdout
    with tempfile.NamedTemporaryFile(suffix='.wav') as file:
        file.write(wav)
        file.flush()
        samples, rate = read_audio(file.name)
    return Resampler(rate).push(np.concatenate((samples, np.zeros(rate // 50, np.float32))))


def make_voice() -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """About twenty seconds of speech, and when each phrase is said."""
    sound = np.zeros(round(SECONDS * RATE), np.float32)
    said, at = [], LEAD_S
    for text, manner, pitch, amplitude, pause in PHRASES:
        phrase = speak(text, pitch, amplitude)
        begin = round(at * RATE)
        phrase = phrase[: len(sound) - begin]
        sound[begin : begin + len(phrase)] += phrase
        said.append((manner, at, at + len(phrase) / RATE))
        at += len(phrase) / RATE + pause
    room = np.random.default_rng(3).standard_normal(len(sound)).astype(np.float32)
    sound = 0.9 * sound / np.abs(sound).max() + 0.001 * room
    return sound, said


def envelope(sound: np.ndarray) -> np.ndarray:
    """Loudness on the control grid, 1 for a loud vowel."""
    step = RATE // CONTROL_HZ
    power = np.square(sound[: len(sound) // step * step]).reshape(-1, step).mean(axis=1)
    return smooth(np.sqrt(power), 0.012) / np.percentile(np.sqrt(power), 97)


def make_face(sound: np.ndarray, said: list[tuple[str, float, float]]):
    """Frames of a tracker that looks at who speaks."""
    rng = np.random.default_rng(7)
    loud = np.clip(envelope(sound), 0, 1.5)
    steps = len(loud)
    motion = own_motion(rng, steps, 1.0)
    # The mouth opens with the loudness, and closes at once between the words.
    jaw = smooth(np.clip(loud - 0.05, 0, None) ** 0.7, 0.02)
    fine = 0.75 + 0.25 * wander(rng, steps, 0.06)
    motion.au[:, AU['AU25']] += 2.6 * jaw * fine
    motion.au[:, AU['AU26']] += 1.9 * jaw
    motion.au[:, AU['AU20']] += 0.6 * np.clip(wander(rng, steps, 0.1), 0, 2) * (jaw > 0.15)
    motion.au[:, AU['AU10']] += 0.5 * jaw
    smile, brows, frown, nod = (np.zeros(steps) for _ in range(4))
    blinks = []
    for manner, begin, end in said:
        if manner == 'smile':
            add_hold(smile, begin + 0.1, end + 0.5, 2.4, 0.4)
        elif manner == 'raised':
            add_hold(frown, begin, end + 0.3, 2.2, 0.3)
            add_hold(brows, begin - 0.1, begin + 0.6, 1.2, 0.2)
        elif manner == 'question':
            add_hold(brows, end - 0.9, end + 0.9, 2.3, 0.3)
            tilt = np.zeros(steps)
            add_hold(tilt, end - 0.9, end + 1.1, 0.14, 0.4)
            motion.pose[:, RZ] += tilt
        else:
            add_hold(motion.gaze[:, 0], begin - 0.1, begin + 1.0, 0.3, 0.12)
            turn = np.zeros(steps)
            add_hold(turn, begin, begin + 1.2, 0.14, 0.4)
            motion.pose[:, RY] += turn
        blinks.append(end + 0.1)
    peaks = [
        i
        for i in range(20, steps - 20)
        if loud[i] == loud[i - 20 : i + 20].max() and loud[i] > 0.8
    ]
    for peak in peaks:
        add_bump(nod, peak / CONTROL_HZ - 0.15, 0.4, 0.035)
        add_bump(brows, peak / CONTROL_HZ - 0.1, 0.5, 0.5)
    for name, signal, gain in (
        ('AU12', smile, 1.0),
        ('AU06', smile, 0.7),
        ('AU01', brows, 0.9),
        ('AU02', brows, 0.8),
        ('AU04', frown, 1.0),
        ('AU07', frown, 0.6),
    ):
        motion.au[:, AU[name]] += gain * signal
    motion.pose[:, RX] += nod + 0.02 * wander(rng, steps, 0.6)
    motion.pose[:, TZ] -= 0.01 * smooth(loud, 0.5)
    blinking = np.full(steps, 4 / 60)  # blinks a second; about one after each phrase
    for t in blinks:
        blinking[round(t * CONTROL_HZ) : round((t + 0.3) * CONTROL_HZ)] += 4.0
    add_blinks(motion.au[:, AU['AU45']], rng, blinking)
    setup = CameraSetup(
        25.0,
        640,
        480,
        np.array([0.01, -0.02, 0.6]),
        np.array([0.02, -0.03, 0.0]),
        FaceShape.draw(rng, 0.6),
    )
    camera = CameraConfig(dropouts_per_minute=3.0, dropout_s=(0.24, 0.4))
    return track_face(rng, camera, setup, motion, replace(Faults.none(1.0), still=False))


def main() -> int:
    """Write speaker.csv and speaker.flac."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sound, said = make_voice()
    write_flac(folder / 'speaker.flac', sound, RATE)
    frames = make_face(sound, said)
    write_openface_csv(folder / 'speaker.csv', frames)
    lost = sum(not frame.success for frame in frames)
    print(f'{folder}: {len(frames)} frames, {lost} of them lost, {len(sound) / RATE:g} s of sound')
    for manner, begin, end in said:
        print(f'  {begin:5.2f} .. {end:5.2f} s  {manner}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
