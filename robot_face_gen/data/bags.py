# SPDX-License-Identifier: Apache-2.0
"""Reads rosbag2 recordings (MCAP or SQLite) of this project's topics, without ROS 2."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from robot_face_gen import topics
from robot_face_gen.features.face_frame import FaceFrame, message_values
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .bag_file import open_bag

FACE_TOPIC, FACE_TYPE = topics.FACE
AUDIO_TOPIC, AUDIO_TYPE = topics.AUDIO
REACTION_TOPIC, REACTION_TYPE = topics.REACTION_TOPIC
_TYPES = dict((topics.FACE, topics.AUDIO, topics.REACTION_TOPIC))


@dataclass
class RecordedPerson:
    """One recorded person; time 0 of a bag is its first face or sound."""

    frames: list[FaceFrame] = field(default_factory=list)  # of the face, in order of time
    # (n,) float32, zeros where nothing was recorded
    samples: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    sample_rate: int = 0  # Hz; 0 if there is no sound
    lost_samples: int = 0  # number of samples missing between the first and the last
    # duration by stamps minus duration by sample counts, first to last chunk
    clock_drift_s: float = 0.0


@dataclass(frozen=True)
class BagReaction:
    """One reaction of the robot: when it was to be shown, the frame it answers, the face."""

    stamp_ns: int
    source_ns: int
    face: dict[str, np.ndarray]


@dataclass
class BagRun:
    """One robot of a bag and its speaker; time 0 is the first of their messages."""

    speaker: RecordedPerson  # face and sound
    reactions: list[BagReaction]  # of the robot, in order of time
    duration_s: float  # until the last of their messages
    missing: list[str]  # what the bag does not have, for the user


def _stamp(message: Any) -> int:
    return _time(message.header.stamp)


def _time(stamp: Any) -> int:
    return int(stamp.sec) * SECOND_NS + int(stamp.nanosec)


def _full(namespace: str) -> str:
    """A namespace as topics begin with it: '' or '/name'."""
    return f'/{namespace.strip("/")}'.rstrip('/')


def _connections(reader: Any, namespace: str, topic: str) -> list[Any]:
    wanted = f'{_full(namespace)}/{topic}', _TYPES[topic]
    return [c for c in reader.connections if (c.topic, c.msgtype) == wanted]


def _read(reader: Any, namespace: str) -> dict[str, list[Any]]:
    """All messages below a namespace, by topic."""
    found: dict[str, list[Any]] = {topic: [] for topic in _TYPES}
    for topic, messages in found.items():
        if connections := _connections(reader, namespace, topic):  # without any, rosbags reads all
            for connection, _, raw in reader.messages(connections=connections):
                messages.append(reader.deserialize(raw, connection.msgtype))
    return found


def speaker_namespace(reader: Any, given: str, where: str) -> str:
    """Namespace of one robot's topics in a bag, '' or '/name'; `given` '' finds the only one.

    Raises:
        ValueError: it has none, or there are several and none is given; it begins with `where`.
    """
    found = sorted(
        {
            connection.topic[: -len(topic) - 1]
            for connection in reader.connections
            for topic, kind in _TYPES.items()
            if connection.topic.endswith(f'/{topic}') and connection.msgtype == kind
        }
    )
    if given and _full(given) in found:
        return _full(given)
    if not found:
        topics = ', '.join(sorted({f'{one.topic} ({one.msgtype})' for one in reader.connections}))
        raise ValueError(
            f'the bag has no face, sound or reaction ({FACE_TOPIC}, {AUDIO_TOPIC}, '
            f'{REACTION_TOPIC}); it has {topics or "no topics"}'
        )
    if given or len(found) != 1:
        names = ', '.join(name or '/' for name in found) or 'none'
        raise ValueError(
            f'{where}{given!r}: expected the namespace of a face, sound or reaction in the bag '
            f'({names})'
        )
    return found[0]


def read_run(path: str | Path, namespace: str = '') -> BagRun:
    """Read one robot's run: the speaker and the reactions; `namespace` '' is the only one.

    Raises:
        ImportError: rosbags is not installed; the message names the pip command.
        ValueError: not a bag, or it has neither a face nor a reaction.
    """
    with open_bag(path) as reader:
        namespace = speaker_namespace(reader, namespace, f'{path}: --namespace ')
        found = _read(reader, namespace)
    if not found[FACE_TOPIC] and not found[REACTION_TOPIC]:
        raise ValueError(f'{path}: no message on {namespace}/{FACE_TOPIC} and {REACTION_TOPIC}')
    stamps = [_stamp(message) for messages in found.values() for message in messages]
    origin_ns = min(stamps)
    speaker = _person(found, origin_ns)
    reactions = [
        BagReaction(
            _stamp(message) - origin_ns,
            _time(message.source_stamp) - origin_ns,
            message_values(message),
        )
        for message in found[REACTION_TOPIC]
    ]
    missing = [f'{path}: no message on {namespace}/{topic}' for topic in found if not found[topic]]
    duration_s = max(
        (max(stamps) - origin_ns) / 1e9 + PERIOD_NS / 1e9,
        len(speaker.samples) / max(speaker.sample_rate, 1),
    )
    return BagRun(speaker, reactions, duration_s, missing)


def _person(found: dict[str, list[Any]], origin_ns: int) -> RecordedPerson:
    person = _join(found[AUDIO_TOPIC], origin_ns)
    person.frames = [FaceFrame.from_message(m, _stamp(m) - origin_ns) for m in found[FACE_TOPIC]]
    return person


def _join(chunks: list[Any], origin_ns: int) -> RecordedPerson:
    """Join the chunks of a person, each at the position of its `first_sample`."""
    person = RecordedPerson()
    if not chunks:
        return person
    first, rate = chunks[0], int(chunks[0].sample_rate)
    if rate <= 0 or any(int(chunk.sample_rate) != rate for chunk in chunks):
        raise ValueError(
            f'sample rates {sorted({int(c.sample_rate) for c in chunks})}: expected one'
        )
    begin = round((_stamp(first) - origin_ns) * rate / 1e9)
    places = [begin + int(c.first_sample) - int(first.first_sample) for c in chunks]
    if min(places) < 0 or max(places) > begin + len(chunks) * 10 * rate:
        raise ValueError('first_sample jumps: the microphone was restarted during the recording')
    end = max(place + len(chunk.samples) for place, chunk in zip(places, chunks, strict=True))
    person.sample_rate = rate
    person.samples = np.zeros(end, np.float32)
    present = np.zeros(end, bool)
    for place, chunk in zip(places, chunks, strict=True):
        person.samples[place : place + len(chunk.samples)] = chunk.samples
        present[place : place + len(chunk.samples)] = True
    person.lost_samples = int((~present[begin:]).sum())
    expected_ns = (int(chunks[-1].first_sample) - int(first.first_sample)) * 1e9 / rate
    person.clock_drift_s = (_stamp(chunks[-1]) - _stamp(first) - expected_ns) / 1e9
    return person


def read_bag(
    path: str | Path, namespaces: tuple[str, str]
) -> tuple[RecordedPerson, RecordedPerson]:
    """Read the two people of a bag, on one clock.

    A namespace of topics is, for example, 'a' for `/a/openface/features` and `/a/audio`.

    Raises:
        ImportError: rosbags is not installed; the message names the pip command.
        ValueError: not a bag, or no face of one of the two people.
    """
    path = Path(path)
    with open_bag(path) as reader:
        for namespace in namespaces:
            if not _connections(reader, namespace, FACE_TOPIC):
                raise ValueError(
                    f'{path}: no topic {_full(namespace)}/{FACE_TOPIC} of type {FACE_TYPE}; the '
                    f'bag has {sorted(reader.topics)}'
                )
        found = [_read(reader, namespace) for namespace in namespaces]
    stamps = [
        _stamp(message)
        for messages in found
        for topic in (FACE_TOPIC, AUDIO_TOPIC)
        for message in messages[topic]
    ]
    if not stamps:
        raise ValueError(f'{path}: contains no message of the two people')
    people = []
    for messages, namespace in zip(found, namespaces, strict=True):
        try:
            people.append(_person(messages, min(stamps)))
        except ValueError as error:
            raise ValueError(f'{path}, {_full(namespace)}/{AUDIO_TOPIC}: {error}') from None
    return people[0], people[1]
