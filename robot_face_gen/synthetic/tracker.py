# SPDX-License-Identifier: Apache-2.0
"""A simulated camera and face tracker: frames as OpenFace reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.features.openface import FaceFrame
from robot_face_gen.layout import INTENSITIES, LANDMARK_POINTS, RX, RY, RZ, TZ

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
    """Draw a camera, a position and a face.

    Args:
        rng: random generator.
        config: parameters of cameras.
        distance_m: range of distances.
        identity: how much faces and positions differ, 0..1.
    """
    fps = float(config.fps[int(rng.integers(len(config.fps)))])
    width, height = config.image_sizes[int(rng.integers(len(config.image_sizes)))]
    distance = draw(rng, distance_m)
    aside = distance * identity * rng.uniform((-0.12, -0.06), (0.12, 0.06))
    # The centre of a face is a little below the eyes.
    position = np.array([aside[0], aside[1] - 0.03, distance])
    angles = identity * rng.uniform(-1, 1, 3) * (0.05, 0.06, 0.03)
    return CameraSetup(fps, width, height, position, angles, FaceShape.draw(rng, identity))


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


def track_face(
    rng: np.random.Generator, config: CameraConfig, setup: CameraSetup, motion: Motion
) -> list[FaceFrame]:
    """Simulate a camera and a tracker that see a moving face.

    Args:
        rng: random generator.
        config: parameters of camera and tracker.
        setup: camera, place and face of the person.
        motion: motion of the face.

    Returns:
        list: frames from time 0 on, with the tracker's noise. Frames in which the face is lost
        have random values, `success` False and a low confidence.
    """
    count = round(len(motion) / CONTROL_HZ * setup.fps)
    t = np.arange(count) / setup.fps
    au, pose, gaze = _at(motion.au, t), _at(motion.pose, t), _at(motion.gaze, t)
    angles = pose[:, [RX, RY, RZ]] + setup.angles
    position = np.repeat(setup.position[None], count, axis=0)
    position[:, 2] += pose[:, TZ]
    points = deform(setup.shape, np.clip(au, 0, 5))
    landmarks = project(points, angles, position, setup.width, setup.height)

    face_px = np.ptp(landmarks[:, :LANDMARK_POINTS], axis=1).mean()
    jitter = np.stack([wander(rng, len(motion), 0.05) for _ in range(4)], axis=1)
    common = np.repeat(_at(jitter, t)[:, :2], LANDMARK_POINTS, axis=1)
    landmarks += (
        config.landmark_noise
        * face_px
        * (0.7 * rng.standard_normal(landmarks.shape) + 0.7 * common)
    )
    slow = np.stack([wander(rng, len(motion), 0.2) for _ in range(au.shape[1])], axis=1)
    intensities = au[:, :INTENSITIES] + config.au_noise * (
        0.6 * rng.standard_normal((count, INTENSITIES)) + 0.8 * _at(slow[:, :INTENSITIES], t)
    )
    au = np.concatenate((np.clip(intensities, 0, 5), au[:, INTENSITIES:] > 0.5), axis=1)
    angles += config.pose_noise_rad * rng.standard_normal((count, 3))
    depth = position[:, 2] * (1 + config.distance_noise * rng.standard_normal(count))
    gaze += config.gaze_noise_rad * rng.standard_normal((count, 2))
    confidence = 0.98 - 0.04 * np.abs(rng.standard_normal(count)) - 0.1 * np.abs(angles[:, 1])
    confidence = np.clip(confidence, 0.76, 0.98)

    lost = _lost(rng, config, t)
    lost_count = int(lost.sum())
    landmarks[lost] += face_px * rng.normal(0, 0.5, (lost_count, 1))
    au[lost] = 0
    angles[lost] += rng.normal(0, 0.3, (lost_count, 3))
    confidence[lost] = rng.uniform(0, 0.3, lost_count)
    stamps = np.rint(t * 1e9).astype(np.int64)
    return [
        FaceFrame(
            stamp_ns=int(stamps[k]),
            confidence=round(float(confidence[k]), 3),
            success=not lost[k],
            image_width=setup.width,
            image_height=setup.height,
            landmarks=landmarks[k].astype(np.float32),
            au=au[k].astype(np.float32),
            pose=np.array([*angles[k], depth[k]], np.float32),
            gaze=gaze[k].astype(np.float32),
        )
        for k in range(count)
    ]
