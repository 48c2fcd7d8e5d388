# SPDX-License-Identifier: Apache-2.0
"""Whether embeddings are made as a checkpoint's training had them made."""

import pytest

from robot_face_gen.pipeline.embedding_contract import SEEN, HopWatch, expectation
from robot_face_gen.pipeline.health import Health


@pytest.mark.parametrize(
    ('counts', 'words'),
    [
        ([2] * SEEN, ''),
        ([2, 6] * SEEN, ''),  # an encoder that is behind catches up
        ([4] * (SEEN - 1), ''),  # too few to tell
        ([1, 2, 2, 2] * SEEN, ''),
        ([4, 8] * SEEN, '4 embeddings in a message (0.08 s)'),
        ([1, 1, 2] * SEEN, '1 embeddings in a message (0.02 s)'),
    ],
)
def test_another_hop_is_told_from_the_size_of_messages(counts, words):
    watch = HopWatch(0.04)
    told = [watch.see(count) for count in counts][-1]
    assert told.startswith(words) and bool(told) is bool(words)


@pytest.mark.parametrize('hop_s', [None, 'x', float('nan'), 1e300, True, [2]])
def test_a_checkpoint_that_says_nothing_useful_is_not_held_against_anything(hop_s):
    watch = HopWatch(hop_s)
    assert not any(watch.see(7) for _ in range(2 * SEEN))
    assert expectation('', {'hop_s': hop_s}, Health()) == ''


def test_what_is_expected_is_said():
    health = Health()
    text = expectation('whisper-x:1', {'hop_s': 0.04, 'context_s': 2}, health)
    assert text == 'expects embeddings of whisper-x:1, hop_s 0.04, context_s 2'
    values = health.report().values
    assert (values['expected_hop_s'], values['expected_context_s']) == ('0.04', '2')
