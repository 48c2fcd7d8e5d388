# SPDX-License-Identifier: Apache-2.0
"""A generated conversation: one speaker and several listeners.

The speaker's voice comes from a bank of spoken phrases or, without one, from a formant
synthesiser. The listener hears the voice itself; the recording also has the room, the microphone
and noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.timing import AUDIO_RATE_HZ

from .config import CONTROL_HZ, GeneratorConfig
from .listener import ListenerTraits, listener_motion, listener_script
from .motion import Motion, speaker_motion
from .room import record
from .script import Script, write_script
from .signals import children, draw
from .spoken import Speech, speak
from .tracker import Faults, draw_camera_setup, draw_faults, track_face
from .voice import Voice, articulate, envelope, synthesise
from .voice_bank import load_bank


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
    """One speaker and several listeners, who do not see each other."""

    speaker: Person
    listeners: list[Person]  # each is an appropriate listener of this speaker


def _voice(rng: np.random.Generator, config: GeneratorConfig) -> Voice:
    speaker = config.speaker
    return Voice(
        pitch_hz=draw(rng, speaker.pitch_hz),
        vocal_tract=draw(rng, speaker.vocal_tract),
        breath=float(rng.uniform(0.02, 0.1)),
    )


def _speech(
    rng: np.random.Generator, config: GeneratorConfig, voices: Path | None, held_out: bool
) -> Speech:
    words_rng, voice_rng, sound_rng = children(rng, 3)
    if voices is not None:
        if config.sample_rate != AUDIO_RATE_HZ:
            raise ValueError(
                f'GeneratorConfig.sample_rate = {config.sample_rate}: expected {AUDIO_RATE_HZ}, '
                'the rate of the voice bank'
            )
        bank = load_bank(voices)
        return speak(words_rng, config.speaker, config.duration_s, bank, held_out=held_out)
    rate = draw(words_rng, config.speaker.syllables_per_s)
    script = write_script(words_rng, config.speaker, config.duration_s, rate)
    mouth = articulate(script, round(config.duration_s * CONTROL_HZ))
    sound = synthesise(mouth, _voice(voice_rng, config), sound_rng, config.sample_rate)
    return Speech(script, mouth, sound, [])


def generate_conversation(
    seed: int | Sequence[int],
    config: GeneratorConfig | None = None,
    voices: Path | None = None,
    *,
    held_out: bool = False,
) -> Dyad:
    """Generate a conversation: a speaker and `config.listeners` listeners.

    The same seed, configuration and voices give the same conversation, bit for bit. `voices` is a
    voice bank, None the formant synthesiser; `held_out` uses its speakers kept for tests.

    Raises:
        ValueError: the voice bank cannot be used.
    """
    config = config or GeneratorConfig()
    rng = np.random.default_rng(seed)
    speaker_rng, *listener_rngs = children(rng, 1 + config.listeners)
    steps = round(config.duration_s * CONTROL_HZ)
    speech_rng, room_rng, face_rng, camera_rng, fault_rng = children(speaker_rng, 5)
    speech = _speech(speech_rng, config, voices, held_out)
    loudness = envelope(speech.sound, config.sample_rate, steps)
    motion = speaker_motion(face_rng, config.speaker, speech.script, speech.mouth, loudness)
    camera = config.camera
    setup = draw_camera_setup(camera_rng, camera, camera.distance_m, camera.identity)
    faults = draw_faults(fault_rng, camera, config.duration_s)
    frames = track_face(camera_rng, camera, setup, motion, faults)
    sound = record(room_rng, config.sound, speech.sound, config.sample_rate, speech.others)
    speaker = Person(frames, sound, config.sample_rate, speech.script, motion)
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
    differs = float(np.exp(camera_rng.normal(0, camera.listener_noise_spread)))
    faults = Faults.none(camera.listener_noise * differs)
    frames = track_face(camera_rng, camera, setup, motion, faults)
    return Person(frames, sound, config.sample_rate, script, motion)
