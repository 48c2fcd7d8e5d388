# SPDX-License-Identifier: Apache-2.0
"""Parameters of generated conversations: what differs between people, and by how much.

A pair (low, high) is a range: each person gets a value from it, uniformly distributed. All random
numbers depend on the seed only: the same seed and parameters give the same conversation, bit for
bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from robot_face_gen.timing import AUDIO_RATE_HZ

Range = tuple[float, float]

# Sample rate of all motion before a camera sees it.
CONTROL_HZ = 200


def _check_ranges(config: object) -> None:
    for entry in fields(config):  # type: ignore[arg-type]
        value = getattr(config, entry.name)
        if isinstance(value, tuple) and len(value) == 2 and not value[0] <= value[1]:
            raise ValueError(
                f'{type(config).__name__}.{entry.name} = {value}: expected low <= high'
            )


@dataclass(frozen=True)
class SpeakerConfig:
    """How speakers talk and move.

    Attributes:
        pitch_hz: mean pitch of the voice.
        vocal_tract: factor on all formants; 1 is an average adult, higher is a smaller person.
        syllables_per_s: speaking rate.
        phrase_syllables: syllables between two pauses.
        pause_s: length of a pause after a statement.
        answer_pause_s: length of a pause after a question; the listener may answer in it.
        question: share of phrases that are questions.
        raised: share of phrases in a raised voice, with a frown.
        amused: share of phrases with a smile.
        emphatic: share of phrases with raised brows at stressed syllables.
        expressiveness: gain of smiles, brow raises and frowns.
        head_motion: gain of the head motion.
        look_away: probability of looking away when a phrase begins.
        blink_interval_s: mean time between blinks.
        room_noise_db: level of the background noise relative to speech, negative.
    """

    pitch_hz: Range = (95.0, 230.0)
    vocal_tract: Range = (0.92, 1.18)
    syllables_per_s: Range = (3.6, 5.4)
    phrase_syllables: Range = (5.0, 15.0)
    pause_s: Range = (0.45, 1.2)
    answer_pause_s: Range = (1.6, 2.6)
    question: float = 0.18
    raised: float = 0.18
    amused: float = 0.3
    emphatic: float = 0.34
    expressiveness: Range = (0.8, 1.2)
    head_motion: Range = (0.7, 1.3)
    look_away: float = 0.55
    blink_interval_s: Range = (2.5, 5.0)
    room_noise_db: Range = (-62.0, -45.0)

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        shares = self.question + self.raised + self.amused + self.emphatic
        if min(self.question, self.raised, self.amused, self.emphatic) < 0 or shares > 1 + 1e-9:
            raise ValueError(
                'SpeakerConfig: question, raised, amused and emphatic are shares of all phrases: '
                f'expected at least 0 each and at most 1 in total, got {shares:g}'
            )


@dataclass(frozen=True)
class ListenerConfig:
    """How listeners react: the function from speaker to listener, and their independent motion.

    Attributes:
        lag_s: delay of mirrored facial expressions.
        smile_gain: gain from the speaker's smile to the listener's.
        brow_gain: gain from the speaker's brow raise to the listener's.
        frown_gain: gain from a raised voice to the listener's frown.
        nod_lag_s: from a stressed syllable, or from the detection of a pause, to the nod.
        nod_rad: depth of a nod at a pause, radians.
        stress_nod: depth of a nod at a stressed syllable, relative to a nod at a pause.
        nod_jitter_s: standard deviation of the time of a nod.
        nod_miss: probability that the listener does not nod at an occasion.
        nod_spread: relative standard deviation of the depth of a nod.
        gaze_gain: gain from the speaker's gaze to the listener's.
        tilt_gain: gain from the speaker's head yaw and roll to the listener's.
        lean_m: how far the listener leans forward while the speaker is loud, metres.
        answer: probability of a short answer to a question.
        backchannel: probability of a short sound ("mhm") in a pause.
        own_motion: gain of the motion that is independent of the speaker.
        blink_interval_s: mean time between blinks.
    """

    lag_s: Range = (0.3, 1.2)
    smile_gain: Range = (0.55, 1.15)
    brow_gain: Range = (0.5, 1.1)
    frown_gain: Range = (0.5, 1.1)
    nod_lag_s: Range = (0.3, 0.6)
    nod_rad: Range = (0.09, 0.18)
    stress_nod: float = 0.4
    nod_jitter_s: float = 0.05
    nod_miss: float = 0.1
    nod_spread: float = 0.2
    gaze_gain: Range = (0.5, 1.0)
    tilt_gain: Range = (0.5, 1.0)
    lean_m: Range = (0.02, 0.05)
    answer: float = 0.6
    backchannel: float = 0.35
    own_motion: Range = (0.7, 1.3)
    blink_interval_s: Range = (2.5, 5.0)

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        for name in ('answer', 'backchannel', 'nod_miss'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'ListenerConfig.{name} = {getattr(self, name)}: expected 0 to 1')
        slowest = max(self.lag_s[1], self.nod_lag_s[1])
        if min(self.lag_s[0], self.nod_lag_s[0]) < 0 or slowest > 1.5:
            raise ValueError(
                f'ListenerConfig: lag_s = {self.lag_s}, nod_lag_s = {self.nod_lag_s}: expected '
                '0 to 1.5 s'
            )


@dataclass(frozen=True)
class CameraConfig:
    """Cameras, places of the people, and errors of the face tracker.

    Attributes:
        fps: frame rates, one is chosen for each camera.
        image_sizes: (width, height) in pixels, one is chosen for each camera.
        distance_m: from the camera to a speaker.
        listener_distance_m: from the camera to a listener.
        identity: how much the face shapes and positions of speakers differ, 0 to 1.
        listener_identity: the same for listeners; small, because a robot has one face.
        landmark_noise: noise of a landmark, relative to the width of the face.
        au_noise: noise of the intensity of an action unit.
        pose_noise_rad: noise of a head angle.
        gaze_noise_rad: noise of a gaze angle.
        distance_noise: relative noise of Tz.
        dropouts_per_minute: how often the tracker loses the face.
        dropout_s: duration of such a dropout.
    """

    fps: tuple[float, ...] = (25.0, 25.0, 30.0)
    image_sizes: tuple[tuple[int, int], ...] = ((640, 480), (1280, 720), (1920, 1080))
    distance_m: Range = (0.45, 1.1)
    listener_distance_m: Range = (0.62, 0.68)
    identity: float = 1.0
    listener_identity: float = 0.3
    landmark_noise: float = 0.003
    au_noise: float = 0.06
    pose_noise_rad: float = 0.006
    gaze_noise_rad: float = 0.01
    distance_noise: float = 0.003
    dropouts_per_minute: float = 1.5
    dropout_s: Range = (0.1, 0.8)

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        if not self.fps or min(self.fps) <= 0:
            raise ValueError(f'CameraConfig.fps = {self.fps}: expected rates above 0')


@dataclass(frozen=True)
class GeneratorConfig:
    """A generated conversation: one speaker and several listeners.

    Attributes:
        duration_s: length of the conversation; 30 s are 750 frames of the model.
        listeners: number of listeners of the same speaker.
        sample_rate: of the sound, Hz.
        speaker: parameters of the speaker.
        listener: parameters of the listeners.
        camera: parameters of cameras and tracker.
    """

    duration_s: float = 30.0
    listeners: int = 4
    sample_rate: int = AUDIO_RATE_HZ
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)
    listener: ListenerConfig = field(default_factory=ListenerConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)

    def __post_init__(self) -> None:
        """Check every value."""
        if not self.duration_s >= 1:
            raise ValueError(
                f'GeneratorConfig.duration_s = {self.duration_s}: expected at least 1 s'
            )
        if self.listeners < 1:
            raise ValueError(f'GeneratorConfig.listeners = {self.listeners}: expected at least 1')
        if self.sample_rate < 8000:
            raise ValueError(
                f'GeneratorConfig.sample_rate = {self.sample_rate}: expected at least 8000 Hz'
            )
