# SPDX-License-Identifier: Apache-2.0
"""What the command line says about words that it does not know."""

import pytest

from robot_face_gen.cli import main


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('dem', "robot-face-gen: error: unknown command 'dem'; did you mean demo?"),
        ('listen', "robot-face-gen: error: unknown command 'listen' ("),
        (
            'demo --opnface f.csv',
            'demo: error: unknown option --opnface; did you mean --openface?',
        ),
        ('demo --sed=3', 'demo: error: unknown option --sed; did you mean --seed?'),
        ('demo f.csv', "demo: error: unexpected argument 'f.csv' ("),
        ('node list --bare', 'node: error: unknown option --bare ('),
        ('topic hz x --windw 3', 'topic: error: unknown option --windw; did you mean --window?'),
        ('train --resume', 'train: error: unknown option --resume ('),
    ],
)
def test_a_mistyped_word_is_one_line_that_helps(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in error
    assert error.count('\n') == 1 and error.endswith(' (--help tells more)\n')
