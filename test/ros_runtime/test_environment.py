"""What ROS 2's environment variables ask for."""

import pytest

from robot_face_gen.ros_runtime import environment


def test_defaults():
    assert environment.domain_id({}) == 0
    assert environment.discovery_range({}) == 'LOCALHOST'
    assert environment.distro({}) == 'jazzy'


@pytest.mark.parametrize('text', ['-1', '233', 'a', '1.0'])
def test_bad_domain_is_named(text):
    with pytest.raises(ValueError, match=f'ROS_DOMAIN_ID.*{text}'):
        environment.domain_id({'ROS_DOMAIN_ID': text})


def test_bad_range_is_named():
    with pytest.raises(ValueError, match=r'EVERYWHERE.*SUBNET'):
        environment.discovery_range({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'EVERYWHERE'})


def test_localhost_looks_at_this_machine_alone():
    config = environment.cyclone_config({})
    assert '<AllowMulticast>false' in config and config.count('<Peer ') == 1
    assert '<Peer Address="127.0.0.1"/>' in config
    same = {'ROS_LOCALHOST_ONLY': '1', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    assert environment.cyclone_config(same) == config


def test_subnet_is_left_to_cyclone_and_the_user_has_the_last_word():
    subnet = {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    config = environment.cyclone_config(subnet)
    assert '<General>' not in config and '<Peer ' not in config
    assert '<ParticipantIndex>auto' in config
    as_is = environment.cyclone_config({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SYSTEM_DEFAULT'})
    assert '<General>' not in as_is and '<Discovery>' not in as_is
    user = subnet | {'CYCLONEDDS_URI': 'file:///a.xml'}
    assert environment.cyclone_config(user) == f'{config},file:///a.xml'
    peers = environment.cyclone_config(subnet | {'ROS_STATIC_PEERS': '10.0.0.1;robot'})
    assert '<Peer Address="10.0.0.1"/><Peer Address="robot"/>' in peers
    off = environment.cyclone_config({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'OFF'})
    assert '<Peer ' not in off and '<AllowMulticast>false' in off and '<Tag>' in off


def test_unknown_distribution_falls_back():
    assert environment.distro({'ROS_DISTRO': 'humble'}) == 'humble'
    assert environment.distro({'ROS_DISTRO': 'noetic'}) == 'jazzy'
