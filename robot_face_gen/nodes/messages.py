# SPDX-License-Identifier: Apache-2.0
"""Messages to arrays and back; what comes in is checked here, before anything uses it."""

from __future__ import annotations

import array
from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from robot_face_gen.features.face_frame import MESSAGE_FIELDS, FaceFrame
from robot_face_gen.features.resample import LEAST_RATE, LOUDEST, MOST_RATE
from robot_face_gen.layout import VALUE_LIMITS
from robot_face_gen.timing import SECOND_NS
from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding, FaceFeatures, FaceReaction

EMBEDDING_LIMIT = 1e4


class BadMessage(ValueError):
    """A message that says something impossible; the text names the field."""


def to_ns(stamp: Time) -> int:
    """Nanoseconds of a message's time."""
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def to_time(stamp_ns: int) -> Time:
    """A message's time from nanoseconds."""
    seconds, nanoseconds = divmod(int(stamp_ns), SECOND_NS)
    return Time(sec=seconds, nanosec=nanoseconds)


def check_rate(rate: int) -> None:
    """BadMessage for a sample rate (Hz) that no sound has."""
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise BadMessage(f'sample_rate = {rate}: expected {LEAST_RATE} to {MOST_RATE} Hz')


def _header(stamp_ns: int, frame_id: str) -> Header:
    return Header(stamp=to_time(stamp_ns), frame_id=frame_id)


def capture_time(header: Header) -> int:
    """Nanoseconds of a header's stamp; BadMessage if it has none."""
    stamp_ns = to_ns(header.stamp)
    if stamp_ns <= 0:
        raise BadMessage('header.stamp = 0: expected the time of capture')
    return stamp_ns


def _within(name: str, values: np.ndarray, limit: float) -> np.ndarray:
    bad = np.flatnonzero(~(np.abs(values) <= limit))  # NaN is not within anything
    if bad.size:
        raise BadMessage(
            f'{name}[{bad[0]}] = {values.flat[bad[0]]:g} ({bad.size} of {values.size} values): '
            f'expected finite numbers up to {limit:g}'
        )
    return values


def from_face_frame(frame: FaceFrame, frame_id: str) -> FaceFeatures:
    """A tracker's frame as a message."""
    message = FaceFeatures(
        header=_header(frame.stamp_ns, frame_id),
        confidence=float(frame.confidence),
        success=bool(frame.success),
        image_width=int(frame.image_width),
        image_height=int(frame.image_height),
    )
    for field, name in MESSAGE_FIELDS.items():
        setattr(message, field, np.asarray(getattr(frame, name), np.float32))
    return message


def to_face_frame(message: FaceFeatures) -> tuple[FaceFrame, int]:
    """A tracker's frame from a message, and how many of its values were impossible.

    NaN says that the tracker does not have a value. Infinite and impossibly large values are
    treated as missing.

    Raises:
        BadMessage: no stamp, or an impossible confidence.
    """
    stamp_ns = capture_time(message.header)
    if not 0.0 <= message.confidence <= 1.0:
        raise BadMessage(f'confidence = {message.confidence}: expected 0 to 1')
    return FaceFrame.from_message(message, stamp_ns).without_impossible_values()


def from_samples(
    stamp_ns: int, first_sample: int, samples: np.ndarray, sample_rate: int, frame_id: str
) -> AudioChunk:
    """Mono samples (n,) as a message."""
    return AudioChunk(
        header=_header(stamp_ns, frame_id),
        sample_rate=int(sample_rate),
        first_sample=int(first_sample),
        samples=packed(samples, 'f'),
    )


def to_samples(message: AudioChunk) -> tuple[int, int, np.ndarray, int]:
    """Stamp in ns, number of the first sample, samples (n,) float32, sample rate in Hz.

    Raises:
        BadMessage: no stamp, no samples, an impossible rate or impossible samples.
    """
    stamp_ns = capture_time(message.header)
    check_rate(int(message.sample_rate))
    samples = np.array(message.samples, np.float32)
    if not samples.size:
        raise BadMessage('samples is empty: expected sound')
    _within('samples', samples, float(LOUDEST))
    return stamp_ns, int(message.first_sample), samples, int(message.sample_rate)


def from_embeddings(
    stamp_ns: int, data: np.ndarray, rate_hz: float, encoder: str, frame_id: str
) -> AudioEmbedding:
    """Embeddings (n, dim) as a message."""
    return AudioEmbedding(
        header=_header(stamp_ns, frame_id),
        encoder=encoder,
        rate=float(rate_hz),
        dim=int(data.shape[1]),
        data=packed(data, 'f'),
    )


def to_embeddings(message: AudioEmbedding, dim: int, rate_hz: float) -> tuple[int, np.ndarray]:
    """Stamp in ns and embeddings (n, dim) float32; `dim` and `rate_hz` are those of the model.

    Raises:
        BadMessage: no stamp, another dim or rate, ragged or not finite data.
    """
    stamp_ns = capture_time(message.header)
    if message.dim != dim:
        raise BadMessage(f'dim = {message.dim}: the model expects {dim}')
    if abs(message.rate - rate_hz) > 1e-3:
        raise BadMessage(f'rate = {message.rate:g} Hz: the model expects {rate_hz:g}')
    data = np.array(message.data, np.float32)
    if not data.size or data.size % dim:
        raise BadMessage(f'data holds {data.size} values: expected a multiple of dim = {dim}')
    return stamp_ns, _within('data', data, EMBEDDING_LIMIT).reshape(-1, dim)


def from_reaction(
    face: Mapping[str, np.ndarray], frame: int, stamp_ns: int, source_stamp_ns: int, frame_id: str
) -> FaceReaction:
    """A listener's face (landmarks (136,) in crop units, au, pose, gaze) as a message.

    `stamp_ns` is when it is to be shown; it answers the speaker's frame of `source_stamp_ns`.
    """
    message = FaceReaction(
        header=_header(stamp_ns, frame_id), frame=int(frame), source_stamp=to_time(source_stamp_ns)
    )
    for field, name in MESSAGE_FIELDS.items():
        setattr(message, field, np.asarray(face[name], np.float32))
    return message


def to_reaction(message: FaceReaction) -> dict[str, np.ndarray]:
    """The listener's face of a message: landmarks, au, pose, gaze.

    Raises:
        BadMessage: a number that is not finite.
    """
    return {
        name: _within(field, np.array(getattr(message, field), np.float32), VALUE_LIMITS[name])
        for field, name in MESSAGE_FIELDS.items()
    }


def packed(values: np.ndarray, kind: str) -> array.array:
    """An unbounded sequence ('f': float32, 'd': float64); rclpy would check a list one by one."""
    return array.array(kind, np.ascontiguousarray(values, kind).tobytes())
