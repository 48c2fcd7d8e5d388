# SPDX-License-Identifier: Apache-2.0
"""Faces whose muscles are at work, for the tests of what draws them."""

import numpy as np

from robot_face_gen.layout import AU
from robot_face_gen.pipeline.crop import FaceCrop
from robot_face_gen.synthetic.face_shape import FaceShape, deform, mean_face, project


def make_face(gaze=(0.0, 0.0), pose=(0.0, 0.0, 0.0), **intensities):
    """A face with some action units at work, as the generator's muscles do it."""
    neutral, au = np.zeros((1, 18)), np.zeros((1, 18))
    for name, value in intensities.items():
        au[0, AU[name]] = value
    shape, place = FaceShape(mean_face()), np.array([[0.0, -0.03, 0.65]])
    crop = FaceCrop()
    crop.update(project(deform(shape, neutral), np.zeros((1, 3)), place, 640, 480)[0], True)
    pixels = project(deform(shape, au), np.array([pose]), place, 640, 480)[0]
    return {
        'landmarks': crop.to_crop(pixels),
        'au': au[0],
        'pose': np.array([*pose, 0.65]),
        'gaze': np.array(gaze),
    }
