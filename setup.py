# SPDX-License-Identifier: Apache-2.0
"""Build description: an ament_python package that pip understands as well."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

package_name = 'robot_face_gen'
version = next(
    line.split("'")[1]
    for line in Path(__file__)
    .with_name(package_name)
    .joinpath('__init__.py')
    .read_text(encoding='utf-8')
    .splitlines()
    if line.startswith('__version__')
)

# What a machine without ROS 2 needs in its place: DDS and ROS 2's messages from the package index.
standalone = ['cyclonedds>=11,<12', 'rosbags>=0.10,<0.12']
training = ['lightning>=2.4,<3', 'matplotlib>=3.8', 'tensorboard>=2.16']
onnx = ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.5']
test = ['pytest>=8', 'hypothesis>=6.100']

setup(
    name=package_name,
    version=version,
    packages=find_packages(include=[package_name, f'{package_name}.*']),
    package_data={
        package_name: [
            'py.typed',
            'resources/*.safetensors',
            'resources/demo/*',
            'ros_runtime/site/**/*',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (f'share/{package_name}', ['package.xml']),
        (f'share/{package_name}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{package_name}/config', sorted(glob('config/*.yaml') + glob('config/*.xml'))),
        # The definitions travel along for machines without ROS 2, where no generated code exists.
        (f'share/{package_name}/msg', sorted(glob('robot_face_gen_msgs/msg/*.msg'))),
    ],
    zip_safe=False,
    python_requires='>=3.10',
    install_requires=[
        'setuptools',
        'numba>=0.59',
        'numpy>=1.24',
        'opencv-python>=4.8',
        'openai-whisper>=20240930',
        'psutil>=5.9',
        'pyyaml>=6',
        'safetensors>=0.4.3',
        'sounddevice>=0.4.6',
        'soundfile>=0.12',
        'torch>=2.4',
        'tqdm>=4.60',
    ],
    extras_require={
        'standalone': standalone,
        'training': training,
        'onnx': onnx,
        'test': test,
        'dev': [
            *standalone,
            *training,
            *onnx,
            *test,
            'mypy',
            'ruff',
            'rosless',
            'colcon-common-extensions',
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
            'openface_node = robot_face_gen.nodes.openface_node:main',
            'microphone_node = robot_face_gen.nodes.microphone_node:main',
            'whisper_node = robot_face_gen.nodes.whisper_node:main',
            'reaction_node = robot_face_gen.nodes.reaction_node:main',
            'reaction_server = robot_face_gen.nodes.reaction_server:main',
        ],
    },
)
