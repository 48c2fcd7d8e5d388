# SPDX-License-Identifier: Apache-2.0
"""Compares the embeddings with those of the training of a checkpoint."""

import pytest

from robot_face_gen.facial_reaction_model import checkpoint
from robot_face_gen.pipeline.embedding_contract import (
    SEEN,
    HopWatch,
    expectation,
    read_info,
    trained_with,
)
from robot_face_gen.pipeline.health import Health
from robot_face_gen.resources import default_checkpoint


@pytest.mark.parametrize(
    ('counts', 'text'),
    [
        ([2] * SEEN, ''),
        ([2, 6] * SEEN, ''),  # an encoder that is behind
        ([4] * (SEEN - 1), ''),  # too few messages
        ([1, 2, 2, 2] * SEEN, ''),
        ([4, 8] * SEEN, '4 embeddings in a message (0.08 s)'),
        ([1, 1, 2] * SEEN, '1 embeddings in a message (0.02 s)'),
    ],
)
def test_a_different_hop_is_detected_from_the_message_size(counts, text):
    watch = HopWatch(0.04)
    warning = [watch.see(count) for count in counts][-1]
    assert warning.startswith(text) and bool(warning) is bool(text)


@pytest.mark.parametrize('hop_s', [None, 'x', float('nan'), 1e300, True, [2]])
def test_a_checkpoint_without_a_valid_hop_is_not_compared(hop_s):
    watch = HopWatch(hop_s)
    assert not any(watch.see(7) for _ in range(2 * SEEN))
    assert expectation('', {'hop_s': hop_s}, Health()) == ''


def test_the_expected_embeddings_are_reported():
    health = Health()
    text = expectation('whisper-x:1', {'hop_s': 0.04, 'context_s': 2}, health)
    assert text == 'expects embeddings of whisper-x:1, hop_s 0.04, context_s 2'
    values = health.report().values
    assert (values['expected_hop_s'], values['expected_context_s']) == ('0.04', '2')


def test_without_a_path_it_is_the_description_of_the_shipped_checkpoint():
    shipped = default_checkpoint()
    assert shipped
    info = read_info('')
    assert info == checkpoint.read_info(shipped)
    assert trained_with(info)['hop_s'] == info.audio['hop_s']
