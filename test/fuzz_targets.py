# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed: each target takes bytes, and may raise the project's own errors only.

`test_fuzz.py` calls the targets with mutated samples, `make fuzz` with inputs that atheris finds.
"""

import atexit
import contextlib
import io
import itertools
import json
import os
import shlex
import socket
import struct
import tempfile
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from robot_face_gen.cli import COMMANDS, build_parser
from robot_face_gen.face.actuator_file import read_actuators
from robot_face_gen.facial_reaction_model.checkpoint import read_checkpoint
from robot_face_gen.facial_reaction_model.config import ModelConfig
from robot_face_gen.features.audio_source import AudioFileSource
from robot_face_gen.features.openface import OpenFaceReader
from robot_face_gen.features.openface_follow import OpenFaceFollower
from robot_face_gen.files import parse_json
from robot_face_gen.graph import GRAPHS, misspelt_nodes
from robot_face_gen.layout import VALUE_LIMITS
from robot_face_gen.models.cache import read_entry
from robot_face_gen.screen.access import is_allowed_host, is_same_origin, may_control, own_names
from robot_face_gen.screen.wire import read_command
from robot_face_gen.tools.bringup import parse_arguments
from robot_face_gen.training.config import read_training_config

ROOT = Path(__file__).resolve().parents[1]
# Errors with a message that programs and nodes of this project report in one line.
ALLOWED = (ValueError, OSError, ImportError)
# In memory where that can be: a disk is slower than the readers.
_MEMORY = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
_FOLDER = tempfile.TemporaryDirectory(prefix='robot_face_gen_fuzz_', dir=_MEMORY)
_FILE = Path(_FOLDER.name) / 'input'


def _file(data, suffix=''):
    path = _FILE.with_suffix(suffix)
    path.write_bytes(data)
    return path


def _check_frames(frames):
    for frame in frames:
        assert 0 <= frame.stamp_ns < 2**63
        assert 0.0 <= frame.confidence <= 1.0
        for name, limit in VALUE_LIMITS.items():
            values = getattr(frame, name)
            assert (np.isnan(values) | (np.abs(values) <= limit)).all(), name


def csv_recorded(data):
    """The bytes of a CSV, in pieces."""
    reader, size = OpenFaceReader('input'), 1 + len(data) // 3
    frames = []
    for begin in range(0, len(data), size):
        frames += reader.push(data[begin : begin + size])
    frames += reader.finish()
    _check_frames(frames)
    stamps = [frame.stamp_ns for frame in frames]
    assert all(a < b for a, b in itertools.pairwise(stamps)), 'stamps do not grow'


def csv_followed(data):
    """A CSV that grows, and is written again."""
    path = _FILE.with_suffix('.csv')
    path.unlink(missing_ok=True)
    follower = OpenFaceFollower(path)
    follower.poll()
    half = len(data) // 2
    for content in (data[:half], data, data[: half // 2], data):
        path.write_bytes(content)
        try:
            _check_frames(follower.poll())
        except ALLOWED:  # the node goes on with what comes next
            continue


def sound(data):
    """A sound file, played once and in a loop."""
    path = _file(data, '.wav')
    for loop in (False, True):
        source = AudioFileSource(path, loop=loop, start_time_ns=0)
        for _ in range(8 if loop else 20):
            block = source.take()
            if block is None:
                break
            assert len(block.samples) and np.isfinite(block.samples).all()


def film(data):
    """A film's pictures."""
    from robot_face_gen.camera.sources import VideoFile

    for number, picture in enumerate(VideoFile(_file(data, '.mp4')).pictures()):
        assert picture.image.ndim == 3
        if number > 5:
            break


def yaml_training(data):
    """A training configuration."""
    read_training_config(_file(data, '.yaml'))


def yaml_actuators(data):
    """A file of actuators."""
    read_actuators(_file(data, '.yaml'))


def yaml_parameters(data):
    """A parameter file, as far as we read it, and launch arguments."""
    misspelt_nodes(str(_file(data, '.yaml')))


def checkpoint(data):
    """A safetensors file."""
    read_checkpoint(_file(data, '.safetensors'))


def checkpoint_header(data):
    """The header of a safetensors file whose tensors are all there."""
    tensors = small_checkpoint()[8 + len(header_of_checkpoint()) :]
    read_checkpoint(_file(len(data).to_bytes(8, 'little') + data + tensors, '.safetensors'))


def model_config(data):
    """The description in a checkpoint."""
    ModelConfig.from_mapping(parse_json(data.decode('utf-8', 'replace')))


def cache_entry(data):
    """An entry of the export cache: damaged ones are none."""
    folder = Path(_FOLDER.name) / 'robot_face_gen'
    folder.mkdir(exist_ok=True)
    (folder / 'entry.json').write_bytes(data)
    (folder / 'payload.onnx').write_bytes(data[:7])
    with mock.patch.dict('os.environ', XDG_CACHE_HOME=_FOLDER.name):  # not for later tests
        read_entry('entry')


def messages(data):
    """Fields of messages."""
    from robot_face_gen.nodes import messages as m
    from robot_face_gen_msgs.msg import AudioChunk, AudioEmbedding, FaceFeatures, FaceReaction

    head = struct.Struct('<iIfBIIIQ')
    data = data.ljust(head.size, b'\0')
    second, nanosecond, number, flag, width, height, rate, first = head.unpack(data[: head.size])
    rest = data[head.size :]
    values = np.frombuffer(rest[: len(rest) // 4 * 4], '<f4')

    def filled(count):
        return np.resize(values, count) if len(values) else np.zeros(count, np.float32)

    def stamped(message):
        message.header.stamp.sec = second
        message.header.stamp.nanosec = nanosecond % 2**32
        return message

    def face(message):
        for name, count in (('landmarks', 136), ('action_units', 18), ('pose', 4), ('gaze', 2)):
            setattr(message, name, filled(count).astype(np.float32))
        return stamped(message)

    features = face(FaceFeatures(success=bool(flag & 1), image_width=width, image_height=height))
    features.confidence = number
    sound_chunk = stamped(AudioChunk(sample_rate=rate, first_sample=first))
    sound_chunk.samples = [float(x) for x in values]
    embedding = stamped(AudioEmbedding(dim=width, encoder='tiny', rate=number))
    embedding.data = [float(x) for x in values]
    for read in (
        lambda: _check_frames([m.to_face_frame(features)[0]]),
        lambda: m.to_samples(sound_chunk),
        lambda: m.to_embeddings(embedding, max(1, width % 8), 50.0),
        lambda: m.to_reaction(face(FaceReaction())),
    ):
        try:
            read()
        except m.BadMessage as error:
            assert ' = ' in str(error) or 'is empty' in str(error) or 'holds' in str(error)


def screen(data):
    """What a page sends, and the headers of its requests."""
    text = data.decode('utf-8', 'surrogateescape')
    names = own_names(['robot.example'])
    is_allowed_host(text, names)
    is_same_origin(text, text[::-1])
    may_control('local', text)
    read_command(text)


def requests(data):
    """Bytes on a connection to the server of the screen: HTTP and WebSocket."""
    shown, number = _screen()
    _ask(shown.port, data, timeout_s=0.02)
    assert not [text for level, text in shown.logged if level == 'error'], shown.logged
    if next(number) % 100 == 0:
        whole = _ask(shown.port, b'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n', timeout_s=10)
        assert whole.startswith(b'HTTP/1.0 200'), whole


def _ask(port, data, timeout_s):
    with (
        contextlib.suppress(ConnectionError, TimeoutError),
        socket.create_connection(('127.0.0.1', port), timeout=timeout_s) as connection,
    ):
        connection.sendall(data)
        return connection.recv(200)
    return b''


@cache
def _screen():
    """A server, and a counter of requests."""
    from screen_server import Screen

    shown = Screen()
    atexit.register(shown.close)
    return shown, itertools.count()


def command_line(data):
    """Arguments of the commands and of the launch, which are not run."""
    try:
        words = shlex.split(data.decode('utf-8', 'replace').replace('\0', ''))
    except ValueError:
        return
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            _parser(words[0] if words and words[0] in COMMANDS else None).parse_args(words)
    except SystemExit as error:
        assert error.code in (0, 2)
    given = parse_arguments(words[1:])
    for name in GRAPHS:
        try:
            _graph(name).nodes(given)
        except ALLOWED as error:
            assert str(error), name


@cache
def _parser(command):
    return build_parser(command)


@cache
def _graph(name):
    return GRAPHS[name]()


TARGETS = (
    csv_recorded, csv_followed, sound, film, yaml_training, yaml_actuators, yaml_parameters,
    checkpoint, checkpoint_header, model_config, cache_entry, messages, screen, requests,
    command_line,
)  # fmt: skip


_SET = b'{"type": "set", "node": "/reaction_node", "name": "temperature", "value": 0.5}'
_UPGRADE = (
    b'GET /ws?view=inspect HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
    b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
    b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
)
REQUESTS = (
    _UPGRADE + b'\r\n\x81\x85\0\0\0\0hello',
    # A command, a ping, the half of a message, the end.
    _UPGRADE + b'Origin: http://localhost\r\n\r\n\x81' + bytes([128 + len(_SET)]) + bytes(4) + _SET
    + b'\x89\x80\0\0\0\0\x01\x81\0\0\0\0a\x88\x82\0\0\0\0\x03\xe8',
    _UPGRADE + b'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n'
    b'\xc1\x87\0\0\0\0\xf2H\xcd\xc9\xc9\x07\0',
    b'GET /static/face.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\n'
    b'If-Modified-Since: Fri, 27 Nov 2026 03:00:00 GMT\r\nAccept-Encoding: gzip\r\n\r\n',
    b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello',
)  # fmt: skip


def samples(target):
    """Valid inputs of a target, from which others are made."""
    from robot_face_gen.resources import default_checkpoint, demo_recording

    face, voice = demo_recording()
    config = ROOT / 'config'
    lines = face.read_bytes().splitlines(keepends=True)
    words = [b'demo --seed 3', b'react --openface a.csv --samples 2', b'train num_epochs=3',
             b'bringup openface:=a.csv audio:=none loop:=true speed:=2.0']  # fmt: skip
    made = {
        csv_recorded: lambda: [b''.join(lines[:5])],
        csv_followed: lambda: [b''.join(lines[:5])],
        sound: lambda: [wav(), voice.read_bytes()[:3000], *sounds()],
        film: lambda: [small_film('.mp4'), small_film('.mkv')],
        yaml_training: lambda: [(config / 'training_config.yaml').read_bytes()],
        yaml_actuators: lambda: [(config / 'actuators_screen.yaml').read_bytes()],
        yaml_parameters: lambda: [(config / 'bringup.yaml').read_bytes()[:3000]],
        checkpoint: lambda: [small_checkpoint(), default_checkpoint().read_bytes()[:12000]],
        checkpoint_header: lambda: [header_of_checkpoint()],
        model_config: lambda: [json.dumps(ModelConfig().to_dict()).encode()],
        cache_entry: lambda: [b'{"file": "payload.onnx", "sha256": "0", "description": {}}'],
        messages: lambda: [bytes(range(1, 200))],
        screen: lambda: [b'{"type": "set", "node": "/a", "name": "b", "value": 1}',
                         b'localhost:8090', b'http://127.0.0.1:8090'],
        requests: lambda: [*REQUESTS],
        command_line: lambda: words,
    }  # fmt: skip
    corpus = ROOT / 'test' / 'corpus' / target.__name__
    found = sorted(corpus.glob('*')) if corpus.is_dir() else []
    return [*made[target](), *(path.read_bytes() for path in found)]


def small_film(suffix):
    """Three pictures and a little sound."""
    from films import write_film

    images = [np.full((48, 64, 3), 80 * i, np.uint8) for i in range(3)]
    path = write_film(_FILE.with_suffix(suffix), images, sound=np.zeros(4096, np.float32))
    return path.read_bytes()


@cache
def sounds():
    """A few blocks of sound in each of some formats."""
    from sound_files import encode

    wave = np.sin(np.arange(2048) / 5).astype('f') / 4
    whole = []
    for name, codec in (('flac', 'flac'), ('au', 'pcm_s16be'), ('caf', 'pcm_s16be'),
                        ('w64', 'pcm_s16le'), ('aiff', 'pcm_s16be'), ('ogg', 'libopus'),
                        ('mp3', 'libmp3lame'), ('m4a', 'aac'), ('webm', 'libopus')):  # fmt: skip
        path = _FILE.with_name(f'a.{name}')
        whole_numbers = codec == 'flac' or codec.startswith('pcm')
        samples = (wave * 32767).astype(np.int16) if whole_numbers else wave
        encode(path, codec, samples, 48000 if codec == 'libopus' else 16000)
        whole.append(path.read_bytes())
    return whole


@cache
def small_checkpoint():
    """The names of a complete file, one number in each tensor."""
    from safetensors import safe_open
    from safetensors.numpy import save

    from robot_face_gen.facial_reaction_model import FacialReactionModel, save_checkpoint

    config = ModelConfig(
        feature_dim=8, audio_dim=8, latent_dim=2, num_heads=2, encoder_layers=1, decoder_layers=1,
        feedforward_dim=8, max_seq_len=32,
    )  # fmt: skip
    path = _FILE.with_suffix('.safetensors')
    save_checkpoint(FacialReactionModel(config), path)
    with safe_open(path, framework='np') as file:
        whole = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        first = {name: x[(slice(1),) * x.ndim].copy() for name, x in whole.items()}
        return save(first, file.metadata())


def header_of_checkpoint():
    """Names, types and shapes of tensors, and the description; JSON."""
    size = int.from_bytes(small_checkpoint()[:8], 'little')
    return small_checkpoint()[8 : 8 + size]


def wav():
    """A tenth of a second of sound."""
    values = (np.sin(np.arange(1600) / 5) * 9000).astype('<i2').tobytes()
    head = struct.pack('<4sI4s4sIHHIIHH4sI', b'RIFF', 36 + len(values), b'WAVE', b'fmt ', 16, 1, 1,
                       16000, 32000, 2, 16, b'data', len(values))  # fmt: skip
    return head + values


def run(target, data):
    """Call a target; only errors with a message are allowed."""
    try:
        target(data)
    except ALLOWED as error:
        if isinstance(error, UnicodeError) and target not in (screen, command_line):
            raise AssertionError(f'{target.__name__}: {error!r} reached the caller') from error
        assert str(error).strip(), f'{target.__name__}: {error!r} without a message'
