# SPDX-License-Identifier: Apache-2.0
"""A simulated camera and face tracker: frames as OpenFace reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.layout import (
    AU,
    AU_NAMES,
    BRANCHES,
    INTENSITIES,
    LANDMARK_POINTS,
    RX,
    RY,
    RZ,
    TZ,
)  # fmt: skip

from .config import CONTROL_HZ, CameraConfig, Range
from .face_shape import FaceShape, deform, project
from .motion import Motion
from .signals import draw, wander


@dataclass(frozen=True)
class CameraSetup:
    """A camera, and the place and the face of the person before it."""

    fps: float  # frame rate of the camera, Hz
    width: int  # of the image, pixels
    height: int  # of the image, pixels
    position: np.ndarray  # (3,) of the head at rest in the camera's frame, metres
    angles: np.ndarray  # (3,) of the head at rest, radians
    shape: FaceShape  # of the face


def draw_camera_setup(
    rng: np.random.Generator, config: CameraConfig, distance_m: Range, identity: float
) -> CameraSetup:
    """Draw a camera, a position and a face; `identity`, 0..1, is how much people differ."""
    fps = float(config.fps[int(rng.integers(len(config.fps)))])
    width, height = config.image_sizes[int(rng.integers(len(config.image_sizes)))]
    distance = draw(rng, distance_m)
    aside = distance * identity * rng.uniform((-0.12, -0.06), (0.12, 0.06))
    # The centre of a face is a little below the eyes.
    position = np.array([aside[0], aside[1] - 0.03, distance])
    angles = identity * rng.uniform(-1, 1, 3) * (0.05, 0.06, 0.03)
    return CameraSetup(fps, width, height, position, angles, FaceShape.draw(rng, identity))


# Values that are never delivered, with the relative number of such people. A webcam's tracker has
# no measure of four action units.
_WEBCAM = ('AU06', 'AU09', 'AU14', 'AU20')
_MISSING: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ('landmarks', ('landmarks',), 3.0), ('gaze', ('gaze',), 2.0), ('pose', ('pose',), 1.0),
    ('AU28', ('AU28',), 2.0), ('webcam', (*_WEBCAM, 'AU28'), 3.0),
    ('AUs only', ('landmarks', 'pose', 'gaze'), 1.0),
)  # fmt: skip
# Action units that OpenFace reports above 0 for some faces at rest: share of people, and range.
_AT_REST = {
    'AU12': (0.15, (0.4, 1.5)), 'AU06': (0.15, (0.3, 1.2)), 'AU14': (0.3, (0.3, 1.3)),
    'AU04': (0.15, (0.3, 1.2)), 'AU01': (0.12, (0.3, 1.2)), 'AU02': (0.12, (0.3, 1.0)),
    'AU07': (0.35, (0.3, 1.8)), 'AU10': (0.25, (0.3, 1.0)), 'AU17': (0.3, (0.2, 0.9)),
    'AU15': (0.15, (0.1, 0.5)), 'AU25': (0.1, (0.2, 0.6)), 'AU26': (0.15, (0.1, 0.5)),
}  # fmt: skip


# Noise of the intensities relative to `au_noise`.
_AU_NOISE = np.ones(INTENSITIES)
for _name, _factor in {
    'AU04': 1.2, 'AU06': 1.2, 'AU07': 3.2, 'AU14': 1.3, 'AU17': 1.3, 'AU23': 0.7
}.items():  # fmt: skip
    _AU_NOISE[AU[_name]] = _factor


@dataclass(frozen=True)
class Faults:
    """What a tracker makes of one person."""

    missing: np.ndarray  # (160,) bool, values that are never delivered, in order of `BRANCHES`
    gain: np.ndarray  # (18,) scale of the action units
    at_rest: np.ndarray  # (18,) intensities of the face at rest
    pose: np.ndarray  # (4,) error of angles and distance
    gaze: np.ndarray  # (2,) error
    noise: float = 1.0  # factor on all noise
    absent_s: Range = (0.0, 0.0)  # time in which there is no face, begin and end
    still: bool = False  # the noise is smooth, and the face is never lost

    @classmethod
    def none(cls, noise: float) -> Faults:
        """A complete face on the usual scale, with smooth noise of a relative size."""
        au, face = np.zeros(BRANCHES['au']), np.zeros(sum(BRANCHES.values()), bool)
        zeros = np.zeros(BRANCHES['pose']), np.zeros(BRANCHES['gaze'])
        return cls(face, np.ones_like(au), au, *zeros, noise=noise, still=True)


def draw_faults(rng: np.random.Generator, config: CameraConfig, duration_s: float) -> Faults:
    """Draw what a tracker makes of a speaker."""
    missing = {name: np.zeros(width, bool) for name, width in BRANCHES.items()}
    noise = float(np.exp(rng.normal(0, 0.25)))
    pick = rng.random()
    place = int(rng.choice(len(_MISSING), p=np.array([m[2] for m in _MISSING]) / 12))
    if pick < config.missing:
        kind, values, _ = _MISSING[place]
        for value in values:
            if value in missing:
                missing[value][:] = True
            else:
                missing['au'][AU[value]] = True
        noise *= 2.0 if kind == 'webcam' else 1.0
    count = len(AU_NAMES)
    gain = np.exp(0.25 * config.scale * np.clip(rng.standard_normal(count), -2, 2))
    gain[INTENSITIES:] = 1
    at_rest = np.zeros(count)
    for name, (share, heights) in _AT_REST.items():
        present, height = rng.random() < share, rng.uniform(*heights)
        at_rest[AU[name]] = config.scale * height * present
    pose = config.scale * rng.normal(0, (0.09, 0.03, 0.02, 0.03))
    gaze = config.scale * rng.normal(0, (0.05, 0.09))
    is_absent = rng.random() < config.absent
    length, start = draw(rng, config.absent_s), rng.random()
    length = min(length, 0.15 * duration_s) * is_absent
    begin = start * (duration_s - length)
    return Faults(
        np.concatenate(list(missing.values())), gain, at_rest, pose, gaze, noise,
        (begin, begin + length),
    )  # fmt: skip


def _at(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Columns of x, sampled at `CONTROL_HZ`, interpolated at times t (s)."""
    grid = np.arange(len(x)) / CONTROL_HZ
    return np.stack([np.interp(t, grid, column) for column in x.T], axis=1)


def _lost(rng: np.random.Generator, config: CameraConfig, t: np.ndarray) -> np.ndarray:
    """Whether the tracker has lost the face at times t (s)."""
    lost = np.zeros(len(t), bool)
    if config.dropouts_per_minute > 0:
        at = rng.exponential(60 / config.dropouts_per_minute)
        while at < t[-1]:
            length = draw(rng, config.dropout_s)
            lost |= (t >= at) & (t < at + length)
            at += length + rng.exponential(60 / config.dropouts_per_minute)
    return lost


def _noise(
    rng: np.random.Generator, count: int, width: int, fps: float, still: bool, white: float
) -> np.ndarray:
    """Noise (count, width) of frames, standard deviation about 1.

    Trackers filter in time, so most of it is smooth; `white` is the share that is not.
    """
    steps = int(np.ceil(count / fps * CONTROL_HZ)) + 1
    t = np.arange(count) / fps
    quick = np.stack([wander(rng, steps, 0.045) for _ in range(width)], axis=1)
    slow = np.stack([wander(rng, steps, 0.3) for _ in range(width)], axis=1)
    jitter = rng.standard_normal((count, width))
    if still:
        return 0.7 * _at(quick, t) + 0.7 * _at(slow, t)
    rest = np.sqrt(0.5 * (1 - white**2))
    return np.asarray(white * jitter + rest * (_at(quick, t) + _at(slow, t)))


def track_face(
    rng: np.random.Generator,
    config: CameraConfig,
    setup: CameraSetup,
    motion: Motion,
    faults: Faults,
) -> list[FaceFrame]:
    """Simulate a camera and a tracker that see a moving face.

    Returns:
        list: frames from time 0 on, with the tracker's noise, NaN where a value is never
        delivered. Frames in which the face is lost have random values, `success` False and a low
        confidence.
    """
    count = round(len(motion) / CONTROL_HZ * setup.fps)
    t = np.arange(count) / setup.fps
    au, pose, gaze = _at(motion.au, t), _at(motion.pose, t), _at(motion.gaze, t)
    angles = pose[:, [RX, RY, RZ]] + setup.angles
    position = np.repeat(setup.position[None], count, axis=0)
    position[:, 2] += pose[:, TZ]
    au = au * faults.gain + faults.at_rest
    points = deform(setup.shape, np.clip(au, 0, 5))
    landmarks = project(points, angles, position, setup.width, setup.height)

    if not faults.still:
        # OpenFace averages intensities, but not landmarks, over three frames.
        au[:, :INTENSITIES] = uniform_filter1d(au[:, :INTENSITIES], 3, axis=0, mode='nearest')

    face_px = np.ptp(landmarks[:, :LANDMARK_POINTS], axis=1).mean()
    noise = faults.noise

    def shaken(width: int, white: float) -> np.ndarray:
        return noise * _noise(rng, count, width, setup.fps, faults.still, white)

    common = np.repeat(shaken(2, 0.2), LANDMARK_POINTS, axis=1)
    own = np.repeat(shaken(8, 0.4), -(-LANDMARK_POINTS // 4), axis=1)[:, : 2 * LANDMARK_POINTS]
    if not faults.still:
        own = 0.7 * own + 0.5 * noise * rng.standard_normal(own.shape)
    landmarks += config.landmark_noise * face_px * 0.7 * (own + common)
    au[:, :INTENSITIES] += config.au_noise * _AU_NOISE * shaken(INTENSITIES, 0.1)
    au = np.concatenate((np.clip(au[:, :INTENSITIES], 0, 5), au[:, INTENSITIES:] > 0.5), axis=1)
    angles += config.pose_noise_rad * shaken(3, 0.5) + faults.pose[[RX, RY, RZ]]
    depth = (position[:, 2] + faults.pose[TZ]) * (1 + config.distance_noise * shaken(1, 0.5)[:, 0])
    gaze += config.gaze_noise_rad * shaken(2, 0.5) + faults.gaze
    confidence = 0.98 - 0.04 * np.abs(rng.standard_normal(count)) - 0.1 * np.abs(angles[:, 1])
    confidence = np.clip(confidence, 0.76, 0.98)

    lost = (t >= faults.absent_s[0]) & (t < faults.absent_s[1])
    if not faults.still:
        lost |= _lost(rng, config, t)
    lost_count = int(lost.sum())
    landmarks[lost] += face_px * rng.normal(0, 0.5, (lost_count, 1))
    au[lost] = 0
    angles[lost] += rng.normal(0, 0.3, (lost_count, 3))
    confidence[lost] = rng.uniform(0, 0.3, lost_count)
    stamps = np.rint(t * 1e9).astype(np.int64)
    values = np.concatenate((landmarks, au, angles, depth[:, None], gaze), axis=1)
    values = np.where(faults.missing, np.nan, values).astype(np.float32)
    parts = np.split(values, np.cumsum(list(BRANCHES.values()))[:-1], axis=1)
    return [
        FaceFrame(
            int(stamps[k]), round(float(confidence[k]), 3), not lost[k], setup.width, setup.height,
            *(part[k] for part in parts),
        )
        for k in range(count)
    ]  # fmt: skip
