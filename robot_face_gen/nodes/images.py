# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays, and the camera model of a CameraInfo."""

from __future__ import annotations

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from robot_face_gen.camera.geometry import CameraModel

from .messages import BadMessage

# Encoding: bytes of a pixel, and OpenCV's conversion to BGR.
_ENCODINGS: dict[str, tuple[int, int | None]] = {
    'bgr8': (3, None),
    '8UC3': (3, None),
    'rgb8': (3, cv2.COLOR_RGB2BGR),
    'bgra8': (4, cv2.COLOR_BGRA2BGR),
    'rgba8': (4, cv2.COLOR_RGBA2BGR),
    'mono8': (1, cv2.COLOR_GRAY2BGR),
    '8UC1': (1, cv2.COLOR_GRAY2BGR),
    'yuv422_yuy2': (2, cv2.COLOR_YUV2BGR_YUY2),
    'yuyv': (2, cv2.COLOR_YUV2BGR_YUY2),
    'yuv422': (2, cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': (2, cv2.COLOR_YUV2BGR_UYVY),
}


def to_image(message: Image | CompressedImage) -> np.ndarray:
    """(height, width, 3) uint8 BGR.

    Raises:
        BadMessage: another encoding, or data that do not fit the size.
    """
    data = np.frombuffer(message.data, np.uint8)
    if isinstance(message, CompressedImage):
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise BadMessage(f'data ({data.size} bytes, format {message.format!r}) is no image')
        return image
    if message.encoding not in _ENCODINGS:
        raise BadMessage(
            f'encoding = {message.encoding!r}: expected one of {", ".join(_ENCODINGS)}'
        )
    size, conversion = _ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if height < 1 or width < 1 or step < width * size or data.size != height * step:
        raise BadMessage(
            f'data holds {data.size} bytes: expected height {height} x step {step}, and a step of '
            f'at least {width} pixels of {size} bytes'
        )
    image = data.reshape(height, step)[:, : width * size].reshape(height, width, size)
    return image if conversion is None else cv2.cvtColor(image, conversion)


def to_camera_model(message: CameraInfo, width: int, height: int) -> CameraModel | None:
    """The camera of images of this size; None if it is not calibrated (K is 0)."""
    if message.k[0] <= 0.0 or message.width < 1 or message.height < 1:
        return None
    across, down = width / message.width, height / message.height
    focal = (message.k[0] * across + message.k[4] * down) / 2
    return CameraModel(focal, message.k[2] * across, message.k[5] * down)
