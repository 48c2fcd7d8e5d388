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
    """How speakers talk and move."""

    pitch_hz: Range = (95.0, 230.0)  # mean pitch of the voice
    # factor on all formants; 1 is an average adult, higher is a smaller person
    vocal_tract: Range = (0.92, 1.18)
    syllables_per_s: Range = (3.6, 5.4)  # speaking rate
    phrase_syllables: Range = (5.0, 15.0)  # syllables between two pauses
    pause_s: Range = (0.45, 1.2)  # length of a pause after a statement
    # length of a pause after a question; the listener may answer in it
    answer_pause_s: Range = (1.6, 2.6)
    question: float = 0.18  # share of phrases that are questions
    raised: float = 0.06  # share of phrases in a raised voice, with a frown
    amused: float = 0.2  # share of phrases with a smile
    emphatic: float = 0.25  # share of phrases with raised brows at stressed syllables
    expressiveness: Range = (0.8, 1.2)  # gain of smiles, brow raises and frowns
    head_motion: Range = (0.7, 1.3)  # gain of the head motion
    look_away: float = 0.55  # probability of looking away when a phrase begins
    blinks_per_min: Range = (13.0, 26.0)  # mean rate of blinks

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
    """How listeners react: the function from speaker to listener, and their independent motion."""

    lag_s: Range = (0.4, 1.0)  # delay of mirrored facial expressions
    smile_gain: Range = (0.55, 1.15)  # gain from the speaker's smile to the listener's
    smile_mirror: float = 0.75  # probability that a smile is mirrored
    brow_gain: Range = (0.5, 1.1)  # gain from the speaker's brow raise to the listener's
    brow_mirror: float = 0.4  # probability that a brow raise is mirrored
    brow_flash: float = 0.1  # probability of a brow raise of the listener's own in a pause
    frown_gain: Range = (0.4, 1.0)  # gain from a raised voice to the listener's frown
    nodding: Range = (0.4, 0.8)  # probability of a nod in a pause
    nod_lag_s: Range = (0.0, 0.25)  # from the detection of a pause to the begin of a nod
    nod_rad: Range = (0.06, 0.13)  # depth of a nod, radians
    nod_s: Range = (0.45, 0.75)  # duration of a nod of one cycle
    stress_nod: float = 0.05  # probability of a nod at a stressed syllable
    nod_jitter_s: float = 0.06  # standard deviation of the time of a nod
    nod_spread: float = 0.3  # relative standard deviation of the depth of a nod
    gaze_gain: Range = (0.15, 0.4)  # gain from the speaker's gaze to the listener's
    tilt_gain: Range = (0.3, 0.7)  # gain from the speaker's head yaw and roll to the listener's
    # how far the listener leans forward while the speaker is loud, metres
    lean_m: Range = (0.01, 0.03)
    answer: float = 0.1  # probability of a short answer to a question
    backchannel: float = 0.25  # probability of a short sound ("mhm") in a pause
    own_motion: Range = (0.7, 1.3)  # gain of the motion that is independent of the speaker
    # smiles, frowns and looks away without a reason that can be seen, each
    own_per_min: Range = (0.2, 1.2)
    blinks_per_min: Range = (10.0, 20.0)  # mean rate of blinks

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        for name in (
            'answer', 'backchannel', 'smile_mirror', 'brow_mirror', 'brow_flash', 'stress_nod'
        ):  # fmt: skip
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
    """Cameras, places of the people, and errors of the face tracker."""

    fps: tuple[float, ...] = (25.0, 25.0, 30.0)  # frame rates, one is chosen for each camera
    # (width, height) in pixels, one is chosen for each camera
    image_sizes: tuple[tuple[int, int], ...] = ((640, 480), (1280, 720), (1920, 1080))
    distance_m: Range = (0.45, 1.1)  # from the camera to a speaker
    listener_distance_m: Range = (0.62, 0.68)  # from the camera to a listener
    identity: float = 1.0  # how much the face shapes and positions of speakers differ, 0 to 1
    listener_identity: float = 0.3  # the same for listeners; small, because a robot has one face
    # Noise of the tracker, as in real OpenFace files. Of this, a listener's face has the smooth
    # part only, times this factor: with less of it, the robot moves less than real listeners.
    listener_noise: float = 0.9
    listener_noise_spread: float = 0.15  # how much it differs between listeners, of its logarithm
    landmark_noise: float = 0.003  # of a landmark, relative to the width of the face
    au_noise: float = 0.055  # of the intensity of an action unit
    pose_noise_rad: float = 0.0025  # of a head angle
    gaze_noise_rad: float = 0.009  # of a gaze angle
    distance_noise: float = 0.0017  # relative, of Tz
    # Speakers only: share with values that are never delivered (see `tracker`), share whose face
    # is away for some seconds, and how much the scale of the values differs between people.
    missing: float = 0.35
    absent: float = 0.15
    absent_s: Range = (2.0, 5.0)
    scale: float = 1.0
    dropouts_per_minute: float = 1.5  # how often the tracker loses the face
    dropout_s: Range = (0.1, 0.8)  # duration of such a dropout

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        if not self.fps or min(self.fps) <= 0:
            raise ValueError(f'CameraConfig.fps = {self.fps}: expected rates above 0')


@dataclass(frozen=True)
class SoundConfig:
    """What room and microphone do to the speaker's voice."""

    level_db: Range = (-40.0, -12.0)  # of the speech in the recording, relative to full scale
    noise_db: Range = (-45.0, -10.0)  # of the background noise relative to the speech
    reverberation_s: Range = (0.1, 0.7)  # time in which a sound decays by 60 dB
    direct_db: Range = (-2.0, 16.0)  # of the direct sound relative to the reverberation
    telephone: float = 0.12  # share of microphones that pass 300 to 3400 Hz only

    def __post_init__(self) -> None:
        """Check every value."""
        _check_ranges(self)
        if self.level_db[1] > -6:
            raise ValueError(f'SoundConfig.level_db = {self.level_db}: expected at most -6 dB')


@dataclass(frozen=True)
class GeneratorConfig:
    """A generated conversation: one speaker and several listeners."""

    duration_s: float = 30.0  # length of the conversation; 30 s are 750 frames of the model
    listeners: int = 4  # number of listeners of the same speaker
    sample_rate: int = AUDIO_RATE_HZ  # of the sound, Hz
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)  # parameters of the speaker
    listener: ListenerConfig = field(default_factory=ListenerConfig)  # parameters of the listeners
    camera: CameraConfig = field(default_factory=CameraConfig)  # parameters of cameras and tracker
    sound: SoundConfig = field(default_factory=SoundConfig)  # parameters of room and microphone

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
