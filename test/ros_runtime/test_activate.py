"""The stand-in comes last, keeps out of the way of ROS 2, and says what is missing."""

import importlib
import sys
from importlib import util

import pytest

import robot_face_gen.ros_runtime as ros_runtime


@pytest.fixture
def without_stand_in(monkeypatch):
    """As a fresh interpreter: the stand-in is not on the path and nothing of it is imported."""
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if p != str(ros_runtime.SITE)])
    for name in list(sys.modules):
        if name.split('.')[0] in ('rclpy', 'robot_face_gen_msgs'):
            monkeypatch.delitem(sys.modules, name)


def make_package(folder, name):
    package = folder / name
    package.mkdir()
    (package / '__init__.py').write_text('')


def test_stand_in_is_found_last_and_once(without_stand_in):
    assert util.find_spec('rclpy') is None
    ros_runtime.activate()
    ros_runtime.activate()
    assert sys.path[-1] == str(ros_runtime.SITE) and sys.path.count(str(ros_runtime.SITE)) == 1
    assert not ros_runtime.has_ros2()
    assert importlib.import_module('rclpy').__file__.startswith(str(ros_runtime.SITE))


def test_nothing_happens_where_ros2_is_sourced(without_stand_in, tmp_path, monkeypatch):
    make_package(tmp_path, 'rclpy')
    make_package(tmp_path, 'robot_face_gen_msgs')
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.path)
    ros_runtime.activate()
    assert sys.path == before and ros_runtime.has_ros2()
    assert importlib.import_module('rclpy').__file__.startswith(str(tmp_path))


@pytest.mark.parametrize('folder_alone', [False, True])
def test_missing_messages_are_explained(without_stand_in, tmp_path, monkeypatch, folder_alone):
    make_package(tmp_path, 'rclpy')
    if folder_alone:
        # Run from the repository's root, the folder of the definitions looks like a package.
        (tmp_path / 'robot_face_gen_msgs/msg').mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportError, match=r'robot_face_gen_msgs.*colcon build.*src/\*'):
        ros_runtime.activate()


def test_missing_requirements_are_named(without_stand_in, monkeypatch):
    find = util.find_spec
    monkeypatch.setattr(
        ros_runtime.util, 'find_spec', lambda name: None if name == 'rosbags' else find(name)
    )
    with pytest.raises(ImportError, match=r"rosbags.*pip install 'robot_face_gen\[standalone\]'"):
        ros_runtime.activate()
    assert str(ros_runtime.SITE) not in sys.path
