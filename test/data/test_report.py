# SPDX-License-Identifier: Apache-2.0
"""The page is complete HTML without other files, and shows each session and problem."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from robot_face_gen.data.checks import ERROR, WARNING, Finding
from robot_face_gen.data.lip_sync import OFFSET, Lag, LipSync
from robot_face_gen.data.overview import Overview
from robot_face_gen.data.report import SessionReport, page, print_findings, write_reports
from robot_face_gen.data.sessions import PersonFiles, Session
from robot_face_gen.data.store import PreparedSession

VOID = {'meta', 'rect', 'path', 'circle'}


class Reader(HTMLParser):
    """Checks that tags are balanced; collects tags, ids, links and the text of cells."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.cells = [], [], set(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.tags.append((tag, names))
        self.ids.add(names.get('id'))
        self.links += [names['href']] if 'href' in names else []
        if tag in ('td', 'th'):
            self.cells.append('')
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and {'td', 'th'} & set(self.open):
            self.cells[-1] += data

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def person(**values):
    basic = {'face_s': 10.0, 'sound_s': 10.0, 'rate_hz': 25.0, 'sample_rate': 16000, 'frames': 250,
             'valid': 200, 'partly_valid': 50, 'speech_s': 4.0, 'bin_s': 2.5,
             'complete': [100, 50, 0, 0], 'partial': [0, 0, 100, 0],
             'level_db': [-60, -30, 0, -30], 'speech': [0, 100, 100, 0]}  # fmt: skip
    return Overview(**{**basic, **values})


def make(name, findings=(), used=True, people=None, listeners='b'):
    files = (PersonFiles(Path(name) / 'a.csv', Path(name) / 'a.mp4'),
             PersonFiles(Path(name) / 'b.csv', None))  # fmt: skip
    session = Session(name, 'train', listeners, ('', ''), files)
    prepared = PreparedSession(name, 'train', listeners, ('', ''), ('x', 'y'), 250)
    return SessionReport(
        session, prepared if used else None, list(findings), people or (person(), Overview())
    )


BAD = Finding(ERROR, 'face file', 'no <a.csv>', 'a file', 'bad <b>"name"&', 'a')
WARN = Finding(WARNING, 'listener', 'only b', 'both', 'bad <b>"name"&')


def test_a_page_without_other_files():
    text = page('data & "more"', [make('good'), make('bad <b>"name"&', [WARN, BAD], used=False)])
    reader = Reader(text)
    # Nothing is loaded.
    assert not re.search(r'https?:|@import|<script|<link|<img|src=', text)
    assert re.findall(r'url\(([^)]*)\)', text) == ['#partial'] * text.count('url(')
    assert 'partial' in reader.ids
    assert all(link[1:] in reader.ids for link in reader.links) and len(reader.links) == 2
    html = next(names for tag, names in reader.tags if tag == 'html')
    assert html['lang'] == 'en'
    assert text.isascii() or '<meta charset="utf-8">' in text
    # Names are text, not markup.
    assert '<b>' not in text and 'bad &lt;b&gt;&#34;name&#34;&amp;' in text
    assert '<title>Prepared data: data &amp; &#34;more&#34;</title>' in text


def test_headings_tables_and_pictures_can_be_read_aloud():
    text = page('x', [make('good'), make('bad', [BAD], used=False)])
    reader = Reader(text)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch('h[1-6]', tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    assert reader.count('caption') == reader.count('table') == 3
    assert all('scope' in names for tag, names in reader.tags if tag == 'th')
    pictures = [names for tag, names in reader.tags if tag == 'svg']
    named = [names for names in pictures if names.get('role') == 'img' and names['aria-label']]
    assert len(named) == 2
    assert all(names.get('aria-hidden') for names in pictures if names not in named)


def luminance(colour):
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_on_white():
    """WCAG: 4.5 for text, 3 for what a picture shows."""
    written = page('x', [make('good')])
    style = re.search('<style>(.*)</style>', written, re.DOTALL)[1]
    text = re.findall(r'[{;]color:#(\w+)', style)
    drawn = set(re.findall(r'<(?:path|rect|circle)[^>]* fill="#(\w{6})"', written))
    shapes = drawn - {'dcebe4'}  # the shading of what is allowed
    assert len(text) >= 4 and len(shapes) == 5
    for colours, least in ((text, 4.5), (shapes, 3.0)):
        for colour in colours:
            assert 1.05 / (luminance(colour) + 0.05) >= least, colour


def test_a_summary_with_shares_roles_and_verdicts():
    late = LipSync(OFFSET, '+0.50 s; 2 of 2', [Lag(4.0, 0.5, 0.9), Lag(8.0, 0.5, 0.9)], (0.5, 0.5))
    text = page('x', [make('good', people=(person(lip_sync=late), person(sample_rate=0)))])
    cells = Reader(text).cells
    row = cells[cells.index('good') :]
    assert row[:14] == [
        'good', 'yes', 'train', 'a', 'speaker', '10.0 s', '38%', '25%', '38%', '10.0 s', '4.0 s',
        'offset (+0.50 to +0.50 s)', '0', '0',
    ]  # fmt: skip
    assert row[14:17] == ['b', 'listener', '10.0 s'] and row[20:23] == ['–', '–', '–']
    assert '1 of 1 sessions are used' in text and '0.2 minutes (1 train)' in text
    assert 'a, speaker (a.csv, a.mp4)' in text and 'b, listener (b.csv, no sound)' in text
    assert 'sound and mouth: offset (+0.50 s; 2 of 2)' in text
    # One dot for each window, in the upper half: the sound is late.
    dots = re.findall(
        r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3.5" fill="#1a1a1a"/>(?!</svg>)', text
    )
    assert [float(x) for x, _ in dots[-2:]] == pytest.approx([150 + 319.2, 150 + 638.4])


def test_a_bar_is_as_high_as_its_value():
    text = page('x', [make('good')])
    (blue,) = re.findall(r'<path d="([^"]*)" fill="#0b5cad"/>', text)
    # 798 units for 10 s from x = 150; the row lies between y = 4 and y = 22.
    assert blue == 'M150 22V4H349.5V13H549V22H948V22z'
    (hatched,) = re.findall(r'<path d="([^"]*)" fill="url\(#partial\)"/>', text)
    assert hatched == 'M150 22V4H349.5V13H549V4H748.5V22H948V22z'
    (grey,) = re.findall(
        r'<path d="([^"]*)" fill="#76808a"/><path d="([^"]*)" fill="#0a6b45"/>', text
    )
    assert grey[0] == 'M150 54V54H349.5V39.5H549V25H748.5V39.5H948V54z'
    assert grey[1] == 'M150 59V59H349.5V54H748.5V59H948V59z'


def test_sessions_with_problems_come_first_and_the_page_stays_small():
    many = [make(f'session_{k:03d}') for k in range(150)]
    many[120] = make('warned', [WARN])
    many[140] = make('failed', [BAD], used=False)
    text = page('x', many)
    reader = Reader(text)
    assert reader.count('section') == 100
    names = re.findall(r'<h3>([^:]*):', text)
    assert names[:3] == ['failed', 'warned', 'session_000']
    assert 'Timelines of 100 sessions are shown, those with problems first' in text
    assert all(link[1:] in reader.ids for link in reader.links)
    assert 'session_149' in reader.cells
    assert len(text) < 500_000


def test_problems_are_counted_by_sessions():
    twice = [BAD, BAD, WARN]
    text = page('x', [make('bad', twice, used=False), make('ill', [WARN]), make('good')])
    cells = Reader(text).cells
    begin = cells.index('error')
    assert cells[begin : begin + 6] == ['error', 'face file', '1', 'warning', 'listener', '2']
    assert 'No problem was found.' in page('x', [make('good')])


def test_table_and_console(tmp_path, capsys):
    write_reports(tmp_path, 'x', [make('bad', [WARN, BAD], used=False)])
    assert (tmp_path / 'report.csv').read_text().splitlines() == [
        'session,person,level,what,found,expected',
        '"bad <b>""name""&",,warning,listener,only b,both',
        '"bad <b>""name""&",a,error,face file,no <a.csv>,a file',
    ]
    assert Reader((tmp_path / 'report.html').read_text(encoding='utf-8')).count('section') == 1
    print_findings([WARN, BAD])
    assert capsys.readouterr().out.splitlines() == [
        'error: session bad <b>"name"&, person a: face file: no <a.csv> (expected: a file)',
        'warning: session bad <b>"name"&: listener: only b (expected: both)',
    ]
    print_findings([WARN] * 31)
    assert '... and 1 more: see report.csv' in capsys.readouterr().out
