# SPDX-License-Identifier: Apache-2.0
"""Parallel runs: `conftest.py` groups the tests for the workers of pytest-xdist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('xdist')
HERE = Path(__file__).resolve().parent
TESTS = """import pytest
pytestmark = {mark}
@pytest.mark.parametrize('number', range(4))
def test(number):
    pass
"""


def test_real_time_tests_of_several_files_run_in_one_worker_each_other_file_in_one(tmp_path):
    (tmp_path / 'conftest.py').write_text((HERE / 'conftest.py').read_text())
    (tmp_path / 'nodes').mkdir()
    for name in 'abcdef':
        file = tmp_path / ('nodes' if name < 'd' else '.') / f'test_{name}.py'
        file.write_text(TESTS.format(mark='pytest.mark.real_time' if name < 'd' else '[]'))
    (tmp_path / 'pytest.ini').write_text('[pytest]\nmarkers =\n  real_time\n  graph\n')
    makefile = (HERE.parent / 'Makefile').read_text()
    options = re.search(r'-m pytest -n \$\(JOBS\) (.+) -m ', makefile)[1].split()
    run = subprocess.run(
        [
            *(sys.executable, '-m', 'pytest', '-n', '3', *options, '-v'),
            *('-p', 'no:launch_testing', '-p', 'no:launch_ros', '.'),
        ],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if 'PYTEST' not in name},
            'PYTHONPATH': os.pathsep.join([str(HERE), str(HERE.parent)]),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = re.findall(r'\[(gw\d)\].* PASSED \S*test_(.)\.py', run.stdout)
    assert len(found) == 24, run.stdout + run.stderr
    workers = {name: {worker for worker, file in found if file == name} for name in 'abcdef'}
    assert all(len(each) == 1 for each in workers.values()), workers
    assert workers['a'] == workers['b'] == workers['c'], workers
