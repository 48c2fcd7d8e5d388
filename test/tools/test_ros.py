# SPDX-License-Identifier: Apache-2.0
"""Where ROS 2 comes from, and what child processes get."""

import subprocess
import sys
from pathlib import Path

import pytest

from robot_face_gen.tools import ros
from robot_face_gen.tools.ros import child_environment, is_ros_sourced, require_ros

ROOT = Path(__file__).resolve().parents[2]
SOURCED = {'AMENT_PREFIX_PATH': '/opt/ros/jazzy', 'ROS_DISTRO': 'jazzy'}


def complaint(folder, **environ):
    """What `require_ros` says in a Python that has nothing but `folder` installed."""
    code = (
        'from robot_face_gen.tools.ros import RosMissingError, require_ros\n'
        'try: require_ros()\n'
        'except RosMissingError as error: print(error)\n'
    )
    # Without site-packages; the root holds the folder of the message definitions.
    told = subprocess.run(
        [sys.executable, '-S', '-c', code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={'PYTHONPATH': f'{folder}:{ROOT}', **environ},
    )
    assert told.stdout.count('\n') <= 1
    return told.stdout


def package(folder, name):
    (folder / name).mkdir()
    (folder / name / '__init__.py').touch()


def test_nothing_is_missing_here():
    require_ros()


@pytest.mark.skipif(not ros.has_wheels(), reason='no ROS 2 wheels for this platform')
def test_no_ros_where_wheels_exist(tmp_path):
    told = complaint(tmp_path)
    assert "pip install 'robot_face_gen[ros]'" in told
    assert 'pip install --no-build-isolation ./robot_face_gen_msgs' in told


@pytest.mark.parametrize(
    ('platform', 'machine', 'version', 'expected'),
    [
        ('linux', 'x86_64', (3, 10, 0), True),
        ('linux', 'x86_64', (3, 13, 9), True),
        ('linux', 'x86_64', (3, 14, 0), False),
        ('linux', 'aarch64', (3, 12, 0), False),
        ('darwin', 'x86_64', (3, 12, 0), False),
    ],
)
def test_platforms_with_wheels(monkeypatch, platform, machine, version, expected):
    monkeypatch.setattr(sys, 'platform', platform)
    monkeypatch.setattr(ros.platform, 'machine', lambda: machine)
    monkeypatch.setattr(sys, 'version_info', version)
    assert ros.has_wheels() is expected


def test_a_sourced_ros_for_another_python(tmp_path):
    told = complaint(tmp_path, **SOURCED)
    assert 'ROS 2 jazzy is sourced' in told and sys.executable in told
    assert 'ros-jazzy-rclpy' in told


def test_missing_messages(tmp_path):
    package(tmp_path, 'rclpy')
    told = complaint(tmp_path)
    assert 'pip install --no-build-isolation ./robot_face_gen_msgs' in told
    told = complaint(tmp_path, **SOURCED)
    assert 'colcon build' in told and 'source install/setup.bash' in told
    package(tmp_path, 'robot_face_gen_msgs')
    assert complaint(tmp_path) == ''


CYCLONE = {'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}
LOOPBACK = 'fastdds_loopback.xml'


@pytest.mark.parametrize(
    ('environ', 'discovery', 'profile', 'images'),
    [
        ({}, 'SYSTEM_DEFAULT', LOOPBACK, 'LOCALHOST'),
        ({'AMENT_PREFIX_PATH': '/on/the/wheels'}, 'SYSTEM_DEFAULT', LOOPBACK, 'LOCALHOST'),
        (CYCLONE, 'LOCALHOST', None, 'LOCALHOST'),
        (SOURCED, None, 'fastdds.xml', None),
        ({**SOURCED, **CYCLONE}, None, None, None),
        ({**SOURCED, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'},
         'SYSTEM_DEFAULT', LOOPBACK, 'LOCALHOST'),
        ({'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}, 'SUBNET', 'fastdds.xml', 'SUBNET'),
        ({'ROS_LOCALHOST_ONLY': '1'}, None, 'fastdds.xml', None),
        ({'ROS_LOCALHOST_ONLY': '0'}, None, 'fastdds.xml', None),
        ({'ROS_STATIC_PEERS': '192.168.0.2'}, None, 'fastdds.xml', None),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': 'x.xml'}, None, 'x.xml', None),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': 'x.xml'}, None, None, None),
    ],
)  # fmt: skip
def test_discovery_and_transports(environ, discovery, profile, images):
    found = child_environment(environ)
    assert found.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == discovery
    # Nothing else that the user has set is changed.
    assert found.items() >= {k: v for k, v in environ.items() if v != 'LOCALHOST'}.items()
    named = found.get('FASTRTPS_DEFAULT_PROFILES_FILE')
    assert named == (profile and str(ROOT / 'config' / profile if profile != 'x.xml' else profile))
    # Shared memory for images.
    expected = {**environ, 'OMP_WAIT_POLICY': 'PASSIVE'}
    if images:
        expected['ROS_AUTOMATIC_DISCOVERY_RANGE'] = images
    assert child_environment(environ, images=True) == expected


def test_idle_threads_sleep_unless_the_user_says_otherwise():
    assert child_environment({})['OMP_WAIT_POLICY'] == 'PASSIVE'
    assert child_environment({'OMP_WAIT_POLICY': 'ACTIVE'})['OMP_WAIT_POLICY'] == 'ACTIVE'


def test_a_sourced_ros_is_recognised():
    assert is_ros_sourced(SOURCED)
    assert not is_ros_sourced({'ROS_DISTRO': 'jazzy'})
    assert not is_ros_sourced({})


def test_logs_of_a_user_without_a_home_go_to_a_temporary_folder(monkeypatch, capsys):
    """A container runs as any number: no HOME, and no entry in the list of users."""
    for name in ('HOME', 'ROS_HOME', 'ROS_LOG_DIR'):
        monkeypatch.setenv(name, '')  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr('robot_face_gen.tools.ros.user_path', Path)  # nothing to expand ~ to
    ros.use_writable_log_folder()
    assert Path(ros.os.environ['ROS_LOG_DIR']).is_absolute()
    assert 'this user has no home folder' in capsys.readouterr().err
