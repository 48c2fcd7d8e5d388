# SPDX-License-Identifier: Apache-2.0
"""What a camera and a face tracker make of a moving face: frames as OpenFace reports them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from robot_face_gen.features.openface import FaceFrame

from .config import CONTROL_HZ, CameraConfig, Range
from .face_shape import FaceShape, deform, project
from .motion import RX, RY, RZ, TZ, Motion
from .signals import draw, wander


@dataclass(frozen=True)
class Seat:
    """Where somebody sits before which camera.

    Attributes:
        fps: of the camera.
        width: of the picture, pixels.
        height: of the picture, pixels.
        place: (3,) the head's resting place in the camera's frame, metres.
        turned: (3,) resting angles of the head, radians.
        shape: of the face.
    """

    fps: float
    width: int
    height: int
    place: np.ndarray
    turned: np.ndarray
    shape: FaceShape


def take_seat(
    rng: np.random.Generator, config: CameraConfig, distance_m: Range, identity: float
) -> Seat:
    """Seat somebody: speakers anywhere in front of any camera, listeners much alike.

    Args:
        rng: the source of randomness.
        config: cameras.
        distance_m: range of distances.
        identity: how different faces and their places are, 0..1.
    """
    fps = float(config.fps[int(rng.integers(len(config.fps)))])
    width, height = config.image_sizes[int(rng.integers(len(config.image_sizes)))]
    distance = draw(rng, distance_m)
    aside = distance * identity * rng.uniform((-0.12, -0.06), (0.12, 0.06))
    # The middle of a face lies a little below the eyes.
    place = np.array([aside[0], aside[1] - 0.03, distance])
    turned = identity * rng.uniform(-1, 1, 3) * (0.05, 0.06, 0.03)
    return Seat(fps, width, height, place, turned, FaceShape.draw(rng, identity))


def _at(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Columns of x, which lie on the control grid, at times t (s)."""
    grid = np.arange(len(x)) / CONTROL_HZ
    return np.stack([np.interp(t, grid, column) for column in x.T], axis=1)


def _lost(rng: np.random.Generator, config: CameraConfig, t: np.ndarray) -> np.ndarray:
    """Whether the face is lost at times t (s)."""
    lost = np.zeros(len(t), bool)
    if config.dropouts_per_minute > 0:
        at = rng.exponential(60 / config.dropouts_per_minute)
        while at < t[-1]:
            length = draw(rng, config.dropout_s)
            lost |= (t >= at) & (t < at + length)
            at += length + rng.exponential(60 / config.dropouts_per_minute)
    return lost


def track_face(
    rng: np.random.Generator, config: CameraConfig, seat: Seat, motion: Motion
) -> list[FaceFrame]:
    """Look at a moving face with a camera and a tracker.

    Args:
        rng: the source of randomness.
        config: of camera and tracker.
        seat: where the person sits.
        motion: what the face does.

    Returns:
        list: frames from time 0 on, with a tracker's noise; frames in which the face is lost
        carry nonsense, as trackers give it, and say so.
    """
    count = round(len(motion) / CONTROL_HZ * seat.fps)
    t = np.arange(count) / seat.fps
    au, pose, gaze = _at(motion.au, t), _at(motion.pose, t), _at(motion.gaze, t)
    angles = pose[:, [RX, RY, RZ]] + seat.turned
    place = np.repeat(seat.place[None], count, axis=0)
    place[:, 2] += pose[:, TZ]
    points = deform(seat.shape, np.clip(au, 0, 5))
    landmarks = project(points, angles, place, seat.width, seat.height)

    face_px = np.ptp(landmarks[:, :68], axis=1).mean()
    shaky = np.stack([wander(rng, len(motion), 0.05) for _ in range(4)], axis=1)
    common = np.repeat(_at(shaky, t)[:, :2], 68, axis=1)
    landmarks += (
        config.landmark_noise
        * face_px
        * (0.7 * rng.standard_normal(landmarks.shape) + 0.7 * common)
    )
    slow = np.stack([wander(rng, len(motion), 0.2) for _ in range(18)], axis=1)
    intensities = au[:, :17] + config.au_noise * (
        0.6 * rng.standard_normal((count, 17)) + 0.8 * _at(slow[:, :17], t)
    )
    au = np.concatenate((np.clip(intensities, 0, 5), au[:, 17:] > 0.5), axis=1)
    angles += config.pose_noise_rad * rng.standard_normal((count, 3))
    depth = place[:, 2] * (1 + config.distance_noise * rng.standard_normal(count))
    gaze += config.gaze_noise_rad * rng.standard_normal((count, 2))
    confidence = 0.98 - 0.04 * np.abs(rng.standard_normal(count)) - 0.1 * np.abs(angles[:, 1])
    confidence = np.clip(confidence, 0.76, 0.98)

    lost = _lost(rng, config, t)
    nonsense = int(lost.sum())
    landmarks[lost] += face_px * rng.normal(0, 0.5, (nonsense, 1))
    au[lost] = 0
    angles[lost] += rng.normal(0, 0.3, (nonsense, 3))
    confidence[lost] = rng.uniform(0, 0.3, nonsense)
    stamps = np.rint(t * 1e9).astype(np.int64)
    return [
        FaceFrame(
            stamp_ns=int(stamps[k]),
            confidence=round(float(confidence[k]), 3),
            success=not lost[k],
            image_width=seat.width,
            image_height=seat.height,
            landmarks=landmarks[k].astype(np.float32),
            au=au[k].astype(np.float32),
            pose=np.array([*angles[k], depth[k]], np.float32),
            gaze=gaze[k].astype(np.float32),
        )
        for k in range(count)
    ]
