# SPDX-License-Identifier: Apache-2.0
"""A node that is misspelt in a file of parameters is noticed."""

import pytest

from robot_face_gen.nodes.params_file import misspelt_nodes


@pytest.mark.parametrize(
    'said, like',
    [
        ('reaction_nod:\n  ros__parameters: {hop: 2}', 'reaction_node'),
        ('/**/whisper:\n  ros__parameters: {hop_s: 0.08}', 'whisper_node'),
        ('/robot1:\n  open_face_node:\n    ros__parameters: {speed: 2.0}', 'openface_node'),
    ],
)
def test_it_is_told_with_a_guess(tmp_path, said, like):
    path = tmp_path / 'robot.yaml'
    path.write_text(said)
    (told,) = misspelt_nodes(str(path))
    assert str(path) in told and f"did you mean '{like}'?" in told


@pytest.mark.parametrize(
    'said',
    [
        'reaction_node:\n  ros__parameters: {hop: 2}',
        '/robot1/reaction_node:\n  ros__parameters: {hop: 2}',
        '/**:\n  ros__parameters: {use_sim_time: true}',
        'controller_server:\n  ros__parameters: {odom_topic: x}',
        '[not, a, file, of, parameters]',
        '',
    ],
)
def test_others_are_left_alone(tmp_path, said):
    path = tmp_path / 'robot.yaml'
    path.write_text(said)
    assert misspelt_nodes(str(path)) == []
