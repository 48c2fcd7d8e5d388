"""Definitions of the interfaces: which fields a message has and by which hash ROS 2 knows it."""

import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from . import environment
from .service_definitions import SERVICES

OWN_PACKAGE = 'robot_face_gen_msgs'
#: A message without fields has this one on the wire.
PLACEHOLDER = 'structure_needs_at_least_one_member'
#: Field defaults that are not zero; rosbags leaves defaults out.
DEFAULTS = {('geometry_msgs/msg/Quaternion', 'w'): 1.0}

_KINDS = {1: 'one', 2: 'one', 3: 'array', 4: 'sequence'}


@dataclass(frozen=True)
class FieldType:
    """Type of a field.

    Attributes:
        base: Name of a primitive, or of a message (`pkg/msg/Name`) where `nested`.
        nested: Whether the field holds messages.
        kind: 'one', 'array' (fixed length) or 'sequence'.
        size: Length of an array, bound of a sequence (0: none).
        string_bound: Most characters of a string (0: any number).
    """

    base: str
    nested: bool
    kind: str
    size: int
    string_bound: int


def message_folder() -> Path:
    """Folder of the project's own `.msg` files: the source tree's, else the installed one.

    Raises:
        FileNotFoundError: There is none; names the places looked at.
    """
    package = Path(__file__).resolve().parents[1]
    share = Path('share') / 'robot_face_gen' / 'msg'
    roots = [Path(sys.prefix), Path(sysconfig.get_path('data')), *package.parents]
    places = [package.parent / OWN_PACKAGE / 'msg', *(root / share for root in roots)]
    for place in places:
        if any(place.glob('*.msg')):
            return place
    raise FileNotFoundError(
        f'no definitions of {OWN_PACKAGE} (*.msg) in '
        f'{", ".join(map(str, dict.fromkeys(places)))}; '
        "reinstall the package: pip install 'robot_face_gen[standalone]'")


class Definitions:
    """Every interface that this process may use, from rosbags and from the project's own files."""

    def __init__(self, distro: str) -> None:
        """Load the definitions of a ROS 2 distribution, see `environment.DISTROS`."""
        self._store: Typestore = get_typestore(Stores(f'ros2_{distro}'))
        self._constants: dict[str, list[tuple[str, str, Any]]] = {}
        self._register_own()
        for name, text in SERVICES.items():
            self._register_service(name, text)
        for name, (constants, fields) in self._store.fielddefs.items():
            self._store.fielddefs[name] = (constants, _char_as_uint8(fields))
        self._hashes: dict[str, str] = {}

    def _register(self, text: str, name: str) -> None:
        # rosbags takes every name for a message's: a/srv/B becomes a/srv/msg/B.
        self._store.register(_renamed(get_types_from_msg(text, name)))

    def _register_own(self) -> None:
        types: dict[str, Any] = {}
        for path in sorted(message_folder().glob('*.msg')):
            name = f'{OWN_PACKAGE}/msg/{path.stem}'
            try:
                types.update(get_types_from_msg(path.read_text(encoding='utf-8'), name))
            except Exception as error:
                raise ValueError(f'{path}: not a message definition: {error}') from error
        self._store.register(types)

    def _register_service(self, name: str, text: str) -> None:
        request, response = text.split('---\n')
        self._register(request, f'{name}_Request')
        self._register(response, f'{name}_Response')
        if 'service_msgs/msg/ServiceEventInfo' in self._store.fielddefs:
            self._register(f'service_msgs/ServiceEventInfo info\n{name}_Request[<=1] request\n'
                           f'{name}_Response[<=1] response\n', f'{name}_Event')
            self._register(f'{name}_Request request_message\n{name}_Response response_message\n'
                           f'{name}_Event event_message\n', name)

    def __contains__(self, name: str) -> bool:
        return name in self._store.fielddefs

    def names(self, package: str, kind: str = 'msg') -> list[str]:
        """Short names of a package's messages ('msg') or services ('srv')."""
        if kind == 'srv':
            return sorted(name.split('/')[2] for name in SERVICES
                          if name.startswith(f'{package}/'))
        return sorted(name.split('/')[2] for name in self._store.fielddefs
                      if name.startswith(f'{package}/{kind}/'))

    def fields(self, name: str) -> list[tuple[str, FieldType]]:
        """Fields of a message in wire order; one named PLACEHOLDER where it has none.

        Raises:
            KeyError: No such message; names it.
        """
        if name not in self._store.fielddefs:
            raise KeyError(f'unknown message type {name!r}')
        fields = [(field, _field_type(desc)) for field, desc in self._store.fielddefs[name][1]]
        return fields or [(PLACEHOLDER, FieldType('uint8', False, 'one', 0, 0))]

    def raw_field(self, name: str, index: int) -> Any:
        """A field's type as rosbags writes it."""
        raw = self._store.fielddefs[name][1]
        return raw[index][1] if raw else (1, ('uint8', 0))

    def defaults(self, name: str) -> dict[str, Any]:
        """Defaults of a message's fields that are not zero."""
        return {field: value for (owner, field), value in DEFAULTS.items() if owner == name}

    def constants(self, name: str) -> dict[str, Any]:
        """Constants of a message, with the values that Python code sees."""
        return {key: bytes([int(value)]) if base in ('byte', 'octet') else value
                for key, base, value in self._store.fielddefs[name][0]}

    def type_hash(self, name: str) -> str:
        """Hash (`RIHS01_...`) by which ROS 2 since iron tells versions of a type apart."""
        if name not in self._hashes:
            self._hashes[name] = self._store.hash_rihs01(name)
        return self._hashes[name]


def _renamed(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree.replace('/srv/msg/', '/srv/')
    if isinstance(tree, dict):
        return {_renamed(key): _renamed(value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        return type(tree)(_renamed(item) for item in tree)
    return tree


def _char_as_uint8(tree: Any) -> Any:
    # rosidl knows char as uint8, so that the type's hash has it so.
    if tree == ('char', 0):
        return ('uint8', 0)
    if isinstance(tree, (tuple, list)):
        return type(tree)(_char_as_uint8(item) for item in tree)
    return tree


def _field_type(desc: Any) -> FieldType:
    kind, content = _KINDS[int(desc[0])], desc[1]
    size = 0
    if kind != 'one':
        desc, size = content
        content = desc[1]
    if int(desc[0]) == 2:
        return FieldType(content, True, kind, size, 0)
    base, bound = content
    return FieldType(base, False, kind, size, bound or 0)


@cache
def definitions() -> Definitions:
    """The definitions of this process' distribution."""
    return Definitions(environment.distro())


def type_hash_entry(name: str) -> str:
    """What an endpoint's user data says of its type; '' where the distribution has no hashes."""
    if 'service_msgs/msg/ServiceEventInfo' not in definitions():
        return ''
    return f'typehash={definitions().type_hash(name)};'
