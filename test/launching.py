# SPDX-License-Identifier: Apache-2.0
"""Helpers for tests of launch files: evaluate one, and watch real processes."""

import os
import time
from itertools import pairwise
from pathlib import Path

import psutil

from robot_face_gen.ros_runtime import activate

ROOT = Path(__file__).resolve().parent.parent
BRINGUP = ROOT / 'launch' / 'bringup.launch.py'

activate()


def evaluate(description, **arguments):
    """Settings of all processes that a description, or a launch file, would start (our launch)."""
    from launch.actions import ExecuteProcess, IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    from launch import LaunchContext, LaunchDescription

    context = LaunchContext()
    found = []

    def visit(entity):
        if isinstance(entity, ExecuteProcess):
            if entity.condition is None or entity.condition.evaluate(context):
                found.append(entity._settings(context))
            return
        for inside in entity.visit(context) or []:
            visit(inside)

    if isinstance(description, (str, Path)):
        source = PythonLaunchDescriptionSource(str(description))
    else:
        source = LaunchDescription(description)
        context.launch_configurations.update(arguments)
    before = dict(os.environ)
    try:
        if isinstance(source, LaunchDescription):
            visit(source)
        else:
            visit(IncludeLaunchDescription(source, launch_arguments=list(arguments.items())))
    finally:
        os.environ.clear()
        os.environ.update(before)
    return found


def parameters(cmd):
    """Parameters that a node's command line gives it by files of the launch's own."""
    from robot_face_gen.ros_runtime.parameter_files import read_parameter_file

    found = {}
    for word, path in pairwise(cmd):
        if word == '--params-file' and Path(path).name.startswith('launch_params_'):
            found.update({name: value for _, name, value in read_parameter_file(path)})
    return found


def until(condition, timeout=15.0, what='condition'):
    """Wait until a condition holds; its value."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f'{what} does not hold after {timeout} s'
        time.sleep(0.01)
    return value


def is_alive(pid):
    """Whether a process runs; one that has ended and that nobody asked about does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
