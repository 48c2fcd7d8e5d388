# SPDX-License-Identifier: Apache-2.0
"""Which face of a picture is followed where there may be several; causal, by position and size."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

from .face_frame import FaceFrame

_LOST_S = 1.0  # a person who has not been seen for so long is forgotten
_NEAR = 1.0  # in sizes of the face: farther from one frame to the next is another place
_SAME_ID = 0.3  # in sizes: how much nearer an equal face_id makes
_UNKNOWN = 2.0  # distance where one of the two positions is not known


@dataclass(frozen=True)
class Sighting:
    """One face in one picture."""

    time_s: float  # of the picture
    face_id: float  # as the tracker gives it, NaN without
    found: bool  # whether the tracker says that it found the face
    place: tuple[float, float, float]  # centre x, y and size in pixels; NaN where unknown
    frame: FaceFrame  # all that the tracker says


def _distance(a: Sighting, b: Sighting) -> float:
    (ax, ay, a_size), (bx, by, b_size) = a.place, b.place
    apart = math.hypot(ax - bx, ay - by) + abs(a_size - b_size)
    scale = max(a_size, b_size)
    distance = apart / scale if apart == apart and scale > 0 else _UNKNOWN
    if a.face_id == b.face_id:
        distance -= _SAME_ID if distance < _UNKNOWN else _UNKNOWN
    return distance


class FaceChooser:
    """Chooses at most one face of each picture: that of the person who is followed.

    A person is known again by position and size; `face_id` is a hint only, because trackers change
    it. A picture with one face needs no choice, unless several people were seen in the last
    second. Another person is followed once the first has not been seen for a second.

    A picture is decided as soon as possible: when it holds as many faces as the one before and one
    of them is where the followed face was. Otherwise the next picture must begin first. The result
    depends on the order of rows alone, not on when they arrive. `others` counts the faces that
    were not chosen.
    """

    def __init__(self) -> None:
        self._people: list[Sighting] = []  # as they were seen last
        self._followed: int | None = None  # index of the person
        self._followed_found_s = -math.inf  # when the tracker last found that person
        self._key: Hashable = None
        self._group: list[Sighting] = []  # of the picture that is not complete yet
        self._chosen: int | None = None  # in the group, where decided early
        self.others = 0
        self._expected = 0  # faces of the picture before; 0: there was none

    def add(self, key: Hashable, sighting: Sighting) -> list[Sighting]:
        """Add a face of the picture `key`; faces of one picture come one after the other.

        Returns the chosen faces of the pictures that are decided now, in order.
        """
        chosen = self.flush() if key != self._key else []
        self._key = key
        self._group.append(sighting)
        if self._chosen is None and len(self._group) == self._expected:
            pairs = self._match()
            followed = [row for row, person in pairs.items() if person == self._followed]
            if followed and self._followed is not None and (
                _distance(self._group[followed[0]], self._people[self._followed]) < _NEAR
            ):  # fmt: skip
                self._chosen = followed[0]
                chosen.append(self._group[self._chosen])
        return chosen

    def flush(self) -> list[Sighting]:
        """The picture is complete; its chosen face, if it was not given before."""
        if not self._group:
            return []
        group, early = self._group, self._chosen
        now_s = group[0].time_s
        pairs = self._match()
        if early is not None and self._followed is not None:
            pairs = {r: p for r, p in pairs.items() if p != self._followed}
            pairs[early] = self._followed
        for row, sighting in enumerate(group):
            if row in pairs:
                self._people[pairs[row]] = sighting
            else:
                pairs[row] = len(self._people)
                self._people.append(sighting)
        people = {person: row for row, person in pairs.items()}
        chosen = self._choose(group, people, now_s)
        self._forget(now_s)
        self._expected, self._group, self._chosen = len(group), [], None
        self.others += len(group) - (chosen is not None or early is not None)
        return [group[chosen]] if chosen is not None and early is None else []

    def _choose(self, group: list[Sighting], people: dict[int, int], now_s: float) -> int | None:
        found = {person: row for person, row in people.items() if group[row].found}
        lost = now_s - self._followed_found_s > _LOST_S or now_s < self._followed_found_s
        if self._followed is None or (self._followed not in found and lost and found):
            among = found or people
            sizes = {person: group[row].place[2] for person, row in among.items()}
            # The largest face; the first one where sizes are unknown.
            self._followed = max(sizes, key=lambda p: sizes[p] if sizes[p] == sizes[p] else -1.0)
            self._followed_found_s = now_s
        if self._followed in found:
            self._followed_found_s = now_s
        return people.get(self._followed)

    def _match(self) -> dict[int, int]:
        """Row of the group -> index of the person, the nearest pairs first."""
        if len(self._people) == 1 and len(self._group) == 1:
            return {0: 0}
        pairs = sorted(
            (_distance(sighting, person), row, index)
            for row, sighting in enumerate(self._group)
            for index, person in enumerate(self._people)
        )
        matched: dict[int, int] = {}
        for _, row, index in pairs:
            if row not in matched and index not in matched.values():
                matched[row] = index
        return matched

    def _forget(self, now_s: float) -> None:
        kept = [i for i, p in enumerate(self._people) if 0 <= now_s - p.time_s <= _LOST_S]
        if len(kept) < len(self._people):
            if self._followed is not None:
                self._followed = kept.index(self._followed) if self._followed in kept else None
            self._people = [self._people[i] for i in kept]
