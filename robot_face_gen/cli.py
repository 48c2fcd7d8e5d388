# SPDX-License-Identifier: Apache-2.0
"""The command line: one table of subcommands, each a module with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from . import __version__
from .files import error_text

# name: (module, what it does). A module is imported only when its subcommand is asked for.
COMMANDS: dict[str, tuple[str, str]] = {
    'demo': ('robot_face_gen.demo.live', 'show a robot that listens to a recorded face and voice'),
    'react': ('robot_face_gen.demo.react', 'answer a recorded face and voice, without ROS'),
    'bringup': ('robot_face_gen.tools.bringup', 'start all nodes, as ros2 launch does'),
    'track': ('robot_face_gen.camera.track', 'track the face in a film and write an OpenFace CSV'),
    'topic': ('robot_face_gen.tools.topic', 'list topics, show messages, measure rates'),
    'param': ('robot_face_gen.tools.param', 'list, get and set parameters of a node'),
    'node': ('robot_face_gen.tools.node', 'list nodes'),
    'record': ('robot_face_gen.tools.record', "record the robot's topics into a bag"),
    'replay': ('robot_face_gen.tools.replay', 'publish the messages of a bag'),
    'render': ('robot_face_gen.demo.render', 'make a film of a bag: both faces, with sound'),
    'actuators': ('robot_face_gen.tools.actuators', 'check a file of actuators'),
    'bench': ('robot_face_gen.bench', 'measure speed and memory'),
    'export': (
        'robot_face_gen.facial_reaction_model.onnx_runner',
        'write the model as an ONNX file',
    ),
    'models': ('robot_face_gen.models.store', 'list and download pretrained models'),
    'generate': ('robot_face_gen.synthetic.generate', 'make conversations to train on'),
    'voices': ('robot_face_gen.synthetic.make_bank', 'make a voice bank with speech synthesisers'),
    'sync': (
        'robot_face_gen.data.sync',
        'find when the files of recordings began, by their sound',
    ),
    'prepare': ('robot_face_gen.data.prepare', 'turn recordings into training data'),
    'train': ('robot_face_gen.training.train', 'train a model; a YAML file has the options'),
    'evaluate': ('robot_face_gen.training.evaluate', 'compare a checkpoint with baselines'),
    'measure': (
        'robot_face_gen.training.measure',
        'measure blinks, nods and motion of a recorded face',
    ),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: error: {message} (--help tells more)\n')


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser; only the arguments of `command` are filled in."""
    parser = _Parser(prog='robot-face-gen', description='A robot that listens with its face.')
    parser.add_argument('--version', action='version', version=f'robot-face-gen {__version__}')
    parser.add_argument(
        '--traceback', action='store_true', help='show the Python traceback of an error'
    )
    commands = parser.add_subparsers(dest='command', metavar='command', parser_class=_Parser)
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=f'{text[0].upper()}{text[1:]}.')
        if name == command:
            importlib.import_module(module).add_arguments(sub)
    return parser


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f'; did you mean {near[0]}?' if near else ''


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = parser._actions  # argparse has no public way
    found = [a.choices for a in actions if isinstance(a, argparse._SubParsersAction)]
    return dict(found[0]) if found else {}


def _refuse(parser: argparse.ArgumentParser, word: str) -> NoReturn:
    """End with an error about an argument that no option takes."""
    if not word.startswith('-'):
        parser.error(f'unexpected argument {word!r}')
    known = [
        option
        for each in (parser, *_subparsers(parser).values())
        for option in each._option_string_actions
    ]
    name = word.partition('=')[0]
    parser.error(f'unknown option {name}{_did_you_mean(name, known)}')


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code, 2 after an error, which is told in one line."""
    argv = sys.argv[1:] if argv is None else list(argv)
    command = next((word for word in argv if not word.startswith('-')), None)
    show_traceback = '--traceback' in argv
    # A file name that this terminal cannot show must not end the command.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == 'strict':
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        parser = build_parser(command)
        if command is not None and command not in COMMANDS:
            parser.error(f'unknown command {command!r}{_did_you_mean(command, COMMANDS)}')
        args, left_over = parser.parse_known_args(argv)
        if left_over:
            _refuse(_subparsers(parser).get(command or '', parser), left_over[0])
        if args.command is None:
            parser.print_help()
            return 0
        return int(importlib.import_module(COMMANDS[args.command][0]).run(args) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` closed our output: nothing is left to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if show_traceback:
            raise
        text = error_text(error)
        print(f'robot-face-gen: error: {text}', file=sys.stderr)
        return 2


if __name__ == '__main__':
    sys.exit(main())
