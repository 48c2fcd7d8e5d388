# SPDX-License-Identifier: Apache-2.0
"""Reports of `prepare`: a table for programs, a page for people, and lines for the console."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .checks import ERROR, Finding
from .lip_sync import IN_SYNC, MAX_OFFSET_S, NOT_JUDGED
from .overview import QUIETEST_DB, Overview
from .sessions import PersonFiles, Session
from .store import PreparedSession, write_atomically

TABLE, PAGE = 'report.csv', 'report.html'
_COLUMNS = ('session', 'person', 'level', 'what', 'found', 'expected')
_MOST_PRINTED = 30
_MOST_TIMELINES = 100  # keeps the page of a large data set small

# Geometry of a timeline in units of its view box.
_WIDTH, _LEFT, _RIGHT = 960, 150, 12
_FACE_H, _SOUND_H, _SPEECH_H, _LAG_H, _GAP = 18, 34, 5, 34, 8
_MAX_LAG_S = 1.0


@dataclass(frozen=True)
class SessionReport:
    """What is reported of a session.

    Attributes:
        session: the row of the table, with the names of files.
        prepared: as it is stored; None if it is not used.
        findings: of the session and both people.
        people: of a and b.
    """

    session: Session
    prepared: PreparedSession | None
    findings: list[Finding]
    people: tuple[Overview, Overview]

    def role(self, place: int) -> str:
        """What the person a (0) or b (1) can be."""
        listeners = self.prepared.listeners if self.prepared else self.session.listeners
        if len(listeners) == 2:
            return 'speaker, listener'
        return 'listener' if 'ab'[place] in listeners else 'speaker'


def _rows(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    return [(f.session, f.person, f.level, f.what, f.value, f.expected) for f in findings]


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
    csv.writer(text).writerows([_COLUMNS, *_rows(findings)])
    write_atomically(root / TABLE, text.getvalue().encode())
    write_atomically(root / PAGE, page(name, reports).encode())


# From here on: the page.

_STYLE = """
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:80rem;
margin:0 auto;padding:1rem 1.5rem 4rem}
h1{font-size:1.7rem;margin:.5rem 0}h2{font-size:1.3rem;margin:2rem 0 .5rem}
h3{font-size:1.1rem;margin:0}
a{color:#0b4f9e}.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.5rem 0 1rem;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{border:1px solid #8a8a8a;padding:.25rem .5rem;text-align:left;vertical-align:top}
thead th{background:#e9edf2}tbody th{font-weight:600}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.text{overflow-wrap:anywhere;min-width:12rem}
.error{color:#8f0000;font-weight:600}.warning{color:#6b4300;font-weight:600}
section{border-top:2px solid #8a8a8a;margin-top:1.5rem;padding-top:.8rem}
svg{width:100%;min-width:44rem;height:auto;display:block}
svg text{font:13px system-ui,sans-serif;fill:#1a1a1a}
.key{display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;padding:0;list-style:none;font-size:.9rem}
.key svg{width:2rem;min-width:2rem;height:1rem;display:inline-block;vertical-align:middle}
"""

# Colours alone tell nothing: a partial face is hatched, a missing one is empty.
_DEFINITIONS = (
    '<svg width="0" height="0" style="position:absolute;width:0;min-width:0" aria-hidden="true">'
    '<defs><pattern id="partial" width="5" height="5" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="5" height="5" fill="#fff"/>'
    '<rect width="3" height="5" fill="#b34a00"/></pattern></defs></svg>'
)
_FRAME = 'fill="none" stroke="#6a6a6a"'
_COMPLETE, _PARTIAL = 'fill="#0b5cad"', 'fill="url(#partial)"'
_LEVEL, _SPEECH = 'fill="#76808a"', 'fill="#0a6b45"'


def _icon(inner: str) -> str:
    return (
        f'<svg viewBox="0 0 32 16" aria-hidden="true">{inner}'
        f'<rect x=".5" y=".5" width="31" height="15" {_FRAME}/></svg>'
    )


def _key() -> str:
    full = '<rect width="32" height="16" {}/>'
    entries = (
        (full.format(_COMPLETE), 'face with all values'),
        (full.format(_PARTIAL), 'face with missing values'),
        ('', 'no face'),
        (f'<path d="M0 16V6h8v5h8V3h8v9h8v4z" {_LEVEL}/>', 'sound level'),
        (f'<rect y="11" width="32" height="5" {_SPEECH}/>', 'speech'),
        (
            '<rect y="4" width="32" height="8" fill="#dcebe4"/>'
            '<circle cx="16" cy="8" r="3.5" fill="#1a1a1a"/>',
            'offset of sound and mouth in a window; shaded: allowed',
        ),
    )
    items = ''.join(f'<li>{_icon(inner)} {text}</li>' for inner, text in entries)
    return f'<ul class="key">{items}</ul>'


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


def _tick_s(length_s: float) -> float:
    """Distance of the marks on the time axis: about ten of them."""
    steps = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    return next((step for step in steps if length_s / step <= 10), 7200)


def _clock(time_s: float, step_s: float) -> str:
    if step_s < 60:
        return f'{time_s:g} s'
    minutes = time_s / 60
    return f'{minutes:g} min'


class _Timeline:
    """SVG of a session: one time axis, and the rows of both people."""

    def __init__(self, report: SessionReport) -> None:
        self._report = report
        self._length_s = max(0.1, *(person.length_s for person in report.people))
        self._scale = (_WIDTH - _LEFT - _RIGHT) / self._length_s
        self._y = 4
        self._parts: list[str] = []

    def _label(self, text: str, height: float) -> None:
        y = self._y + height / 2 + 4
        self._parts.append(f'<text x="0" y="{_number(y)}">{escape(text)}</text>')

    def _frame(self, height: float) -> None:
        self._parts.append(
            f'<rect x="{_LEFT}" y="{self._y}" width="{_WIDTH - _LEFT - _RIGHT}" '
            f'height="{height}" {_FRAME}/>'
        )

    def _draw(self, tops: Sequence[float], bottom: float, bin_s: float, fill: str) -> None:
        if any(top < bottom for top in tops):
            path = _bars(tops, bottom, bin_s * self._scale)
            self._parts.append(f'<path d="{path}" {fill}/>')

    def _face(self, person: Overview, place: int) -> None:
        self._label(f'{"ab"[place]}: face', _FACE_H)
        bottom, one = self._y + _FACE_H, _FACE_H / 100
        both = [x + y for x, y in zip(person.complete, person.partial, strict=True)]
        if any(person.partial):
            self._draw([bottom - one * x for x in both], bottom, person.bin_s, _PARTIAL)
        self._draw([bottom - one * x for x in person.complete], bottom, person.bin_s, _COMPLETE)
        self._frame(_FACE_H)
        self._y += _FACE_H + 3

    def _sound(self, person: Overview, place: int) -> None:
        self._label(f'{"ab"[place]}: sound', _SOUND_H)
        bottom = self._y + _SOUND_H
        floor = bottom - _SPEECH_H
        one = (_SOUND_H - _SPEECH_H) / -QUIETEST_DB
        levels = [floor - one * (max(x, QUIETEST_DB) - QUIETEST_DB) for x in person.level_db]
        self._draw(levels, floor, person.bin_s, _LEVEL)
        speech = [bottom - _SPEECH_H * (x >= 50) for x in person.speech]
        self._draw(speech, bottom, person.bin_s, _SPEECH)
        self._frame(_SOUND_H)
        self._y += _SOUND_H + 3

    def _lags(self, person: Overview, place: int) -> None:
        assert person.lip_sync is not None
        self._label(f'{"ab"[place]}: offset (±1 s)', _LAG_H)
        middle, half = self._y + _LAG_H / 2, _LAG_H / 2
        allowed = half * MAX_OFFSET_S / _MAX_LAG_S
        inner = _WIDTH - _LEFT - _RIGHT
        self._parts.append(
            f'<rect x="{_LEFT}" y="{_number(middle - allowed)}" width="{inner}" '
            f'height="{_number(2 * allowed)}" fill="#dcebe4"/>'
            f'<path d="M{_LEFT} {_number(middle)}h{inner}" stroke="#6a6a6a"/>'
        )
        self._parts += [
            f'<circle cx="{_number(_LEFT + lag.time_s * self._scale)}" '
            f'cy="{_number(middle - half * lag.lag_s / _MAX_LAG_S)}" r="3.5" fill="#1a1a1a"/>'
            for lag in person.lip_sync.lags
        ]
        self._frame(_LAG_H)
        self._y += _LAG_H + 3

    def _axis(self) -> None:
        step = _tick_s(self._length_s)
        time_s = 0.0
        while time_s <= self._length_s:
            x = _number(_LEFT + time_s * self._scale)
            near_end = time_s > 0.97 * self._length_s
            anchor = 'end' if near_end else 'middle' if time_s else 'start'
            self._parts.append(
                f'<path d="M{x} {self._y}v5" stroke="#1a1a1a"/>'
                f'<text x="{x}" y="{self._y + 18}" text-anchor="{anchor}">'
                f'{_clock(time_s, step)}</text>'
            )
            time_s += step
        self._y += 24

    def svg(self, title: str) -> str:
        """The whole picture."""
        for place, person in enumerate(self._report.people):
            self._face(person, place)
            if person.sample_rate:
                self._sound(person, place)
            if person.lip_sync and person.lip_sync.lags:
                self._lags(person, place)
            self._y += _GAP
        self._axis()
        return (
            f'<div class="wide"><svg viewBox="0 0 {_WIDTH} {self._y}" role="img" '
            f'aria-label="{escape(title)}">{"".join(self._parts)}</svg></div>'
        )


def _share(part: float, whole: float) -> str:
    return f'{part / whole:.0%}' if whole else '–'


def _face_shares(person: Overview) -> tuple[str, str, str]:
    """Time with a complete, a partial and no face, as shares of the whole face track."""
    if not person.face_s:
        return '–', '–', '–'
    bins = max(1.0, person.face_s / person.bin_s)
    complete, partial = sum(person.complete) / bins / 100, sum(person.partial) / bins / 100
    complete, partial = min(1.0, complete), min(1.0, partial)
    return (
        _share(complete, 1), _share(partial, 1), _share(max(0.0, 1 - complete - partial), 1)
    )  # fmt: skip


def _sync_text(person: Overview) -> str:
    sync = person.lip_sync
    if sync is None:
        return '–'
    if sync.verdict == IN_SYNC:
        return f'in sync ({sync.offset_s[0]:+.2f} s)'
    if sync.verdict == NOT_JUDGED:
        return NOT_JUDGED
    return f'{sync.verdict} ({sync.offset_s[0]:+.2f} to {sync.offset_s[1]:+.2f} s)'


def _table(caption: str, head: Sequence[str], rows: Iterable[str]) -> str:
    cells = ''.join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(caption)}">'
        f'<table><caption>{escape(caption)}</caption>'
        f'<thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _cells(values: Iterable[object], kind: str = '') -> str:
    start = f'<td class="{kind}">' if kind else '<td>'
    return ''.join(f'{start}{escape(str(value))}</td>' for value in values)


def _summary_row(number: int, report: SessionReport, has_timeline: bool) -> str:
    used = 'yes' if report.prepared else '<span class="error">no</span>'
    name = escape(report.session.name)
    link = f'<a href="#s{number}">{name}</a>' if has_timeline else name
    rows = []
    for place, person in enumerate(report.people):
        start = (
            f'<th scope="rowgroup" rowspan="2">{link}</th><td rowspan="2">{used}</td>'
            f'<td rowspan="2">{report.session.split}</td>'
            if place == 0
            else ''
        )
        faces = [f'{person.face_s:.1f} s' if person.face_s else '–', *_face_shares(person)]
        sound = (
            [f'{person.sound_s:.1f} s', f'{person.speech_s:.1f} s']
            if person.sample_rate
            else ['–', '–']
        )
        found = [f for f in report.findings if f.person in ('ab'[place], '' if place else 'ab'[0])]
        errors = sum(f.level == ERROR for f in found)
        rows.append(
            f'<tr>{start}<th scope="row">{"ab"[place]}</th>{_cells([report.role(place)])}'
            f'{_cells(faces + sound, "n")}{_cells([_sync_text(person)])}'
            f'{_cells([errors, len(found) - errors], "n")}</tr>'
        )
    return ''.join(rows)


def _finding_row(finding: Finding) -> str:
    level = f'<td class="{finding.level}">{finding.level}</td>'
    person = finding.person or 'both'
    return (
        f'<tr>{level}<th scope="row">{escape(person)}</th>{_cells([finding.what])}'
        f'{_cells([finding.value, finding.expected], "text")}</tr>'
    )


def _file_names(files: PersonFiles, is_bag: bool) -> str:
    if is_bag:
        return f'topics /{files.topics.strip("/")}'
    return f'{files.face.name}, {files.sound.name if files.sound else "no sound"}'


def _person_text(report: SessionReport, place: int) -> str:
    """One line about a person; it also says what the picture shows."""
    person = report.people[place]
    names = _file_names(report.session.people[place], report.session.is_bag)
    parts = [f'{"ab"[place]}, {report.role(place)} ({names})']
    if person.face_s:
        complete, partial, none = _face_shares(person)
        parts.append(
            f'{person.frames} frames at {person.rate_hz:.4g} Hz, {person.valid} with a face, '
            f'{person.partly_valid} of them with missing values '
            f'(time: {complete} complete, {partial} with missing values, {none} no face)'
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


def _section(number: int, report: SessionReport) -> str:
    name, state = report.session.name, 'used' if report.prepared else 'not used'
    people = ''.join(f'<li>{escape(_person_text(report, place))}</li>' for place in (0, 1))
    picture = ''
    if any(person.length_s for person in report.people):
        title = f'Timeline of session {name}: faces, sound and offsets; the text says the same'
        picture = _Timeline(report).svg(title)
    findings = ''
    if report.findings:
        errors_first = sorted(report.findings, key=lambda f: f.level != ERROR)
        findings = _table(
            'Problems', ('level', 'person', 'what', 'found', 'expected'),
            map(_finding_row, errors_first),
        )  # fmt: skip
    kind = '' if report.prepared else ' class="error"'
    return (
        f'<section id="s{number}"><h3>{escape(name)}: <span{kind}>{state}</span> '
        f'({report.session.split})</h3><ul>{people}</ul>{picture}{findings}</section>'
    )


def _problem_table(reports: Sequence[SessionReport]) -> str:
    sessions: Counter[tuple[str, str]] = Counter()
    for report in reports:
        sessions.update({(f.level, f.what) for f in report.findings})
    order = sorted(sessions.items(), key=lambda entry: (entry[0][0] != ERROR, -entry[1]))
    rows = (
        f'<tr><td class="{level}">{level}</td><th scope="row">{escape(what)}</th>'
        f'{_cells([count], "n")}</tr>'
        for (level, what), count in order
    )
    return _table('Problems in all sessions', ('level', 'what', 'sessions'), rows)


def page(name: str, reports: Sequence[SessionReport]) -> str:
    """The page of a run of `prepare`: HTML that needs no other file.

    Args:
        name: of the data set.
        reports: in the order of the table.
    """
    used = [report for report in reports if report.prepared]
    # Sessions that are not used come first, then those with warnings.
    order = sorted(
        range(len(reports)),
        key=lambda k: (reports[k].prepared is not None, not reports[k].findings, k),
    )
    shown = set(order[:_MOST_TIMELINES])
    minutes = sum(report.prepared.frames for report in used if report.prepared) / 25 / 60
    splits = Counter(report.session.split for report in used)
    shares = ', '.join(f'{count} {split}' for split, count in splits.items())
    head = (
        'session', 'used', 'split', 'person', 'can be', 'face', 'complete', 'missing values',
        'no face', 'sound', 'speech', 'sound and mouth', 'errors', 'warnings',
    )  # fmt: skip
    rows = (_summary_row(k, report, k in shown) for k, report in enumerate(reports))
    more = ''
    if len(reports) > len(shown):
        more = (
            f'<p>Timelines of {len(shown)} sessions are shown, those with problems first. '
            f'{TABLE} lists the problems of all sessions.</p>'
        )
    title = f'Prepared data: {escape(name)}'
    problems = _problem_table(reports) if any(r.findings for r in reports) else (
        '<p>No problem was found.</p>'
    )  # fmt: skip
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{title}</title><style>{_STYLE}</style></head><body>{_DEFINITIONS}'
        f'<main><h1>{title}</h1>'
        f'<p><strong>{len(used)} of {len(reports)} sessions are used</strong>'
        f'{f": {minutes:.1f} minutes ({shares})" if used else ""}. '
        'An error leaves a session out. A warning does not.</p>'
        f'{problems}<h2>Summary</h2>{_table("Sessions and people", head, rows)}'
        '<p>Face times are shares of the length of the face. Speech is found by loudness alone. '
        'Sound and mouth are compared only where a person speaks and the lips move, in at least '
        'two windows of 8 s; otherwise they are not judged, which is no problem.</p>'
        f'<h2>Timelines</h2>{_key()}{more}'
        f'{"".join(_section(k, reports[k]) for k in order if k in shown)}'
        '</main></body></html>\n'
    )
