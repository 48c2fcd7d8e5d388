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
share = f'share/{name}'


class BuildMessages(build_ext):
    """Generate and compile the messages into the build folder."""

    def run(self):
        if self.inplace or getattr(self, 'editable_mode', False):
            raise SystemExit(f'{name} is compiled: it cannot be installed with --editable')
        target = Path(self.build_lib, name)
        shutil.rmtree(target, ignore_errors=True)
        extension = Path(self.get_ext_fullpath(self.extensions[0].name))
        try:
            interfaces = MessageBuild(HERE, Path(self.build_temp)).build(target, extension)
        except MessageBuildError as error:
            raise SystemExit(f'error: {error}') from None
        names = sorted(f'msg/{file.name}' for file in interfaces if file.suffix != '.json')
        self.distribution.data_files = [
            self.index_resource('packages', ''),
            self.index_resource('rosidl_interfaces', '\n'.join(names)),
            (share, [str(HERE / 'package.xml')]),
            (f'{share}/msg', sorted(map(str, interfaces))),
        ]

    def index_resource(self, kind, text):
        """Entry of data_files for this package's file in the ament index."""
        file = Path(self.build_temp, kind, name)
        file.parent.mkdir()
        file.write_text(text)
        return f'share/ament_index/resource_index/{kind}', [str(file)]


# Build folders outside the sources: a folder that remains would keep files of deleted messages.
with tempfile.TemporaryDirectory() as build:
    setup(
        name=name,
        version=package.findtext('version'),
        description=package.findtext('description'),
        license=package.findtext('license'),
        packages=[],
        py_modules=[],
        ext_modules=[Extension(f'{name}.{name}_s__rosidl_typesupport_c', sources=[])],
        cmdclass={'build_ext': BuildMessages},
        options={'build': {'build_base': build}, 'egg_info': {'egg_base': build}},
        python_requires='>=3.10',
        install_requires=['numpy>=1.24', 'ros-rosidl-generator-py~=0.22.2', 'ros-std-msgs~=5.3.6'],
        zip_safe=False,
    )
