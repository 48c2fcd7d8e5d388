# SPDX-License-Identifier: Apache-2.0
"""Reports of `prepare`: a table for programs, a page for people, and lines for the console."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robot_face_gen.resources import fill_in
from robot_face_gen.timing import FRAME_RATE_HZ

from .checks import ERROR, Finding
from .lip_sync import IN_SYNC, MAX_OFFSET_S, NOT_JUDGED
from .overview import QUIETEST_DB, Overview
from .sessions import Session
from .store import PreparedSession, write_atomically

TABLE, PAGE = 'report.csv', 'report.html'
_COLUMNS = ('session', 'person', 'level', 'what', 'found', 'expected')
_MOST_PRINTED = 30
_MOST_TIMELINES = 100  # keeps the page of a large data set small

# Geometry of a timeline in units of its view box.
_WIDTH, _LEFT, _INNER = 960, 150, 798
_FACE_H, _SOUND_H, _SPEECH_H, _LAG_H, _GAP, _AXIS_H = 18, 34, 5, 34, 8, 24
_MAX_LAG_S = 1.0


@dataclass(frozen=True)
class SessionReport:
    """What is reported of a session."""

    session: Session  # the row of the table, with the names of files
    prepared: PreparedSession | None  # as it is stored; None if it is not used
    findings: list[Finding]  # of the session and both people
    people: tuple[Overview, Overview]  # of a and b

    def role(self, place: int) -> str:
        """What the person a (0) or b (1) can be."""
        listeners = self.prepared.listeners if self.prepared else self.session.listeners
        if len(listeners) == 2:
            return 'speaker, listener'
        return 'listener' if 'ab'[place] in listeners else 'speaker'


def print_findings(findings: Sequence[Finding]) -> None:
    """Print the findings, one a line, errors first."""
    for f in sorted(findings, key=lambda finding: finding.level != ERROR)[:_MOST_PRINTED]:
        who = f'session {f.session}' + (f', person {f.person}' if f.person else '')
        print(f'{f.level}: {who}: {f.what}: {f.value} (expected: {f.expected})')
    if len(findings) > _MOST_PRINTED:
        print(f'... and {len(findings) - _MOST_PRINTED} more: see {TABLE}')


def write_reports(root: Path, name: str, reports: Sequence[SessionReport]) -> None:
    """Write the table and the page into a folder; `name` is that of the data set.

    Raises:
        OSError: a file cannot be written.
    """
    text = io.StringIO()
    findings = [finding for report in reports for finding in report.findings]
    rows = ((f.session, f.person, f.level, f.what, f.value, f.expected) for f in findings)
    csv.writer(text).writerows([_COLUMNS, *rows])
    write_atomically(root / TABLE, text.getvalue().encode())
    write_atomically(root / PAGE, page(name, reports).encode())


def page(name: str, reports: Sequence[SessionReport]) -> str:
    """The page of a run of `prepare`: HTML that needs no other file."""
    # Sessions that are not used come first, then those with warnings.
    order = sorted(
        range(len(reports)),
        key=lambda k: (reports[k].prepared is not None, not reports[k].findings, k),
    )
    shown = order[:_MOST_TIMELINES]
    sessions = [_session(k, report, k in shown) for k, report in enumerate(reports)]
    prepared = [report.prepared for report in reports if report.prepared]
    counts: Counter[tuple[str, str]] = Counter()
    for report in reports:
        counts.update({(f.level, f.what) for f in report.findings})
    splits = Counter(session.split for session in prepared)
    return fill_in(
        'data', PAGE, name=name, sessions=sessions, shown=[sessions[k] for k in shown],
        used=len(prepared),
        minutes=sum(session.frames for session in prepared) / FRAME_RATE_HZ / 60,
        splits=', '.join(f'{count} {split}' for split, count in splits.items()),
        problems=sorted(counts.items(), key=lambda item: (item[0][0] != ERROR, -item[1])),
        table_name=TABLE, width=_WIDTH, left=_LEFT, inner=_INNER,
    )  # fmt: skip


def _session(number: int, report: SessionReport, shown: bool) -> dict[str, Any]:
    """What the template shows of a session."""
    return {
        'number': number,
        'shown': shown,
        'name': report.session.name,
        'used': report.prepared is not None,
        'split': report.session.split,
        'people': [_person(report, place) for place in (0, 1)],
        'findings': sorted(report.findings, key=lambda f: f.level != ERROR),
        'timeline': _timeline(report) if shown and _length_s(report) else None,
    }


def _person(report: SessionReport, place: int) -> dict[str, Any]:
    person, letter = report.people[place], 'ab'[place]
    shares = _face_shares(person)
    found = [f for f in report.findings if f.person in (letter, '' if place else letter)]
    errors = sum(f.level == ERROR for f in found)
    return {
        'letter': letter,
        'role': report.role(place),
        'figures': [
            f'{person.face_s:.1f} s' if person.face_s else '–',
            *shares,
            *(
                f'{x:.1f} s' if person.sample_rate else '–'
                for x in (person.sound_s, person.speech_s)
            ),
        ],
        'sync': _sync_text(person),
        'errors': errors,
        'warnings': len(found) - errors,
        'text': _person_text(report, place, shares),
    }


def _face_shares(person: Overview) -> list[str]:
    """Time with a complete, a partial and no face, as shares of the whole face track."""
    if not person.face_s:
        return ['–'] * 3
    bins = 100 * max(1.0, person.face_s / person.bin_s)
    complete, partial = (min(1.0, sum(x) / bins) for x in (person.complete, person.partial))
    return [f'{x:.0%}' for x in (complete, partial, max(0.0, 1 - complete - partial))]


def _sync_text(person: Overview) -> str:
    sync = person.lip_sync
    if sync is None:
        return '–'
    if sync.verdict == IN_SYNC:
        return f'in sync ({sync.offset_s[0]:+.2f} s)'
    if sync.verdict == NOT_JUDGED:
        return NOT_JUDGED
    return f'{sync.verdict} ({sync.offset_s[0]:+.2f} to {sync.offset_s[1]:+.2f} s)'


def _person_text(report: SessionReport, place: int, shares: list[str]) -> str:
    """One line about a person; it also says what the picture shows."""
    person, files = report.people[place], report.session.people[place]
    names = f'{files.face.name}, {files.sound.name if files.sound else "no sound"}'
    if report.session.is_bag:
        names = f'topics /{files.topics.strip("/")}'
    parts = [f'{"ab"[place]}, {report.role(place)} ({names})']
    if person.face_s:
        parts.append(
            f'{person.frames} frames at {person.rate_hz:.4g} Hz, {person.valid} with a face, '
            f'{person.partly_valid} of them with missing values (time: {shares[0]} complete, '
            f'{shares[1]} with missing values, {shares[2]} no face)'
        )
    else:
        parts.append('no usable face')
    if person.sample_rate:
        parts.append(
            f'{person.sound_s:.1f} s of sound at {person.sample_rate} Hz, '
            f'{person.speech_s:.1f} s of it speech'
        )
    if person.lip_sync:
        parts.append(f'sound and mouth: {person.lip_sync.verdict} ({person.lip_sync.reason})')
    return '; '.join(parts)


def _length_s(report: SessionReport) -> float:
    return max(person.length_s for person in report.people)


def _number(value: float) -> str:
    return f'{value:.1f}'.removesuffix('.0')


def _bars(tops: Sequence[float], bottom: float, width: float) -> str:
    """Outline of bars from `bottom` up to their tops (y), one a bin, as the data of a path."""
    path = [f'M{_LEFT} {_number(bottom)}']
    for k, top in enumerate(tops):
        if k == 0 or top != tops[k - 1]:
            path.append(f'V{_number(top)}')
        if k + 1 == len(tops) or tops[k + 1] != top:
            path.append(f'H{_number(_LEFT + (k + 1) * width)}')
    return f'{"".join(path)}V{_number(bottom)}z'


def _timeline(report: SessionReport) -> dict[str, Any]:
    """Rows of both people and the marks of the time axis, with their places in the picture."""
    length_s = max(0.1, _length_s(report))
    scale = _INNER / length_s
    rows: list[dict[str, Any]] = []
    y = 4

    def add_row(label: str, height: int) -> dict[str, Any]:
        nonlocal y
        text_y = _number(y + height / 2 + 4)
        rows.append(
            {'label': label, 'y': y, 'height': height, 'text_y': text_y, 'paths': [], 'dots': [],
             'allowed': ()}
        )  # fmt: skip
        y += height + 3
        return rows[-1]

    for place, person in enumerate(report.people):
        letter, width = 'ab'[place], person.bin_s * scale

        def draw(row: dict, kind: str, bottom: float, heights: list, width: float = width) -> None:
            if any(height > 0 for height in heights):
                path = _bars([bottom - height for height in heights], bottom, width)
                row['paths'].append((kind, path))

        row = add_row(f'{letter}: face', _FACE_H)
        bottom, one = row['y'] + _FACE_H, _FACE_H / 100
        both = [x + y for x, y in zip(person.complete, person.partial, strict=True)]
        if any(person.partial):
            draw(row, 'partial', bottom, [one * x for x in both])
        draw(row, 'complete', bottom, [one * x for x in person.complete])
        if person.sample_rate:
            row = add_row(f'{letter}: sound', _SOUND_H)
            bottom = row['y'] + _SOUND_H
            one = (_SOUND_H - _SPEECH_H) / -QUIETEST_DB
            levels = [one * (max(x, QUIETEST_DB) - QUIETEST_DB) for x in person.level_db]
            draw(row, 'level', bottom - _SPEECH_H, levels)
            draw(row, 'speech', bottom, [_SPEECH_H * (x >= 50) for x in person.speech])
        if person.lip_sync and person.lip_sync.lags:
            row = add_row(f'{letter}: offset (±1 s)', _LAG_H)
            half = _LAG_H / 2
            middle, allowed = row['y'] + half, half * MAX_OFFSET_S / _MAX_LAG_S
            row['middle'] = _number(middle)
            row['allowed'] = (_number(middle - allowed), _number(2 * allowed))
            row['dots'] = [
                (_number(_LEFT + lag.time_s * scale),
                 _number(middle - half * lag.lag_s / _MAX_LAG_S))
                for lag in person.lip_sync.lags
            ]  # fmt: skip
        y += _GAP
    return {'rows': rows, 'ticks': _ticks(length_s, scale), 'height': y + _AXIS_H}


def _ticks(length_s: float, scale: float) -> list[tuple[str, str, str]]:
    """Place, alignment and text of about ten marks of the time axis."""
    steps = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    step = next((step for step in steps if length_s / step <= 10), 7200)
    ticks = []
    for k in range(int(length_s / step) + 1):
        time_s = k * step
        near_end = time_s > 0.97 * length_s
        anchor = 'end' if near_end else 'middle' if k else 'start'
        text = f'{time_s:g} s' if step < 60 else f'{time_s / 60:g} min'
        ticks.append((_number(_LEFT + time_s * scale), anchor, text))
    return ticks
