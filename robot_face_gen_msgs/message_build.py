# SPDX-License-Identifier: Apache-2.0
"""Build the messages without colcon: run rosidl's generators, compile one extension module.

A colcon build makes a dozen shared libraries that load each other by name. Here the C type
supports that rclpy and Fast DDS need are linked into the extension module itself. The generators,
headers and libraries come from the ROS 2 wheels in the virtual environment.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

#: Type supports that rmw_fastrtps_cpp asks for: the first to serialize, the second to subscribe.
TYPE_SUPPORTS = ('rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c')

GENERATORS = (
    'rosidl_adapter',
    'rosidl_generator_type_description',
    'rosidl_generator_c',
    'rosidl_generator_py',
    *TYPE_SUPPORTS,
)

#: Libraries to link, besides those of the packages whose messages ours contain.
LIBRARIES = (
    'rosidl_runtime_c',
    'rosidl_typesupport_fastrtps_c',
    'rosidl_typesupport_fastrtps_cpp',
    'rosidl_typesupport_introspection_c',
    'fastcdr',
    'rcutils',
    'rmw',
)
LIBRARIES_PER_DEPENDENCY = ('rosidl_generator_c', 'rosidl_generator_py', *TYPE_SUPPORTS)

DISPATCHER_HEADER = """\
#include <string.h>
#include "rosidl_runtime_c/message_type_support_struct.h"
"""

#: rosidl's own dispatcher loads one library per type support; all of ours are in this module.
DISPATCHER = """
#include "{package}/msg/detail/{snake}__functions.h"

const rosidl_message_type_support_t * {fastrtps}(void);
const rosidl_message_type_support_t * {introspection}(void);

static const rosidl_message_type_support_t * find_{message}(
  const rosidl_message_type_support_t * handle, const char * identifier)
{{
  (void)handle;
  if (!strcmp(identifier, "rosidl_typesupport_fastrtps_c")) {{return {fastrtps}();}}
  if (!strcmp(identifier, "rosidl_typesupport_introspection_c")) {{return {introspection}();}}
  return 0;
}}

const rosidl_message_type_support_t * {dispatcher}(void)
{{
  static const rosidl_message_type_support_t handle = {{
    "rosidl_typesupport_c", 0, find_{message},
    {package}__msg__{message}__get_type_hash,
    {package}__msg__{message}__get_type_description,
    {package}__msg__{message}__get_type_description_sources}};
  return &handle;
}}
"""


class MessageBuildError(Exception):
    """Something that the build needs is missing or failed; the first line says what."""


def find_compiler() -> list[str] | None:
    """Command of the C++ compiler: $CXX, g++, c++, clang++ or the `ziglang` wheel; None if none.

    Raises:
        MessageBuildError: CXX names a program that does not exist.
    """
    if os.environ.get('CXX'):
        command = shlex.split(os.environ['CXX'])
        if shutil.which(command[0]) is None:
            raise MessageBuildError(f'CXX={os.environ["CXX"]}: {command[0]!r} was not found')
        return command
    for program in ('g++', 'c++', 'clang++'):
        if shutil.which(program):
            return [program]
    if find_spec('ziglang'):
        # For its native target, zig would add the absolute path of each library to the RPATH.
        target = f'{platform.machine()}-linux-gnu'
        return [sys.executable, '-m', 'ziglang', 'c++', '-target', target]
    return None


def require_generators() -> None:
    """Raise MessageBuildError if the ROS 2 wheels or the headers of Python are missing."""
    missing = [name for name in (*GENERATORS, 'numpy') if find_spec(name) is None]
    if missing:
        raise MessageBuildError(
            f'the messages need the ROS 2 wheels ({missing[0]} was not found): '
            "pip install 'robot_face_gen[ros]' in a virtual environment, then there: "
            'pip install --no-build-isolation ./robot_face_gen_msgs'
        )
    include = sysconfig.get_path('include')
    if not Path(include, 'Python.h').is_file():
        version = f'{sys.version_info.major}.{sys.version_info.minor}'
        raise MessageBuildError(
            f'{include}/Python.h was not found: on Debian and Ubuntu, '
            f'apt install python3-dev (or python{version}-dev)'
        )


class MessageBuild:
    """One build of a package of messages.

    Args:
        package_dir: Folder with package.xml and msg/*.msg.
        work_dir: Folder for generated sources and object files.
    """

    def __init__(self, package_dir: Path, work_dir: Path) -> None:
        manifest = ElementTree.parse(package_dir / 'package.xml').getroot()
        self.package = str(manifest.findtext('name'))
        self.dependencies = [str(element.text) for element in manifest.iter('depend')]
        self.package_dir = package_dir
        self.messages = sorted(file.stem for file in (package_dir / 'msg').glob('*.msg'))
        self.work_dir = work_dir.resolve()
        self.prefix = Path(sys.prefix)
        self.idl_dir = self.work_dir / 'idl'
        self.c_dir = self.work_dir / 'c'
        self.python_dir = self.work_dir / 'python'

    def build(self, python_dir: Path, extension: Path) -> list[Path]:
        """Generate and compile everything.

        Args:
            python_dir: Where the Python package is written.
            extension: Path of the extension module, inside `python_dir`.

        Returns:
            The definitions: the .msg files, and the generated .idl and .json files.

        Raises:
            MessageBuildError: A requirement is missing or the compiler failed.
        """
        require_generators()
        compiler = find_compiler()
        if compiler is None:
            raise MessageBuildError(
                'no C++ compiler was found: on Debian and Ubuntu, apt install g++; '
                'elsewhere, set CXX or pip install ziglang'
            )
        self.generate()
        shutil.copytree(
            self.python_dir / self.package, python_dir, ignore=shutil.ignore_patterns('*.c')
        )
        (python_dir / '__init__.py').touch()
        self.compile(compiler, extension)
        return [
            *self.package_dir.glob('msg/*.msg'),
            *self.idl_dir.glob('msg/*.idl'),
            *self.idl_dir.glob('msg/*.json'),
        ]

    def generate(self) -> None:
        """Write the interface definitions, type descriptions, and C, C++ and Python sources."""
        from rosidl_adapter.msg import convert_msg_to_idl
        from rosidl_generator_c import generate_c
        from rosidl_generator_py import generate_py
        from rosidl_generator_type_description import generate_type_hash
        from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c
        from rosidl_typesupport_introspection_c import generate_c as generate_introspection

        for message in self.messages:
            convert_msg_to_idl(
                self.package_dir, self.package, Path('msg', f'{message}.msg'), self.idl_dir / 'msg'
            )
        share_dirs = [f'{name}:{self._share(name)}' for name in self.dependencies]
        with self._arguments(
            'rosidl_generator_type_description', self.idl_dir, include_paths=share_dirs
        ) as arguments:
            generate_type_hash(arguments)

        # The headers include each other as PACKAGE/msg/...
        c_dir = self.c_dir / self.package
        descriptions = [
            f'msg/{message}.idl:{self.idl_dir}/msg/{message}.json' for message in self.messages
        ]
        sources = [str(self.package_dir / 'msg' / f'{message}.msg') for message in self.messages]
        with self._arguments(
            'rosidl_generator_c',
            c_dir,
            type_description_tuples=descriptions,
            ros_interface_files=sources,
        ) as arguments:
            generate_c(arguments)
        with self._arguments('rosidl_typesupport_introspection_c', c_dir) as arguments:
            generate_introspection(arguments)
        with self._arguments('rosidl_typesupport_fastrtps_c', c_dir) as arguments:
            generate_typesupport_fastrtps_c(arguments)
        self._write_visibility_headers(c_dir)
        (c_dir / 'dispatcher.c').write_text(self._dispatcher())

        with self._arguments('rosidl_generator_py', self.python_dir / self.package) as arguments:
            generate_py(arguments, ['rosidl_typesupport_c'])

    def compile(self, compiler: list[str], extension: Path) -> None:
        """Compile the generated sources and link the extension module."""
        import numpy

        headers = self.prefix / 'include'
        include_dirs = [
            self.c_dir,
            headers,
            *sorted(path for path in headers.iterdir() if path.is_dir()),
            sysconfig.get_path('include'),
            numpy.get_include(),
        ]
        flags = [
            '-O2',
            '-fPIC',
            '-w',
            # Paths end up in the extension module where a macro contains __FILE__.
            *(f'-ffile-prefix-map={path}=.' for path in include_dirs),
            f'-DROS_PACKAGE_NAME="{self.package}"',
            *(f'-I{path}' for path in include_dirs),
        ]
        language = {'.c': ['-x', 'c'], '.cpp': ['-x', 'c++', '-std=c++17']}
        # Relative names, for the same reason.
        sources = [
            file.relative_to(self.work_dir)
            for file in sorted(self.work_dir.rglob('*'))
            if file.suffix in language
        ]

        def compile_source(source: Path) -> Path:
            target = source.with_suffix(source.suffix + '.o')
            self._run(
                [*compiler, *flags, *language[source.suffix], '-c', str(source), '-o', str(target)]
            )
            return target

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_source, sources))

        library_dir = self.prefix / 'lib'
        installed_dir = Path(sysconfig.get_path('platlib'), self.package)
        libraries = [
            *LIBRARIES,
            *(
                f'{name}__{kind}'
                for name in self.dependencies
                for kind in LIBRARIES_PER_DEPENDENCY
            ),
        ]
        self._run(
            [
                *compiler,
                '-shared',
                '-s',
                '-o',
                str(extension.resolve()),
                *map(str, objects),
                f'-L{library_dir}',
                *(f'-l{library}' for library in libraries),
                f'-Wl,-rpath,$ORIGIN/{os.path.relpath(library_dir, installed_dir)}',
            ]
        )

    @contextmanager
    def _arguments(self, generator: str, output_dir: Path, **more: list[str]) -> Iterator[str]:
        """Path of a file with the arguments of a generator."""
        from rosidl_cli.command.helpers import generator_arguments_file, legacy_generator_arguments

        arguments = legacy_generator_arguments(
            package_name=self.package,
            interface_files=[f'{self.idl_dir}:msg/{message}.idl' for message in self.messages],
            include_paths=[self._share(name) for name in self.dependencies],
            templates_path=self._share(generator) / 'resource',
            output_path=output_dir,
        )
        with generator_arguments_file(**{**arguments, **more}) as file:
            yield file

    def _write_visibility_headers(self, c_dir: Path) -> None:
        from rosidl_cli.command.helpers import generate_visibility_control_file

        for generator in ('rosidl_generator_c', *TYPE_SUPPORTS):
            header = f'{generator}__visibility_control.h'
            generate_visibility_control_file(
                package_name=self.package,
                template_path=self._share(generator) / 'resource' / f'{header}.in',
                output_path=c_dir / 'msg' / header,
            )

    def _dispatcher(self) -> str:
        """C source of the functions that choose a type support of a message by its name."""
        from rosidl_pycommon import convert_camel_case_to_lower_case_underscore as snake_case

        def symbol(kind: str, message: str) -> str:
            return f'{kind}__get_message_type_support_handle__{self.package}__msg__{message}'

        return DISPATCHER_HEADER + ''.join(
            DISPATCHER.format(
                package=self.package,
                message=message,
                snake=snake_case(message),
                fastrtps=symbol(TYPE_SUPPORTS[0], message),
                introspection=symbol(TYPE_SUPPORTS[1], message),
                dispatcher=symbol('rosidl_typesupport_c', message),
            )
            for message in self.messages
        )

    def _share(self, package: str) -> Path:
        return self.prefix / 'share' / package

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.work_dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            first_error = re.search(r'.*\berror\b.*', done.stdout)
            summary = first_error[0].strip() if first_error else f'exit code {done.returncode}'
            raise MessageBuildError(f'{command[0]} failed: {summary}\n{done.stdout}')
