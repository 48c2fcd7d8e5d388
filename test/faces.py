# SPDX-License-Identifier: Apache-2.0
"""Small made-up frames for the tests of the nodes."""

import numpy as np

from robot_face_gen.features.openface import FaceFrame

SECOND_NS = 1_000_000_000


def make_frame(stamp_ns=SECOND_NS, confidence=0.95, success=True, seed=0):
    """A face of plausible size, 68 points about the middle of a 640 x 480 picture."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0.0, 2.0 * np.pi, 68, endpoint=False)
    x = 320.0 + 80.0 * np.cos(angles) + rng.normal(0.0, 0.5, 68)
    y = 240.0 + 100.0 * np.sin(angles) + rng.normal(0.0, 0.5, 68)
    return FaceFrame(
        stamp_ns=stamp_ns,
        confidence=confidence,
        success=success,
        image_width=640,
        image_height=480,
        landmarks=np.concatenate((x, y)).astype(np.float32),
        au=rng.uniform(0.0, 2.0, 18).astype(np.float32),
        pose=np.array([0.1, -0.1, 0.05, 0.7], np.float32),
        gaze=np.array([0.05, -0.02], np.float32),
    )


def make_frames(count, rate_hz=25.0, start_ns=0):
    return [
        make_frame(start_ns + round(index * SECOND_NS / rate_hz), seed=index)
        for index in range(count)
    ]
