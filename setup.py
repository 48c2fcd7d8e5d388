# SPDX-License-Identifier: Apache-2.0
"""Build description: an ament_python package that pip understands as well."""

import ast
from glob import glob
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup

package_name = 'robot_face_gen'


def constant(file: str, name: str) -> Any:
    """The value of a constant in a module of the package, which cannot be imported here."""
    path = Path(__file__).with_name(package_name) / file
    found = [
        node.value
        for node in ast.parse(path.read_text(encoding='utf-8')).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return ast.literal_eval(found[0])


# ROS 2 itself, for machines where none is sourced; other platforms have no such wheels.
# The generators that build robot_face_gen_msgs are dependencies of the messages' wheels.
linux_x86_64 = 'sys_platform == "linux" and platform_machine == "x86_64"'
ros = [
    f'{requirement}; {linux_x86_64}'
    for requirement in (
        'ros-jazzy-rclpy>=7.1.6,<7.2',
        'ros-jazzy-rmw-fastrtps-cpp>=8.4.3,<8.5',
        'ros-jazzy-builtin-interfaces>=2.0.3,<2.1',
        'ros-jazzy-rcl-interfaces>=2.0.3,<2.1',
        'ros-jazzy-diagnostic-msgs>=5.3.6,<5.4',
        'ros-jazzy-sensor-msgs>=5.3.6,<5.4',
        'ros-jazzy-std-msgs>=5.3.6,<5.4',
        'ros-jazzy-std-srvs>=5.3.6,<5.4',
        'ros-jazzy-trajectory-msgs>=5.3.6,<5.4',
        'ros-jazzy-visualization-msgs>=5.3.6,<5.4',
        'setuptools>=70.1',
    )
]
colcon = ['colcon-common-extensions>=0.3']
# What `colcon build` needs besides colcon where no ROS 2 is sourced.
ament = [
    'catkin-pkg>=1',
    'cmake>=3.22',
    'flake8>=6',
    'ninja>=1.10',
    'pydocstyle>=6',
    *(
        f'ros-jazzy-{name}; {linux_x86_64}'
        for name in (
            'ament-cmake',
            'ament-cmake-gmock',
            'ament-cmake-gtest',
            'ament-cmake-include-directories',
            'ament-cmake-pytest',
            'ament-cmake-python',
            'ament-cmake-ros',
            'ament-flake8',
            'ament-package',
            'ament-pep257',
            'python-cmake-module',
            'rosidl-core-generators',
            'rosidl-default-generators',
        )
    ),
]
training = [
    'lightning>=2.4,<3',
    'matplotlib>=3.8',
    'numba>=0.59',
    'scipy>=1.10',
    'tensorboard>=2.16',
]
# There is no wheel for Macs with Intel processors.
camera = ['ai-edge-litert>=2.1,<3; sys_platform != "darwin" or platform_machine != "x86_64"']
bags = ['mcap>=1.2,<2', 'rosbags>=0.11,<0.12']
onnx = ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.5']
test = ['pytest>=8', 'pytest-xdist>=3.5', 'pytest-rerunfailures>=14', 'hypothesis>=6.100']
screen = ['aiohttp>=3.8,<4']
fuzz = ['atheris>=3,<4; sys_platform == "linux" and python_version >= "3.11"']
# The pages in a real browser; Chromium itself comes from the system.
browser = ['axe-playwright-python>=0.1.4', 'playwright>=1.45']

setup(
    name=package_name,
    version=constant('__init__.py', '__version__'),
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={
        package_name: [
            'py.typed',
            'resources/*.safetensors',
            'resources/demo/*',
            'screen/static/*',
            'data/templates/*',
            'face/templates/*',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{package_name}/config', sorted(glob('config/*'))),
        (f'share/{package_name}/urdf', sorted(glob('urdf/*.urdf'))),
        # For reading bags where robot_face_gen_msgs is not installed.
        (f'share/{package_name}/msg', sorted(glob('robot_face_gen_msgs/msg/*.msg'))),
    ],
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        'setuptools',
        'av>=12',
        'jinja2>=3.1',
        'numpy>=1.24',
        'opencv-python>=4.8',
        'openai-whisper>=20240930',
        'psutil>=5.9',
        'pyyaml>=6',
        'safetensors>=0.4.3',
        'sounddevice>=0.4.6',
        'torch>=2.4',
        'tqdm>=4.60',
    ],
    extras_require={
        'ros': ros,
        'colcon': colcon,
        'ament': ament,
        'training': training,
        'camera': camera,
        'bags': bags,
        'onnx': onnx,
        'screen': screen,
        'test': test,
        'fuzz': fuzz,
        'dev': [
            *training,
            *bags,
            *camera,
            *onnx,
            *screen,
            *test,
            *browser,
            'mypy',
            'ruff',
            'types-PyYAML',
            'types-tqdm',
        ],
    },
    maintainer='robot_face_gen maintainers',
    maintainer_email='maintainers@robot-face-gen.org',
    description='A robot that listens with its face.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'robot-face-gen = robot_face_gen.cli:main',
            # Programs, one for each node: their names say which.
            *(
                f'{node} = robot_face_gen.nodes.program:main'
                for node in constant('graph.py', 'NODES')
            ),
        ],
    },
)
