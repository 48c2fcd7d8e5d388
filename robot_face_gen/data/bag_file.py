# SPDX-License-Identifier: Apache-2.0
"""Bag files: opens rosbag2 recordings, and writes MCAP files as `ros2 bag record -s mcap` does.

Needs the extra `[bags]`, but no ROS 2.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import struct
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from robot_face_gen.extras import require
from robot_face_gen.files import user_path

MESSAGES = 'robot_face_gen_msgs'
PART = '.part'  # suffix of a file that is being written
_RECOVERING = '.recovering'
BAG_SUFFIXES = ('.mcap', '.db3')
# Bytes of messages that are kept in memory before they are written: what a kill loses.
_CHUNK_BYTES = 64 * 1024
# The oldest format of metadata that all readers from Humble to Rolling understand with MCAP:
# policies of QoS are numbers.
_METADATA_VERSION = 8


def message_folder(package: str = MESSAGES) -> Path:
    """Folder of a package's `.msg` files: in the source tree, in a ROS workspace, or installed.

    Raises:
        FileNotFoundError: there is none; the message names the folders that were searched.
    """
    here = Path(__file__).resolve().parents[1]
    workspaces = filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep))
    roots: list[str | Path] = [*workspaces, sys.prefix, sysconfig.get_path('data'), *here.parents]
    folders = [Path(root, 'share', package, 'msg') for root in roots]
    if package == MESSAGES:  # they are installed with this package, too
        folders.insert(0, here.parent / MESSAGES / 'msg')
        folders += [Path(root, 'share', 'robot_face_gen', 'msg') for root in roots]
    for folder in folders:
        if any(folder.glob('*.msg')):
            return folder
    raise FileNotFoundError(
        f'no message definitions ({package}/msg/*.msg) in '
        f'{", ".join(map(str, dict.fromkeys(folders)))}: install {package}'
    )


def bag_files(path: Path) -> list[Path]:
    """The files of a bag, which need not exist."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file())


@contextlib.contextmanager
def open_bag(path: str | Path) -> Iterator[Any]:
    """Open a bag: a folder with metadata.yaml, or one `.mcap` or `.db3` file.

    Yields:
        rosbags.highlevel.AnyReader: the open reader.

    Raises:
        ImportError: rosbags is not installed; the message names the pip command.
        ValueError: there is no bag, or it cannot be read.
    """
    highlevel, typesys = require('rosbags.highlevel', 'bags'), require('rosbags.typesys', 'bags')
    path = user_path(path)
    if not path.exists():
        expected = _hint(path) or '; expected a folder, an .mcap or a .db3 file'
        raise ValueError(f'{path}: no such bag{expected}')
    # SQLite bags of ROS 2 Humble do not contain the definitions of their messages.
    store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
    for file in sorted(message_folder().glob('*.msg')):
        name = f'{MESSAGES}/msg/{file.stem}'
        store.register(typesys.get_types_from_msg(file.read_text(encoding='utf-8'), name))
    try:
        reader = highlevel.AnyReader([_storage(path)], default_typestore=store)
        for part in reader.readers:
            _leave_out_unreadable_types(part, typesys)
        reader.open()
    except (highlevel.AnyReaderError, KeyError, OSError, TypeError) as error:
        raise ValueError(f'{path}: cannot be read as a bag: {error}{_hint(path)}') from None
    try:
        if not reader.is2:
            raise ValueError(f'{path}: is a bag of ROS 1; expected one of ROS 2')
        yield reader
    except (highlevel.AnyReaderError, require('rosbags.rosbag2', 'bags').ReaderError) as error:
        raise ValueError(f'{path}: the bag is damaged: {error}') from None
    finally:
        reader.close()


def _leave_out_unreadable_types(reader: Any, typesys: Any) -> None:
    """Forget definitions that rosbags cannot parse: those of services, since ROS 2 Jazzy.

    Their messages can still be replayed.
    """
    formats = require('rosbags.interfaces', 'bags').MessageDefinitionFormat
    open_it = reader.open

    def open_and_forget() -> None:
        open_it()
        for index, one in enumerate(reader.connections):
            if one.msgdef.format != formats.MSG:
                continue
            try:
                typesys.get_types_from_msg(one.msgdef.data, one.msgtype)
            except typesys.TypesysError:
                nothing = one.msgdef._replace(format=formats.NONE, data='')
                reader.connections[index] = one._replace(msgdef=nothing)

    reader.open = open_and_forget


def _storage(path: Path) -> Path:
    """The only file of a bag's folder, if rosbags can read it without metadata.yaml.

    For a folder, rosbags returns no message of a topic whose QoS differ in file and metadata.
    """
    files = [file for file in bag_files(path) if file.suffix in BAG_SUFFIXES]
    if len(files) != 1:
        return path
    try:
        text = (path / 'metadata.yaml').read_text(encoding='utf-8')
    except OSError:
        return files[0]
    is_compressed = re.search(r'compression_mode: *[\'"]?\w', text)
    return path if is_compressed else files[0]


def _hint(path: Path) -> str:
    """What to do about a bag whose recording was killed."""
    if path.is_dir() and not (path / 'metadata.yaml').is_file():
        return f' (was its recording killed? ros2 bag reindex {shlex.quote(str(path))})'
    part = path if path.suffix == PART else path.with_name(path.name + PART)
    if not part.is_file():
        return ''
    return f' ({part.name} is of a recording that was killed: {recover_command(part)})'


def recover_command(part: Path) -> str:
    """The command that makes a bag of the file that a killed recording has left."""
    return f'robot-face-gen record --recover {shlex.quote(str(part))}'


class Definitions:
    """Definitions of the installed message types, as bags contain them.

    Raises:
        ImportError: rosbags is not installed; the message names the pip command.
    """

    def __init__(self) -> None:
        self._typesys = require('rosbags.typesys', 'bags')
        self._store = self._typesys.get_typestore(self._typesys.Stores.EMPTY)

    def of(self, kind: str) -> tuple[str, str]:
        """Definition of a type such as 'std_msgs/msg/Header' with all it contains, and its hash.

        Raises:
            ValueError: the definition is not installed, or is in IDL.
        """
        found: dict[str, Any] = {}
        self._find(kind, found)
        self._store.register(found)
        return self._store.generate_msgdef(kind, ros_version=2)[0], self._store.hash_rihs01(kind)

    def _find(self, kind: str, found: dict[str, Any]) -> None:
        if kind in found or kind in self._store.fielddefs:
            return
        package, _, name = kind.partition('/msg/')
        try:
            text = (message_folder(package) / f'{name}.msg').read_text(encoding='utf-8')
        except OSError:
            raise ValueError(f'there is no {name}.msg of the package {package}') from None
        fields = self._typesys.get_types_from_msg(text, kind)
        found.update(fields)
        for _, (_, description) in fields[kind][1]:
            # A base type, (type, length) of a sequence or array, or the name of a message.
            while isinstance(description, tuple) and isinstance(description[0], tuple):
                description = description[0][1]
            if isinstance(description, str) and '/msg/' in description:
                self._find(description, found)


class BagWriter:
    """Writes an MCAP file; its final name appears when it is complete.

    Until `close`, the messages are in `part`, whose name ends in `suffix`. If the program is
    killed before, `recover` makes a bag of that file.

    Raises:
        ImportError: mcap is not installed; the message names the pip command.
        FileExistsError: there is such a bag, or the file of a killed recording of that name.
        OSError: the file cannot be written.
    """

    def __init__(self, path: str | Path, suffix: str = PART) -> None:
        writer = require('mcap.writer', 'bags')
        self.path = user_path(path)
        self.part = self.path.with_name(self.path.name + suffix)
        if self.path.exists():
            raise FileExistsError(f'{self.path} exists: remove it or choose another name')
        if self.part.exists():
            raise FileExistsError(
                f'{self.part} exists: it is being recorded, or its recording was killed: '
                f'{recover_command(self.part)}, or remove it'
            )
        self._file = self.part.open('xb')
        self._schemas: dict[str, int] = {}
        self._times_ns: list[int] = []  # of the first and of the last message
        self.count = self.bytes = 0
        self._writer = writer.Writer(
            self._file, chunk_size=_CHUNK_BYTES, compression=writer.CompressionType.NONE
        )
        self._writer.start(profile='ros2', library='robot_face_gen')

    def add_topic(
        self, topic: str, kind: str, definition: str, metadata: Mapping[str, str]
    ) -> int:
        """Add a topic of a type such as 'std_msgs/msg/Header'; returns its number for `write`.

        The definition is that of `Definitions`; the metadata are `offered_qos_profiles` (YAML) and
        `topic_type_hash`.
        """
        if kind not in self._schemas:
            self._schemas[kind] = self._writer.register_schema(
                kind, 'ros2msg', definition.encode()
            )
        return self._writer.register_channel(topic, 'cdr', self._schemas[kind], dict(metadata))

    def write(self, channel: int, time_ns: int, data: bytes) -> None:
        """Add a serialized message, received at a time (ns).

        Raises:
            OSError: the file cannot be written.
        """
        self._writer.add_message(channel, time_ns, data, time_ns)
        first_ns, last_ns = self._times_ns or (time_ns, time_ns)
        self._times_ns = [min(first_ns, time_ns), max(last_ns, time_ns)]
        self.count += 1
        self.bytes += len(data)

    @property
    def duration_s(self) -> float:
        """Time between the first and the last message."""
        return (self._times_ns[1] - self._times_ns[0]) / 1e9 if self._times_ns else 0.0

    def flush(self) -> None:
        """Hand complete chunks to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Complete the file and give it its name.

        Raises:
            OSError: the file cannot be completed; what was written remains in `part`.
        """
        begin_ns, end_ns = self._times_ns or (0, 0)
        metadata = {
            'version': _METADATA_VERSION,
            'storage_identifier': 'mcap',
            'relative_file_paths': [self.path.name],
            'duration': {'nanoseconds': end_ns - begin_ns},
            'starting_time': {'nanoseconds_since_epoch': begin_ns},
            'message_count': self.count,
            'topics_with_message_count': [],  # readers take them from the file's own index
            'compression_format': '',
            'compression_mode': '',
            'files': [],
            'custom_data': {},
            'ros_distro': os.environ.get('ROS_DISTRO', ''),
        }
        with self._file:
            self._writer.add_metadata('rosbag2', {'serialized_metadata': yaml.safe_dump(metadata)})
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
        self.part.rename(self.path)

    def abandon(self) -> None:
        """Close the file as it is, without its end; `recover` can read it."""
        with contextlib.suppress(OSError):  # the disk is full: what is not written is lost
            self._file.close()


def recover(part: str | Path) -> tuple[BagWriter, int]:
    """Make a bag of the file that a killed recording has left.

    The new bag has the name that the recording was to have; the old file remains.

    Returns:
        tuple: the closed writer of the new bag, and how many bytes at the end could not be read.

    Raises:
        ValueError: not such a file, or it contains no message.
        OSError: a file cannot be read or written.
    """
    reader, exceptions = require('mcap.reader', 'bags'), require('mcap.exceptions', 'bags')
    part = user_path(part)
    if part.suffix != PART:
        raise ValueError(f'{part}: expected a file whose name ends in {PART}')
    path = part.with_suffix('')
    channels: dict[int, int] = {}
    end = 0
    with part.open('rb') as source:
        path.with_name(path.name + _RECOVERING).unlink(missing_ok=True)
        writer = BagWriter(path, _RECOVERING)
        try:
            bag = reader.NonSeekingReader(source, validate_crcs=True)
            for kind, channel, message in bag.iter_messages(log_time_order=False):
                if channel.id not in channels:
                    channels[channel.id] = writer.add_topic(
                        channel.topic, kind.name, kind.data.decode(), channel.metadata
                    )
                writer.write(channels[channel.id], message.log_time, message.data)
                end = source.tell()
        except (exceptions.McapError, struct.error, ValueError, KeyError):
            pass  # the file ends here, inside of a record
        except OSError:
            writer.abandon()
            raise
    if not writer.count:
        writer.abandon()
        writer.part.unlink()
        raise ValueError(f'{part}: contains no message')
    writer.close()
    return writer, max(part.stat().st_size - end, 0)
