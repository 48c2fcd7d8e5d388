# SPDX-License-Identifier: Apache-2.0
"""Parameters of generated conversations: what varies from person to person, and how much.

A pair (low, high) is a range: each person draws a value from it, evenly. Everything is drawn from
the seed, so the same seed and the same parameters make the same conversation, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

Range = tuple[float, float]

# All motion is made on this grid and then looked at by a camera.
CONTROL_HZ = 200


def _check_ranges(config: object) -> None:
    for entry in fields(config):  # type: ignore[arg-type]
        value = getattr(config, entry.name)
        if isinstance(value, tuple) and len(value) == 2 and not value[0] <= value[1]:
            raise ValueError(f'{type(config).__name__}.{entry.name}: low above high: {value}')


@dataclass(frozen=True)
class SpeakerConfig:
    """How people talk.

    Attributes:
        pitch_hz: resting pitch of the voice.
        vocal_tract: formants relative to an adult's of middle size; higher is a smaller person.
        syllables_per_s: speed of talking.
        phrase_syllables: syllables between two pauses.
        pause_s: length of a pause after a statement.
        answer_pause_s: length of a pause after a question, which the listener may answer.
        question: share of phrases that ask.
        raised: share of phrases in a raised voice, with a frown.
        amused: share of phrases with a smile.
        emphatic: share of phrases with raised brows on stressed syllables.
        expressiveness: gain of smiles, brows and frowns.
        head_motion: gain of all motion of the head.
        look_away: probability of looking away when a phrase begins.
        blink_interval_s: mean time between blinks.
        room_noise_db: level of the background noise below speech.
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
        """Refuse what cannot be, by name."""
        _check_ranges(self)
        shares = self.question + self.raised + self.amused + self.emphatic
        if min(self.question, self.raised, self.amused, self.emphatic) < 0 or shares > 1 + 1e-9:
            raise ValueError(
                'SpeakerConfig: question, raised, amused and emphatic are shares of all phrases: '
                f'expected 0 or more each and 1 at most together, got {shares:g}'
            )


@dataclass(frozen=True)
class ListenerConfig:
    """How people listen: the function from speaker to listener, and what is a listener's own.

    Attributes:
        lag_s: how long this listener takes to mirror a face.
        smile_gain: how much of the speaker's smile comes back.
        brow_gain: how much of the speaker's raised brows comes back.
        frown_gain: how strongly a raised voice makes this listener frown.
        nod_lag_s: from a stressed syllable, or from the moment a pause shows, to the nod.
        nod_rad: how deep a nod at a pause goes.
        stress_nod: depth of a nod at a stressed syllable, relative to one at a pause.
        nod_jitter_s: spread of a single nod's time.
        nod_miss: probability that an occasion passes without a nod.
        nod_spread: relative spread of a single nod's depth.
        gaze_gain: how far the eyes follow the speaker's.
        tilt_gain: how far the head follows the speaker's turning and tilting.
        lean_m: how far the listener leans in while the speaker is lively.
        answer: probability of a short answer to a question.
        backchannel: probability of a short sound ("mhm") in a pause.
        own_motion: gain of the motion that has nothing to do with the speaker.
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
        """Refuse what cannot be, by name."""
        _check_ranges(self)
        for name in ('answer', 'backchannel', 'nod_miss'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f'ListenerConfig.{name}: expected 0..1, got {getattr(self, name)}'
                )
        slowest = max(self.lag_s[1], self.nod_lag_s[1])
        if min(self.lag_s[0], self.nod_lag_s[0]) < 0 or slowest > 1.5:
            raise ValueError('ListenerConfig: lags beyond 0..1.5 s are no reaction any more')


@dataclass(frozen=True)
class CameraConfig:
    """Where people sit, and what a tracker makes of them.

    Attributes:
        fps: one of these frame rates.
        image_sizes: one of these pictures, width and height in pixels.
        distance_m: from the camera to a speaker.
        listener_distance_m: from the camera to a listener.
        identity: how different the shapes of speakers' faces are.
        listener_identity: the same for listeners; small, since a robot has one face.
        landmark_noise: of a landmark, relative to the width of the face.
        au_noise: of an action unit's intensity.
        pose_noise_rad: of an angle of the head.
        gaze_noise_rad: of an angle of the eyes.
        distance_noise: of Tz, relative.
        dropouts_per_minute: how often the face is lost.
        dropout_s: for how long.
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
        """Refuse what cannot be, by name."""
        _check_ranges(self)
        if not self.fps or min(self.fps) <= 0:
            raise ValueError(f'CameraConfig.fps: expected rates above 0, got {self.fps}')


@dataclass(frozen=True)
class GeneratorConfig:
    """A generated conversation: one speaker, and several listeners who all suit him.

    Attributes:
        duration_s: of a clip; 30 s are 750 frames of the model.
        listeners: how many people listen to the same speaker, each in his own way.
        sample_rate: of the sound, Hz.
        speaker: how the speaker talks.
        listener: how the listeners listen.
        camera: how both are seen.
    """

    duration_s: float = 30.0
    listeners: int = 4
    sample_rate: int = 16_000
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)
    listener: ListenerConfig = field(default_factory=ListenerConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)

    def __post_init__(self) -> None:
        """Refuse what cannot be, by name."""
        if not self.duration_s >= 1:
            raise ValueError(
                f'GeneratorConfig.duration_s: expected 1 s or more, got {self.duration_s}'
            )
        if self.listeners < 1:
            raise ValueError(
                f'GeneratorConfig.listeners: expected 1 or more, got {self.listeners}'
            )
        if self.sample_rate < 8000:
            raise ValueError(
                f'GeneratorConfig.sample_rate: expected 8000 Hz or more, got {self.sample_rate}'
            )
