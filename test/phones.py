# SPDX-License-Identifier: Apache-2.0
"""A generated conversation as two phones and a microphone record it, each started by hand."""

import csv

import numpy as np
from films import write_film
from sound_files import write_wav

from robot_face_gen.features.sound_file import read_audio
from robot_face_gen.synthetic.config import GeneratorConfig
from robot_face_gen.synthetic.plan import make_plan
from robot_face_gen.synthetic.recordings import generate_recordings

RATE, LENGTH_S = 16000, 12.0
# When each file began and ended in the conversation.
PHONE_A, PHONE_B, MICROPHONE = (0.4, 11.2), (2.0, 12.0), (1.24, 11.72)


def generate_conversation(folder):
    """A folder with a.csv, a.flac, b.csv that begin together."""
    config = GeneratorConfig(duration_s=LENGTH_S, listeners=1)
    generate_recordings(make_plan(1, 5, config, 'train'), folder)
    return folder / 'dyad_00000_0'


def in_a_room(samples, seed):
    """The sound at another place of a room."""
    rng = np.random.default_rng(seed)
    echo = np.zeros(2000)
    echo[rng.integers(20, 2000, 40)] = rng.normal(0, 0.15, 40)
    echo[0] = 0.6
    heard = np.convolve(samples, echo)[: len(samples)]
    return (heard + rng.normal(0, 1e-3, len(samples))).astype(np.float32)


def cut_sound(samples, part):
    return samples[round(part[0] * RATE) : round(part[1] * RATE)]


def cut_csv(source, out, part):
    """The rows of a part of the time, which counts from its beginning."""
    with source.open(newline='') as file:
        rows = list(csv.DictReader(file))
    with out.open('w', newline='') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        for row in rows:
            at = float(row['timestamp'])
            if part[0] - 1e-6 <= at < part[1]:
                writer.writerow({**row, 'timestamp': f'{at - part[0]:.3f}'})


def write_talk(conversation, folder):
    """The files of both phones, the CSVs of their films, and the microphone's WAV."""
    voice, rate = read_audio(conversation / 'a.flac')
    assert rate == RATE
    folder.mkdir(parents=True)
    picture = [np.full((32, 32, 3), 99, np.uint8)]
    for who, part, seed in (('a', PHONE_A, 1), ('b', PHONE_B, 2)):
        sound = cut_sound(in_a_room(voice, seed), part)
        write_film(folder / f'{who}.MP4', picture * round(25 * len(sound) / RATE), sound=sound)
        cut_csv(conversation / f'{who}.csv', folder / f'{who}.csv', part)
    sound = cut_sound(voice, MICROPHONE)
    write_wav(folder / 'a.wav', (np.repeat(sound, 3) * 30000).astype(np.int16), 3 * RATE)
