# SPDX-License-Identifier: Apache-2.0
"""The measurements of the bench, small cases in real processes."""

import json
import time

import pytest
from launching import run_python
from speakers import SMALL

from robot_face_gen.bench import cases, report
from robot_face_gen.bench.timing import timed
from robot_face_gen.cli import main
from robot_face_gen.facial_reaction_model import create_model

ROW = {'frames', 'history', 'threads', 'backend', 'device', 'median_ms', 'p95_ms', 'p99_ms', 'n',
       'rss_mb'}  # fmt: skip


@pytest.fixture
def eager_alone(monkeypatch):
    monkeypatch.setattr(report, 'backends', lambda: ['eager'])


def test_only_the_call_is_measured():
    figures = timed(lambda: time.sleep(0.004), 0.0, least=5, before=lambda: time.sleep(0.02))
    assert figures['n'] == 5
    assert 4.0 <= figures['median_ms'] < 20.0
    assert figures['cpu_ms'] < 3.0
    begin = time.monotonic()
    timed(lambda: None, 0.0, least=5, warmup=0, period_s=0.02)
    assert time.monotonic() - begin >= 0.09


def test_reaction_steps_at_all_histories(monkeypatch):
    monkeypatch.setattr(cases, 'full_model', lambda *_: create_model(SMALL))
    monkeypatch.setattr(cases, '_CALL_PERIOD_S', 0.0)
    case = {'threads': 1, 'backend': 'eager', 'quick': True, 'seconds': 0.0,
            'frames': [1, 16], 'histories': [16, 75000]}  # fmt: skip
    rows = cases.reaction_step(case)
    assert [(row['frames'], row['history'], row['history_simulated']) for row in rows] == [
        (1, 16, False), (16, 16, False), (1, 75000, True), (16, 75000, True),
    ]  # fmt: skip
    assert len({row['state_mb'] for row in rows}) == 1
    assert all(0.0 < row['median_ms'] <= row['p95_ms'] <= row['p99_ms'] for row in rows)


def test_reaction_step_of_a_robot_does_not_import_torch():
    case = {'threads': 1, 'backend': 'onnx', 'quick': True, 'seconds': 0.0,
            'frames': [1], 'histories': [16, 75000]}  # fmt: skip
    code = (
        'import json, sys; from robot_face_gen.bench.cases import reaction_step;'
        f'print(json.dumps([reaction_step({case!r}), "torch" in sys.modules]))'
    )
    done = run_python(code, check=True)
    rows, has_torch = json.loads(done.stdout)
    assert [row['history'] for row in rows] == [16, 75000]
    assert rows[0]['state_mb'] == rows[1]['state_mb'] > 1.0
    assert not has_torch


def test_command_writes_a_table_and_json(eager_alone, monkeypatch, tmp_path, capsys):
    def run_here(name, case):  # a child would import torch anew
        return getattr(cases, name)({**case, 'seconds': 0.0, 'least': 2})

    monkeypatch.setattr(report, 'run_case', run_here)
    monkeypatch.setattr(report, 'THREADS', (1,))
    out = tmp_path / 'figures.json'
    assert main(['bench', '--quick', '--only', 'whisper_hop', '--json', str(out)]) == 0
    printed = capsys.readouterr().out
    assert 'openai-whisper' in printed and '== whisper_hop' in printed
    found = json.loads(out.read_text())
    assert {'cpu', 'cores', 'torch'} <= found['machine'].keys()
    assert all(row.keys() >= ROW for row in found['whisper_hop'])
    by_backend = {}
    for row in found['whisper_hop']:
        by_backend.setdefault(row['backend'], []).append(row['cpu_ms'])
    assert min(by_backend['openai-whisper']) > 3 * min(by_backend['eager'])


def test_a_failed_measurement_is_reported_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(report, 'backends', lambda: ['tvm'])
    assert main(['bench', '--quick', '--only', 'whisper_hop']) == 2
    error = capsys.readouterr().err
    assert "backend = 'tvm'" in error and error.count('\n') == 1


def test_a_file_that_cannot_be_written_is_found_before_the_work(tmp_path, capsys):
    assert main(['bench', '--json', str(tmp_path / 'no' / 'bench.json')]) == 2
    told = capsys.readouterr()
    assert 'bench.json: there is no folder' in told.err and not told.out


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(['bench', '--only', 'coffee'])
    assert 'coffee' in capsys.readouterr().err


def test_tables_show_what_was_not_measured(capsys):
    report.print_part(
        'faces', [{'backend': 'eager', 'device': 'cuda', 'faces': report.NOT_MEASURED}]
    )
    assert 'not measured' in capsys.readouterr().out
