# SPDX-License-Identifier: Apache-2.0
"""Image messages of all encodings to BGR images."""

import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from robot_face_gen.camera.geometry import CameraModel
from robot_face_gen.nodes.images import to_camera_model, to_image
from robot_face_gen.nodes.messages import BadMessage


def picture():
    """(24, 32, 3) BGR with soft colours, so that half the chroma is enough."""
    y, x = np.mgrid[:24, :32]
    return np.stack((40 + 4 * x, 60 + 5 * y, 200 - 3 * x), axis=2).astype(np.uint8)


def message(data, encoding, width=32, height=24, padding=0):
    rows = np.ascontiguousarray(data).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return Image(
        height=height, width=width, encoding=encoding, step=rows.shape[1],
        data=array.array('B', rows.tobytes()),
    )  # fmt: skip


def yuv422(image, luma_first):
    """As cameras send it: luma of each pixel, chroma of each pair."""
    # ITU-R BT.601, video range.
    to_yuv = np.array(
        [[25.064, 129.057, 65.738], [112.439, -74.494, -37.945], [-18.285, -94.154, 112.439]]
    )
    y, u, v = np.round(image @ to_yuv.T / 256 + (16, 128, 128)).astype(np.uint8).transpose(2, 0, 1)
    packed = np.empty((*y.shape[:1], y.shape[1] * 2), np.uint8)
    luma, chroma = (0, 1) if luma_first else (1, 0)
    packed[:, luma::2] = y
    packed[:, chroma::4], packed[:, chroma + 2 :: 4] = u[:, ::2], v[:, ::2]
    return packed


@pytest.mark.parametrize('padding', [0, 5])
@pytest.mark.parametrize(
    ('encoding', 'encode'),
    [
        ('bgr8', lambda image: image),
        ('rgb8', lambda image: image[:, :, ::-1]),
        ('bgra8', lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)),
        ('rgba8', lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)),
    ],
)
def test_colours(encoding, encode, padding):
    image = to_image(message(encode(picture()), encoding, padding=padding))
    assert image.dtype == np.uint8 and (image == picture()).all()


def test_grey():
    grey = cv2.cvtColor(picture(), cv2.COLOR_BGR2GRAY)
    image = to_image(message(grey, 'mono8'))
    assert (image == grey[:, :, None]).all() and image.shape == (24, 32, 3)


@pytest.mark.parametrize(
    ('encoding', 'luma_first'),
    [('yuv422_yuy2', True), ('yuyv', True), ('yuv422', False), ('uyvy', False)],
)
def test_yuv(encoding, luma_first):
    image = to_image(message(yuv422(picture(), luma_first), encoding))
    assert np.abs(image.astype(int) - picture()).max() < 14


@pytest.mark.parametrize('kind', ['.png', '.jpg'])
def test_compressed(kind):
    data = cv2.imencode(kind, picture())[1].tobytes()
    image = to_image(CompressedImage(format=kind[1:], data=array.array('B', data)))
    assert np.abs(image.astype(int) - picture()).max() < 25


@pytest.mark.parametrize(
    ('bad', 'complaint'),
    [
        (Image(), 'encoding = '),
        (message(picture(), 'bayer_rggb8'), "encoding = 'bayer_rggb8': expected one of bgr8"),
        (message(picture(), 'bgr8', height=12, width=64), None),
        (Image(encoding='bgr8', height=24, width=32, step=96), 'data holds 0 bytes'),
        (message(picture(), 'rgba8'), 'a step of at least 32 pixels of 4 bytes'),
        (CompressedImage(format='jpeg'), r"data \(0 bytes, format 'jpeg'\) is no image"),
        (CompressedImage(data=array.array('B', b'abc')), 'is no image'),
    ],
)
def test_what_is_wrong_is_named(bad, complaint):
    if complaint is None:
        assert to_image(bad).shape == (12, 64, 3)
        return
    with pytest.raises(BadMessage, match=complaint):
        to_image(bad)


def test_a_calibration_is_scaled_to_the_image():
    k = [800.0, 0.0, 330.0, 0.0, 810.0, 250.0, 0.0, 0.0, 1.0]
    info = CameraInfo(width=640, height=480, k=k)
    assert to_camera_model(info, 640, 480) == CameraModel(805.0, 330.0, 250.0)
    assert to_camera_model(info, 320, 240) == CameraModel(402.5, 165.0, 125.0)
    assert to_camera_model(CameraInfo(width=640, height=480), 640, 480) is None
