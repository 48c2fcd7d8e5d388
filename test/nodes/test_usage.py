# SPDX-License-Identifier: Apache-2.0
"""What a node's program says to `--help` and to arguments that are none."""

import subprocess
import sys

import pytest

from robot_face_gen.nodes import tables
from robot_face_gen.nodes.program import start
from robot_face_gen.nodes.usage import read_command_line, without_ros_args


@pytest.mark.parametrize('table', tables.TABLES, ids=lambda table: table.node)
def test_help_of_the_program_shows_all_that_its_table_holds(table, capsys):
    with pytest.raises(SystemExit) as ended:
        start(table.node, ['--help'])
    told, errors = capsys.readouterr()
    assert (ended.value.code, errors) == (0, '')
    assert told.startswith(f'usage: {table.node} ')
    text = ' '.join(told.split())
    for row in table:
        assert f'{row.name}: ' in told and row.note in text
    for topic, kind in (*table.listens, *table.publishes):
        assert topic in told and kind in told


def test_an_argument_that_is_not_for_ros_is_refused_by_name(capsys):
    with pytest.raises(SystemExit) as refused:
        read_command_line(tables.OPENFACE, ['source:=x.csv'])
    assert refused.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('openface_node: error: unknown argument: source:=x.csv')


def test_what_is_for_ros_is_left_to_ros():
    words = ['--ros-args', '-p', 'source:=--help', '--', '-h', '--ros-args', '-r', '__ns:=/a']
    assert without_ros_args(words) == ['-h']
    read_command_line(tables.OPENFACE, ['--ros-args', '-r', '--help:=x'])


def test_a_program_starts_the_node_that_it_is_named_after(tmp_path):
    program = tmp_path / 'replay_node'
    program.write_text(
        'import sys\nfrom robot_face_gen.nodes.program import main\nsys.exit(main())\n'
    )
    told = subprocess.run(
        [sys.executable, str(program), '--help'], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0 and told.stdout.startswith('usage: replay_node ')
