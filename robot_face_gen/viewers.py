# SPDX-License-Identifier: Apache-2.0
"""Programs of other packages that show the graph: rviz, and rqt with the diagnostics it shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Topics that their configurations name; with a remapping, they follow the robot's namespace.
TOPICS = ('robot_face/image', 'speaker/image', 'robot_face/markers', 'robot_face/reaction')


@dataclass(frozen=True)
class Viewer:
    """A program."""

    name: str  # of its node
    package: str  # of the program
    executable: str  # file in the package's folder of programs
    option: str = ''  # which precedes the configuration; '' if it has none
    config: str = ''  # file in this package's folder `config`

    def arguments(self, config_folder: Path) -> tuple[str, ...]:
        """Its command line without the arguments of ROS."""
        return (self.option, str(config_folder / self.config)) if self.config else ()

    def path(self, environ: Mapping[str, str] = os.environ) -> str:
        """The program's file.

        Raises:
            ValueError: The package is not installed; says how to get it.
        """
        for prefix in filter(None, environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
            file = Path(prefix, 'lib', self.package, self.executable)
            if file.is_file():
                return str(file)
        distro = environ.get('ROS_DISTRO', '$ROS_DISTRO')
        raise ValueError(
            f'{self.package} was not found in the sourced ROS 2: apt install '
            f'ros-{distro}-{self.package.replace("_", "-")}'
        )


#: Launch argument: the programs that it starts.
VIEWERS = {
    'rviz': (Viewer('rviz2', 'rviz2', 'rviz2', '-d', 'robot_face.rviz'),),
    'rqt': (
        Viewer('rqt_gui', 'rqt_gui', 'rqt_gui', '--perspective-file', 'robot_face.perspective'),
        # The robot monitor shows /diagnostics_agg.
        Viewer('diagnostic_aggregator', 'diagnostic_aggregator', 'aggregator_node'),
    ),
}
