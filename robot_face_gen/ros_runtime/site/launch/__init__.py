"""The part of ROS 2's `launch` that launch files of such a graph use, in its own words.

Names, signatures and behaviour are those of ROS 2's launch; only Python launch files are read.
What is not here needs a ROS 2 installation.
"""

from . import actions, conditions, event_handlers, events, logging, substitutions
from ._subset import subset
from .action import Action
from .condition import Condition
from .event import Event
from .event_handler import EventHandler
from .launch_context import LaunchContext
from .launch_description import LaunchDescription
from .launch_description_entity import LaunchDescriptionEntity
from .launch_description_source import LaunchDescriptionSource
from .launch_service import LaunchService
from .some_substitutions_type import SomeSubstitutionsType, SomeSubstitutionsType_types_tuple
from .substitution import Substitution

__all__ = [
    'Action',
    'Condition',
    'Event',
    'EventHandler',
    'LaunchContext',
    'LaunchDescription',
    'LaunchDescriptionEntity',
    'LaunchDescriptionSource',
    'LaunchService',
    'SomeSubstitutionsType',
    'SomeSubstitutionsType_types_tuple',
    'Substitution',
    'actions',
    'conditions',
    'event_handlers',
    'events',
    'logging',
    'substitutions',
]
__getattr__ = subset(__name__, __all__)
