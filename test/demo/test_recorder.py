# SPDX-License-Identifier: Apache-2.0
"""Runs at the same time must not hear each other."""

import contextlib
import socket

import pytest
from launching import until

from robot_face_gen.demo import recorder as module
from robot_face_gen.demo.recorder import DOMAINS, own_domain


@pytest.fixture(autouse=True)
def _no_domain(monkeypatch):
    monkeypatch.delenv('ROS_DOMAIN_ID', raising=False)


def test_runs_at_the_same_time_get_different_domains_and_give_them_back():
    with contextlib.ExitStack() as stack:
        first = [stack.enter_context(own_domain()) for _ in range(5)]
        assert len(set(first)) == 5 and set(first) <= set(DOMAINS)
    with own_domain() as again:
        assert again == first[0]


def test_a_domain_in_which_somebody_is_already_is_not_taken():
    with own_domain() as usual:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(('127.0.0.1', 7410 + 250 * usual))
        with own_domain() as other:
            assert other != usual


def test_a_participant_of_ours_is_seen(monkeypatch):
    """That is: DDS has its ports where they are looked for."""
    import rclpy

    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    with own_domain() as domain:
        assert not module._is_used(domain)
        context = rclpy.Context()
        context.init(args=[], domain_id=domain)
        node = rclpy.create_node('somebody', context=context)
        try:
            assert module._is_used(domain)
        finally:
            node.destroy_node()
            context.try_shutdown()


def test_another_publisher_of_the_face_is_noticed(monkeypatch):
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    from robot_face_gen_msgs.msg import FaceFeatures

    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    with own_domain() as domain:
        recorder = module.Recorder(domain)
        context = rclpy.Context()
        context.init(args=[], domain_id=domain)
        node = rclpy.create_node('trackers', context=context)
        try:
            report = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
            node.create_publisher(FaceFeatures, 'openface/features', 10)
            until(lambda: recorder.node.count_publishers('openface/features') == 1)

            def received(name):
                report.publish(DiagnosticArray(status=[DiagnosticStatus(name=name)]))
                return name in recorder.record.diagnostics

            until(lambda: received('with one publisher'))
            assert not recorder.record.mixed
            node.create_publisher(FaceFeatures, 'openface/features', 10)
            until(lambda: recorder.node.count_publishers('openface/features') == 2)
            until(lambda: received('with two'))
            assert recorder.record.mixed == {'openface/features'}
        finally:
            recorder.close()
            node.destroy_node()
            context.try_shutdown()


def test_what_the_user_says_counts(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    with own_domain() as domain:
        assert domain == 7
    monkeypatch.setenv('ROS_DOMAIN_ID', 'seven')
    with pytest.raises(ValueError, match='ROS_DOMAIN_ID=seven'), own_domain():
        pass


def test_where_none_is_free_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(module, 'DOMAINS', range(60, 61))
    with (
        own_domain() as domain,
        pytest.raises(OSError, match='choose one with ROS_DOMAIN_ID'),
        own_domain(),
    ):
        pass
    assert domain == 60
