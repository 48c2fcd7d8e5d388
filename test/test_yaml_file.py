# SPDX-License-Identifier: Apache-2.0
import pytest
import yaml

from robot_face_gen.graph import misspelt_nodes
from robot_face_gen.training.config import read_training_config
from robot_face_gen.yaml_file import parse_yaml

TEXT = 'a: 1\nb: &x {c: [1, 2.5, true, null, text]}\nd: *x\ne:\n  <<: *x\n  f: 2001-01-01\n'


def test_numbers_may_have_an_exponent_without_a_point():
    text = '[1e-4, -2E5, 1.e3, .5e+1, 1e4x, "1e-4", 0x1e3, 1.5]'
    assert parse_yaml(text) == [1e-4, -2e5, 1e3, 5.0, '1e4x', '1e-4', 0x1E3, 1.5]


def test_reads_what_safe_load_reads():
    assert parse_yaml(TEXT) == yaml.safe_load(TEXT)
    assert parse_yaml('') is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a: 1\nb: 2\na: 3\n', "line 3: 'a' is given twice, first in line 1"),
        ('x:\n  - {a: 1, a: 1}\n', "line 2: 'a' is given twice"),
        ('a: [1\n', 'line 2: not valid YAML'),
        ('[' * 5000, 'more than 100 levels'),
        ('a: !!python/object:os.system x', 'line 1: not valid YAML'),
        ('a: 2001-99-99', 'month'),
        ('{[a]: 1}', 'not valid YAML'),
        ('a: \x00', 'not valid YAML'),
    ],
)
def test_errors_are_one_line_with_its_number(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_yaml(text)
    assert '\n' not in str(error.value)


def test_files_with_a_key_twice_are_refused(tmp_path):
    path = tmp_path / 'a.yaml'
    path.write_text('num_epochs: 3\nnum_epochs: 4\n')
    with pytest.raises(ValueError, match=r"a.yaml.*line 2: 'num_epochs' is given twice"):
        read_training_config(path)
    path.write_text('reaction_node:\n  ros__parameters:\n    hop: 1\n    hop: 2\n')
    with pytest.raises(ValueError, match=r"a.yaml: line 4: 'hop' is given twice"):
        misspelt_nodes(str(path))
