# SPDX-License-Identifier: Apache-2.0
"""A generated conversation: one speaker and several listeners.

How much of the listener follows from the speaker, with the default parameters: the share of a
listener's variance over time that is common to all listeners of the same speaker (measured on the
tracker's output, 4 speakers with 4 listeners each) is

    landmarks 0.60, action units 0.76, pose 0.57, gaze 0.72

and before the tracker, with known lags and gains of the listener (24 listeners, 6 speakers)

    action units 0.90, pose 0.74, gaze 0.93

The rest is independent of the speaker: idle motion, blinks, variation of nods, own speech. A ridge
regression from the last 1.4 s of the speaker's face, fitted to 12 speakers, reaches on 4 other
speakers FRCorr of one sample / FRDist 0.53 / 0.030 (landmarks), 0.51 / 1.13 (action units),
0.54 / 0.31 (pose), 0.73 / 0.33 (gaze). Copying the speaker reaches 0.26 / 0.042, 0.17 / 2.75,
0.21 / 2.49, 0.48 / 0.37; the mean face has FRCorr 0 and FRDist 0.040, 2.20, 0.46, 0.99. So a model
that has learned the function is better than both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robot_face_gen.features.openface import FaceFrame

from .config import CONTROL_HZ, GeneratorConfig
from .listener import ListenerTraits, listener_motion, listener_script
from .motion import Motion, speaker_motion
from .script import Script, write_script
from .signals import children, draw
from .tracker import draw_camera_setup, track_face
from .voice import Voice, articulate, envelope, synthesise


@dataclass(frozen=True)
class Person:
    """A person as recorded by camera and microphone."""

    frames: list[FaceFrame]  # of the tracker, stamps from 0
    sound: np.ndarray  # (n,) float32, the person's voice, from the same time on
    sample_rate: int  # Hz
    script: Script  # what the person says; not available to a model
    # of the face before the camera, sampled at `CONTROL_HZ`; not available to a model
    motion: Motion


@dataclass(frozen=True)
class Dyad:
    """One speaker and several listeners, who do not see each other.

    Attributes:
        speaker: the person who talks.
        listeners: each is an appropriate listener of this speaker.
    """

    speaker: Person
    listeners: list[Person]


def _voice(rng: np.random.Generator, config: GeneratorConfig) -> Voice:
    speaker = config.speaker
    return Voice(
        pitch_hz=draw(rng, speaker.pitch_hz),
        vocal_tract=draw(rng, speaker.vocal_tract),
        breath=float(rng.uniform(0.02, 0.1)),
        room_noise_db=draw(rng, speaker.room_noise_db),
    )


def generate_conversation(
    seed: int | Sequence[int], config: GeneratorConfig | None = None
) -> Dyad:
    """Generate a conversation.

    Args:
        seed: the same seed and configuration give the same conversation, bit for bit.
        config: parameters.

    Returns:
        Dyad: the speaker and `config.listeners` listeners.
    """
    config = config or GeneratorConfig()
    rng = np.random.default_rng(seed)
    speaker_rng, *listener_rngs = children(rng, 1 + config.listeners)
    steps = round(config.duration_s * CONTROL_HZ)
    words_rng, voice_rng, sound_rng, face_rng, camera_rng = children(speaker_rng, 5)
    rate = draw(words_rng, config.speaker.syllables_per_s)
    script = write_script(words_rng, config.speaker, config.duration_s, rate)
    articulation = articulate(script, steps)
    sound = synthesise(articulation, _voice(voice_rng, config), sound_rng, config.sample_rate)
    loudness = envelope(sound, config.sample_rate, steps)
    motion = speaker_motion(face_rng, config.speaker, script, articulation, loudness)
    camera = config.camera
    setup = draw_camera_setup(camera_rng, camera, camera.distance_m, camera.identity)
    frames = track_face(camera_rng, camera, setup, motion)
    speaker = Person(frames, sound, config.sample_rate, script, motion)
    listeners = [_listener(r, config, speaker, loudness) for r in listener_rngs]
    return Dyad(speaker, listeners)


def _listener(
    rng: np.random.Generator, config: GeneratorConfig, speaker: Person, loudness: np.ndarray
) -> Person:
    words_rng, voice_rng, sound_rng, traits_rng, face_rng, camera_rng = children(rng, 6)
    steps = len(speaker.motion)
    traits = ListenerTraits.draw(traits_rng, config.listener)
    script = listener_script(words_rng, config.listener, speaker.script, config.duration_s)
    articulation = articulate(script, steps)
    sound = synthesise(articulation, _voice(voice_rng, config), sound_rng, config.sample_rate)
    motion = listener_motion(
        face_rng,
        config.listener,
        traits,
        speaker.motion,
        speaker.script,
        loudness,
        script,
        envelope(sound, config.sample_rate, steps),
        articulation,
    )
    camera = config.camera
    setup = draw_camera_setup(
        camera_rng, camera, camera.listener_distance_m, camera.listener_identity
    )
    frames = track_face(camera_rng, camera, setup, motion)
    return Person(frames, sound, config.sample_rate, script, motion)
