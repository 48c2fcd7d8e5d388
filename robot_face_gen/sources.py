# SPDX-License-Identifier: Apache-2.0
"""The sources of face and voice: how launch arguments and parameters name them."""

from __future__ import annotations

from .launch_arguments import AUTO, Values

FOLLOW = 'follow:'
CAMERA, VIDEO, IMAGE = 'camera:', 'video:', 'image:'  # sources of camera_face_node
MICROPHONE = 'microphone'
HRI = 'hri'
TOPIC = 'topic'
NOT_STARTED = ('', 'none')


def voice(values: Values) -> str:
    """Source of the voice: a film, if that is the source of the face, has its own sound."""
    audio, openface = values.text('audio'), values.text('openface')
    if audio != AUTO:
        as_it_is = audio in NOT_STARTED or audio.partition(':')[0] in (MICROPHONE, TOPIC)
        return audio if as_it_is else values.file('audio')
    if not openface.startswith(VIDEO):
        return MICROPHONE
    from robot_face_gen.camera.sources import VideoFile

    path = values.file('openface', VIDEO)
    try:
        return path if VideoFile(path).has_sound else 'none'
    except (OSError, ValueError) as error:
        raise ValueError(f'openface:={openface}: {error}') from None


def loop_period_s(values: Values) -> float | None:
    """One period for face and voice that are repeated, s: the length of the longer of the two.

    None without `loop:=true`, and where a file cannot be read: its node reports why.
    """
    sources = [values.text('openface'), voice(values)]
    face, sound = (source.partition(':')[0] for source in sources)
    live = f'{face}:' in (FOLLOW, CAMERA, IMAGE) or face == HRI or sound in (MICROPHONE, TOPIC)
    if not values.truth('loop') or live or any(source in NOT_STARTED for source in sources):
        return None
    # Imported where they are needed: a live robot starts without them.
    from robot_face_gen.camera.sources import VideoFile
    from robot_face_gen.features.openface import OpenFaceFile
    from robot_face_gen.features.sound_file import sound_length_s

    try:
        if sources[0].startswith(VIDEO):
            face_s = VideoFile(values.file('openface', VIDEO)).duration_s
        else:
            face_s = OpenFaceFile(values.file('openface')).duration_s
        return round(max(face_s, sound_length_s(sources[1])), 3)
    except (OSError, ValueError):
        return None
