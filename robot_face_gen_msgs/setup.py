# SPDX-License-Identifier: Apache-2.0
"""Build for pip, beside the ROS 2 wheels; colcon builds this package with CMakeLists.txt."""

import shutil
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from message_build import MessageBuild, MessageBuildError  # noqa: E402

package = ElementTree.parse(HERE / 'package.xml').getroot()
name = package.findtext('name')
# tf2_msgs is a standard package, of which the package index has no wheel.
FOLDERS = {name: HERE, 'tf2_msgs': HERE / 'tf2_msgs'}


class BuildMessages(build_ext):
    """Generate and compile the messages into the build folder."""

    def run(self):
        if self.inplace or getattr(self, 'editable_mode', False):
            raise SystemExit(f'{name} is compiled: it cannot be installed with --editable')
        self.distribution.data_files = []
        for extension in self.extensions:
            self.build_package(extension.name.partition('.')[0], extension.name)

    def build_package(self, package, extension):
        """Build one package of messages; its files for `share` are added to data_files."""
        target, folder = Path(self.build_lib, package), Path(self.build_temp, package)
        shutil.rmtree(target, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            build = MessageBuild(FOLDERS[package], folder / 'work')
            interfaces = build.build(target, Path(self.get_ext_fullpath(extension)))
        except MessageBuildError as error:
            raise SystemExit(f'error: {error}') from None
        names = sorted(f'msg/{file.name}' for file in interfaces if file.suffix != '.json')
        share = f'share/{package}'
        for kind, text in (('packages', ''), ('rosidl_interfaces', '\n'.join(names))):
            file = folder / kind / package
            file.parent.mkdir()
            file.write_text(text)
            index = f'share/ament_index/resource_index/{kind}'
            self.distribution.data_files.append((index, [str(file)]))
        self.distribution.data_files += [
            (share, [str(FOLDERS[package] / 'package.xml')]),
            (f'{share}/msg', sorted(map(str, interfaces))),
        ]


# Build folders outside the sources: a folder that remains would keep files of deleted messages.
with tempfile.TemporaryDirectory() as build:
    setup(
        name=name,
        version=package.findtext('version'),
        description=package.findtext('description'),
        license=package.findtext('license'),
        packages=[],
        py_modules=[],
        ext_modules=[
            Extension(f'{each}.{each}_s__rosidl_typesupport_c', sources=[]) for each in FOLDERS
        ],
        cmdclass={'build_ext': BuildMessages},
        options={'build': {'build_base': build}, 'egg_info': {'egg_base': build}},
        python_requires='>=3.10',
        install_requires=[
            'numpy>=1.24',
            'ros-geometry-msgs~=5.3.6',
            'ros-rosidl-generator-py~=0.22.2',
            'ros-std-msgs~=5.3.6',
        ],
        zip_safe=False,
    )
