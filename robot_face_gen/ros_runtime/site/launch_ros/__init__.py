"""The part of ROS 2's `launch_ros` that launch files of such a graph use, in its own words."""

from launch._subset import subset

from . import actions, descriptions, parameter_descriptions, substitutions

__all__ = ['actions', 'descriptions', 'parameter_descriptions', 'substitutions']
__getattr__ = subset(__name__, __all__)
