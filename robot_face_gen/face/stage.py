# SPDX-License-Identifier: Apache-2.0
"""One picture of the demo: speaker, listening robot, action units and sound."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from robot_face_gen.layout import AU_NAMES, INTENSITIES

from .drawing import FAINT, GROUND, SPEAKER, Colour, disc, line, mix, text
from .robot_face import draw_contours, draw_robot

SIZE = (1280, 720)  # pixels, width and height
AU_LABELS = (
    'inner brow', 'outer brow', 'frown', 'upper lid', 'cheek', 'lid tight', 'nose', 'upper lip',
    'smile', 'dimple', 'corner down', 'chin', 'stretch', 'lip tight', 'lips part', 'jaw drop',
    'blink', 'lip suck',
)  # fmt: skip
_PANEL: Colour = (62, 50, 42)
_INK: Colour = (232, 226, 220)
_LISTENER: Colour = (110, 170, 255)
_SIDE = 440
_TOP = 70
_LEFT, _RIGHT = 36, SIZE[0] - 36 - _SIDE
_WAVE = (36, 568, SIZE[0] - 36, 676)  # x0, y0, x1, y1


def sound_columns(samples: np.ndarray, sample_rate: int, duration_s: float) -> np.ndarray:
    """Largest amplitude (0..1) of the sound in each pixel column of the waveform."""
    columns = _WAVE[2] - _WAVE[0]
    edges = np.linspace(0, duration_s * sample_rate, columns + 1).astype(int)
    out = np.zeros(columns)
    for i in range(columns):
        part = samples[edges[i] : edges[i + 1]]
        out[i] = np.abs(part).max() if len(part) else 0.0
    loudest = out.max()
    return out / loudest if loudest > 0 else out


class Stage:
    """Draws pictures with the same title, background and waveform (`sound_columns`)."""

    def __init__(self, columns: np.ndarray, duration_s: float, title: str) -> None:
        self._duration_s = duration_s
        self._columns = columns
        ground = np.full((SIZE[1], SIZE[0], 3), GROUND, np.uint8)
        for left in (_LEFT, _RIGHT):
            ground[_TOP : _TOP + _SIDE, left : left + _SIDE] = _PANEL
        text(ground, title, (SIZE[0] // 2, 34), _INK, 0.7, 'middle')
        text(ground, 'speaker (OpenFace)', (_LEFT, _TOP - 12), SPEAKER, 0.55)
        text(ground, 'robot (listener)', (_RIGHT + _SIDE, _TOP - 12), _LISTENER, 0.55, 'right')
        text(ground, 'voice', (_WAVE[0], _WAVE[1] - 8), FAINT, 0.45)
        cv2.rectangle(ground, _WAVE[:2], _WAVE[2:], _PANEL, -1)
        middle, height = (_WAVE[1] + _WAVE[3]) // 2, (_WAVE[3] - _WAVE[1]) // 2 - 4
        for x, loud in enumerate(columns):
            cv2.line(
                ground,
                (_WAVE[0] + x, middle - int(loud * height)),
                (_WAVE[0] + x, middle + int(loud * height)),
                mix(_PANEL, SPEAKER, 0.45),
                1,
            )
        for second in range(0, int(duration_s) + 1, max(1, int(duration_s) // 20)):
            x = self._x(second)
            text(ground, f'{second} s', (x, _WAVE[3] + 18), FAINT, 0.38, 'middle')
        for row, (name, label) in enumerate(zip(AU_NAMES, AU_LABELS, strict=True)):
            y = _bar_y(row)
            text(ground, f'{name} {label}', (SIZE[0] // 2, y + 4), _INK, 0.4, 'middle')
            for side in (-1, 1):
                _bar(ground, y, side, 1.0, _PANEL)
        self._ground = ground

    def _x(self, time_s: float) -> int:
        share = min(max(time_s / max(self._duration_s, 1e-9), 0.0), 1.0)
        return _WAVE[0] + round(share * (_WAVE[2] - _WAVE[0] - 1))

    def draw(
        self,
        time_s: float,
        speaker: Mapping[str, np.ndarray] | None,
        speaker_valid: bool,
        listener: Mapping[str, np.ndarray] | None,
        latency_ms: float | None,
    ) -> np.ndarray:
        """The picture (720, 1280, 3) at a time; faces are dicts of landmarks, au, pose, gaze.

        Landmarks are in crop units. None: no face, or no latency.
        """
        image = self._ground.copy()
        if speaker is not None:
            panel = image[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE]
            draw_contours(
                panel, speaker['landmarks'], _SIDE, (0.0, 0.0), SPEAKER if speaker_valid else FAINT
            )
            if not speaker_valid:
                text(image, 'face not seen', (_LEFT + _SIDE // 2, _TOP + 30), FAINT, 0.6, 'middle')
        else:
            text(image, 'no face', (_LEFT + _SIDE // 2, _TOP + _SIDE // 2), FAINT, 0.8, 'middle')
        panel = image[_TOP : _TOP + _SIDE, _RIGHT : _RIGHT + _SIDE]
        if listener is not None:
            # The dome above the brows needs more space than the crop has.
            draw_robot(panel, listener, 0.84 * _SIDE, (0.08 * _SIDE, 0.14 * _SIDE))
        else:
            text(image, 'waiting', (_RIGHT + _SIDE // 2, _TOP + _SIDE // 2), FAINT, 0.8, 'middle')
        self._bars(image, speaker, listener)
        if latency_ms is not None:
            text(
                image,
                f'answered after {latency_ms:.0f} ms',
                (_RIGHT + _SIDE, _TOP + _SIDE + 20),
                FAINT,
                0.45,
                'right',
            )
        text(image, f'{time_s:5.2f} s', (_LEFT, _TOP + _SIDE + 20), FAINT, 0.45)
        x = self._x(time_s)
        line(image, np.array([[x, _WAVE[1] - 4], [x, _WAVE[3] + 4]]), _LISTENER, 2)
        disc(image, np.array([x, _WAVE[1] - 4]), 4, _LISTENER)
        return image

    def _bars(
        self,
        image: np.ndarray,
        speaker: Mapping[str, np.ndarray] | None,
        listener: Mapping[str, np.ndarray] | None,
    ) -> None:
        for row in range(len(AU_NAMES)):
            highest = 5.0 if row < INTENSITIES else 1.0  # the last one is 0 or 1
            for face, side, colour in ((speaker, -1, SPEAKER), (listener, 1, _LISTENER)):
                if face is not None:
                    share = float(np.clip(np.nan_to_num(float(face['au'][row])) / highest, 0, 1))
                    _bar(image, _bar_y(row), side, share, colour)


def _bar_y(row: int) -> int:
    return _TOP + 14 + row * 23


def _bar(image: np.ndarray, y: int, side: int, share: float, colour: Colour) -> None:
    """A bar beside the names, on the left (-1) or on the right (1)."""
    begin = SIZE[0] // 2 + side * 64
    end = begin + side * round(68 * share)
    if begin != end:
        cv2.rectangle(image, (min(begin, end), y - 4), (max(begin, end), y + 4), colour, -1)


def sheet(pictures: list[np.ndarray], columns: int = 3, width: int = 640) -> np.ndarray:
    """Pictures in a grid, each `width` pixels wide."""
    height = round(width * SIZE[1] / SIZE[0])
    small = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures]
    small += [np.full_like(small[0], 30)] * (-len(small) % columns)
    rows = [np.concatenate(small[i : i + columns], axis=1) for i in range(0, len(small), columns)]
    return np.concatenate(rows, axis=0)
