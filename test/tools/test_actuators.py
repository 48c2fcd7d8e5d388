# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen actuators check`."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from faces import make_frames

from robot_face_gen.cli import main
from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.face.rehearsal import rehearse, use_of
from robot_face_gen.features.openface_write import write_openface_csv
from robot_face_gen.resources import demo_recording

CONFIG = Path(__file__).resolve().parents[2] / 'config'
HEAD = CONFIG / 'actuators.yaml'


class Elements(HTMLParser):
    """The elements of a page, as (tag, attributes)."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def of(self, tag, kind):
        return [each for name, each in self.found if name == tag and each.get('class') == kind]


def test_a_good_file_is_described(capsys):
    assert main(['actuators', 'check', str(HEAD)]) == 0
    text = capsys.readouterr().out
    assert re.search(r'neck_tilt +-0.5 to 0.5 rad +0 +2 +15', text)
    assert 'face_controller/commands: positions of 12 actuators (off)' in text


def test_mistakes_are_told_by_line(tmp_path, capsys):
    path = tmp_path / 'mine.yaml'
    path.write_text('actuators:\n- name: jaw\n  min: 0\n  min: 1\n  max: 1\n')
    assert main(['actuators', 'check', str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}:4: 'min' appears twice in an actuator (first in line 3)" in lines
    assert lines[-1] == f'{path}: {len(lines) - 1} mistakes'


def test_a_missing_file_is_one_line(capsys):
    assert main(['actuators', 'check', 'nowhere.yaml']) == 2
    assert 'nowhere.yaml' in capsys.readouterr().err


def test_every_path_is_drawn_against_its_limits(tmp_path, capsys):
    csv, out = tmp_path / 'a<b>.csv', tmp_path / 'drawn.html'
    write_openface_csv(csv, make_frames(200))
    words = ['actuators', 'check', str(HEAD), '--reaction', str(csv), '--out', str(out)]
    assert main(words) == 0
    assert str(out) in capsys.readouterr().out
    text = out.read_text(encoding='utf-8')
    assert '<h1>Actuators: a&lt;b&gt;.csv</h1>' in text
    assert not re.search(r'(src|href)=|url\(|@import', text)  # needs no other file
    elements = Elements(text)
    count = len(read_actuators(HEAD).names)
    assert len(elements.of('polyline', 'path')) == 2 * count
    assert len(elements.of('polyline', 'target')) == count
    assert len(elements.of('line', 'limit')) == 4 * count
    # Every path lies between its limits.
    for path in elements.of('polyline', 'path')[::2]:
        heights = np.array([float(point.split(',')[1]) for point in path['points'].split()])
        assert heights.min() >= 150 * 0.1 / 1.2 - 0.2 and heights.max() <= 150 * 1.1 / 1.2 + 0.2


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is always full')
def test_a_full_disk_is_an_error_with_the_path(tmp_path, capsys):
    write_openface_csv(tmp_path / 'a.csv', make_frames(50))
    words = ['actuators', 'check', str(HEAD), '--reaction', str(tmp_path / 'a.csv')]
    assert main([*words, '--out', '/dev/full']) == 2
    assert '/dev/full: no space left' in capsys.readouterr().err


def test_long_recordings_are_thinned_but_keep_their_extremes(tmp_path):
    csv, out = tmp_path / 'long.csv', tmp_path / 'drawn.html'
    write_openface_csv(csv, make_frames(25 * 180))
    words = ['actuators', 'check', str(CONFIG / 'actuators_screen.yaml'), '--reaction', str(csv)]
    assert main([*words, '--out', str(out)]) == 0
    for path in Elements(out.read_text()).of('polyline', 'path'):
        assert 1000 < len(path['points'].split()) <= 3000


def test_a_rehearsal_follows_the_recording_within_the_limits():
    actuators = read_actuators(HEAD)
    face, _ = demo_recording()
    from robot_face_gen.features.openface import OpenFaceFile

    recording = OpenFaceFile(face)
    found = rehearse(actuators, recording.frames())
    assert found.time_s[-1] == pytest.approx(recording.duration_s + 2.0, abs=0.1)
    assert found.fresh[: round(50 * 2.5)].all() and not found.fresh[-50:].any()
    assert (found.positions >= actuators.limits.low).all()
    assert (found.positions <= actuators.limits.high).all()
    lids = actuators.names.index('lid_upper_left')
    for column, use in enumerate(use_of(found, actuators)):
        assert use.speed <= 1.0 + 1e-9
        if column not in (lids, lids + 1):
            assert use.clipped == 0.0 and use.lag < 0.15
    assert use_of(found, actuators)[lids].clipped > 0.0
