# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
import yaml

from robot_face_gen.nodes import tables
from robot_face_gen.nodes.parameter_table import Row

REPOSITORY = Path(__file__).resolve().parents[2]
YAML = REPOSITORY / 'config' / 'bringup.yaml'


def test_bringup_yaml_is_what_the_tables_say():
    assert YAML.read_text(encoding='utf-8') == tables.bringup_yaml(), (
        'python -m robot_face_gen.nodes.tables yaml > config/bringup.yaml'
    )


def test_bringup_yaml_parses_to_every_default():
    parsed = yaml.safe_load(YAML.read_text(encoding='utf-8'))
    assert {name: part['ros__parameters'] for name, part in parsed.items()} == {
        f'/**/{table.node}': {row.name: row.default for row in table} for table in tables.TABLES
    }
    for table in tables.TABLES:
        for row in table:
            value = parsed[f'/**/{table.node}']['ros__parameters'][row.name]
            assert type(value) is type(row.default), row.name


def test_every_parameter_has_a_comment_with_text_and_unit():
    lines = YAML.read_text(encoding='utf-8').splitlines()
    assert max(map(len, lines)) <= 99
    rows = [row for table in tables.TABLES for row in table]
    comments, comment = [], ''
    for line in lines:
        if line.startswith('    # '):
            comment += line[5:]
        elif line.startswith('    '):
            comments.append(comment.strip())
            comment = ''
    assert len(comments) == len(rows)
    for row, text in zip(rows, comments, strict=True):
        assert text.startswith(row.text)
        assert row.unit in text and row.limits in text


def test_markdown_has_every_parameter_with_its_default():
    text = tables.markdown()
    for table in tables.TABLES:
        for row in table:
            assert f'| `{row.name}` | `' in text
    assert '| `hop` | `1` | frames of 40 ms | 1 to 16 | yes |' in text


@pytest.mark.parametrize(
    ('table', 'name', 'value', 'words'),
    [
        (tables.WHISPER, 'hop_s', 0.0, 'hop_s = 0.0: expected at least 0.02, or -1.0'),
        (tables.WHISPER, 'context_s', -0.5, 'expected a multiple of 0.02, or -1.0'),
        (tables.WHISPER, 'settle_s', 0.05, 'settle_s = 0.05: expected a multiple of 0.02, or -1'),
        (tables.OPENFACE, 'source', ' ', "source = ' ': expected a source"),
        (tables.OPENFACE, 'start_time', -1.0, 'start_time = -1.0: expected 0.0 or a time'),
        (tables.OPENFACE, 'start_time', float('inf'), 'start_time = inf: expected 0.0 or a time'),
        (tables.RECORD, 'duration_s', float('nan'), 'duration_s = nan: expected 0.0 or a time'),
    ],
)
def test_refusals_name_parameter_value_and_expectation(table, name, value, words):
    assert words in table[name].reason_against(value)


def test_what_is_allowed_is_not_refused():
    for table in tables.TABLES:
        for row in table:
            assert row.reason_against(row.default) == ''
            if row.between is not None:
                low, high = map(type(row.default), row.between)
                assert low <= row.default <= high
                assert row.reason_against(low) == row.reason_against(high) == ''


def test_choices_are_told_and_held():
    row = Row('mode', 'a', 'text', choices=('a', 'b', ''))
    assert row.limits == "a, b or ''"
    assert row.reason_against('b') == ''
    assert row.reason_against('c') == "mode = 'c': expected a, b or ''"


def test_the_document_of_parameters_is_what_the_tables_say():
    document = REPOSITORY / 'docs' / 'parameters.md'
    assert document.read_text(encoding='utf-8') == tables.markdown(), (
        'python -m robot_face_gen.nodes.tables markdown > docs/parameters.md'
    )


def test_the_document_of_inspection_names_what_can_be_changed_while_a_node_runs():
    text = (REPOSITORY / 'docs' / 'inspect.md').read_text(encoding='utf-8')
    listed = text[text.index('## Parameters that can be changed') : text.index('## Record')]
    for table in tables.TABLES:
        for row in table:
            assert f'`{row.name}`' in listed or not row.settable, row.name
        if any(row.settable for row in table):
            assert f'| `{table.node}` |' in listed
