# SPDX-License-Identifier: Apache-2.0
"""The pip build of the messages: what it installs, and its errors."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

import pytest
from message_builder import PACKAGE, MessageBuild, MessageBuildError, message_build

ABSOLUTE_PATH = re.compile(rb'(?<![\w$./])/(?:[\w.+-]+/)+[\w.+-]+')


@pytest.fixture
def installed_files():
    """Paths of the files that pip installed, without pip's own records."""
    try:
        distribution = metadata.distribution('robot_face_gen_msgs')
    except metadata.PackageNotFoundError:
        distribution = None
    if distribution is None or not distribution.read_text('WHEEL'):
        pytest.skip('robot_face_gen_msgs was not installed with pip')
    return [
        Path(file.locate())
        for file in distribution.files
        if '.dist-info' not in str(file) and file.suffix != '.pyc'
    ]


@pytest.fixture
def wheels():
    if (
        os.environ.get('ROS_DISTRO')
        or not (Path(sys.prefix) / 'share/rosidl_generator_py').is_dir()
    ):
        pytest.skip('ROS 2 does not come from wheels here')


def test_one_extension_module_a_package_without_paths_of_the_build_machine(installed_files):
    extensions = [file for file in installed_files if file.suffix == '.so']
    assert {file.parent.name for file in extensions} == {'robot_face_gen_msgs', 'tf2_msgs'}
    assert len(extensions) == 2
    for extension in extensions:
        assert extension.name.endswith(sysconfig.get_config_var('EXT_SUFFIX'))
        code = extension.read_bytes()
        assert ABSOLUTE_PATH.findall(code) == []
        (origin,) = set(re.findall(rb'\$ORIGIN/([^\0]*)', code))
        assert (extension.parent / origin.decode()).resolve() == Path(sys.prefix, 'lib').resolve()


def test_generated_files_name_no_folder_of_the_build_machine(installed_files):
    machine = [str(Path.home()), sys.prefix, str(PACKAGE.parent), tempfile.gettempdir()]
    texts = [file for file in installed_files if file.suffix != '.so']
    assert {file.suffix for file in texts} == {'.py', '.msg', '.idl', '.json', '.xml', ''}
    for file in texts:
        text = file.read_text()
        assert not [folder for folder in machine if folder in text], file


def test_the_definitions_are_where_ros_2_tools_look_for_them(installed_files):
    share = Path(sys.prefix, 'share')
    index = share / 'ament_index/resource_index'
    assert (index / 'packages/robot_face_gen_msgs').is_file()
    listed = (index / 'rosidl_interfaces/robot_face_gen_msgs').read_text().split('\n')
    for file in PACKAGE.glob('msg/*.msg'):
        assert {f'msg/{file.name}', f'msg/{file.stem}.idl'} <= set(listed)
        assert (share / 'robot_face_gen_msgs/msg' / file.name).read_text() == file.read_text()
    assert all((share / 'robot_face_gen_msgs' / name).is_file() for name in listed)


def test_cmake_builds_every_message():
    listed = re.findall(r'"(msg/\w+\.msg)"', (PACKAGE / 'CMakeLists.txt').read_text())
    assert sorted(listed) == sorted(f'msg/{file.name}' for file in PACKAGE.glob('msg/*.msg'))


def test_a_compiler_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler -O3')
    with pytest.raises(MessageBuildError, match=r"CXX=.*'no-such-compiler' was not found"):
        message_build.find_compiler()


def test_without_any_compiler_the_error_names_what_to_install(wheels, monkeypatch, tmp_path):
    monkeypatch.delenv('CXX', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    if message_build.find_compiler() is not None:
        pytest.skip('the ziglang wheel is installed')
    with pytest.raises(MessageBuildError, match=r'apt install g\+\+'):
        MessageBuild(PACKAGE, tmp_path).build(tmp_path / 'out', tmp_path / 'out/x.so')


def test_an_error_of_the_compiler_is_reported(wheels, monkeypatch, tmp_path):
    monkeypatch.setenv('CXX', shlex.join([sys.executable, '-c', 'exit(3)']))
    with pytest.raises(MessageBuildError, match=r'failed: exit code 3'):
        MessageBuild(PACKAGE, tmp_path / 'work').build(tmp_path / 'out', tmp_path / 'out/x.so')


def test_missing_headers_of_python_name_the_debian_package(wheels, monkeypatch, tmp_path):
    monkeypatch.setattr(message_build.sysconfig, 'get_path', lambda name: str(tmp_path))
    with pytest.raises(MessageBuildError, match=r'Python\.h was not found.*python3-dev'):
        message_build.require_generators()


def test_without_the_wheels_the_error_says_how_to_get_them():
    # -I -S: a Python that sees no installed package.
    code = f'import sys; sys.path.insert(0, {str(PACKAGE)!r}); import message_build as b\n'
    code += 'try: b.require_generators()\nexcept b.MessageBuildError as error: print(error)'
    done = subprocess.run(
        [sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True, check=True
    )
    (line,) = done.stdout.splitlines()
    assert "pip install 'robot_face_gen[ros]'" in line
    assert '--no-build-isolation' in line
