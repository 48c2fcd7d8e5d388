# SPDX-License-Identifier: Apache-2.0
"""Values for every field of every message of the project."""

import re

import numpy as np

from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding, FaceFeatures, FaceReaction

MESSAGES = (AudioChunk, AudioEmbedding, FaceFeatures, FaceReaction)

LIMITS = {
    'uint64': (0, 2**64 - 1),
    'uint32': (0, 2**32 - 1),
    'int32': (-(2**31), 2**31 - 1),
    'float': (-3.4028234663852886e38, 3.4028234663852886e38),
    'boolean': (False, True),
}
TEXTS = ('', 'Gesichtskamera, 顔カメラ ' * 20)
LENGTHS = (0, 20_000)


def fill(message, extreme):
    """Set every field to its smallest or its largest value (extreme 0 or 1); arrays to noise."""
    for name, kind in message.get_fields_and_field_types().items():
        old = getattr(message, name)
        if hasattr(old, 'get_fields_and_field_types'):
            fill(old, extreme)
        elif kind in LIMITS:
            setattr(message, name, LIMITS[kind][extreme])
        elif kind == 'string':
            setattr(message, name, TEXTS[extreme])
        else:
            fixed = re.fullmatch(r'float\[(\d+)\]', kind)
            assert fixed or kind == 'sequence<float>', kind
            size = int(fixed[1]) if fixed else LENGTHS[extreme]
            noise = np.random.default_rng(size + extreme).standard_normal(size, np.float32)
            noise[:4] = (np.inf, -0.0, np.float32(1e-45), -np.inf)[: len(noise)]
            setattr(message, name, noise if fixed else noise.tolist())
    return message


def differing_fields(got, expected, prefix=''):
    """Names of the fields that are not bit for bit equal."""
    assert type(got) is type(expected)
    found = []
    for name in expected.get_fields_and_field_types():
        a, b = getattr(got, name), getattr(expected, name)
        if hasattr(b, 'get_fields_and_field_types'):
            found += differing_fields(a, b, f'{prefix}{name}.')
        elif isinstance(b, str | bool | int):
            found += [prefix + name] * (a != b or type(a) is not type(b))
        else:
            same = np.asarray(a, np.float32).tobytes() == np.asarray(b, np.float32).tobytes()
            found += [prefix + name] * (not same)
    return found
