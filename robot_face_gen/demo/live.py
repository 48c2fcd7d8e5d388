# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen demo`: the real graph on a recorded face and voice, and what came of it."""

from __future__ import annotations

import argparse
import math
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from robot_face_gen.files import write_text
from robot_face_gen.graph import GRAPHS
from robot_face_gen.models.backends import AUTO
from robot_face_gen.pipeline.recording import Recording, read_recording
from robot_face_gen.resources import demo_recording
from robot_face_gen.sources import VIDEO
from robot_face_gen.tools.bringup import BringupError, BringupProcess, start_bringup
from robot_face_gen.tools.ros import child_environment, require_ros

from .react import add_shared_arguments, answer, check_shared_arguments, write_results
from .recorder import Recorder, own_domain
from .screen import screen_address, screen_arguments, view
from .usage import Usage

NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node')
TRACKED = 'speaker.csv'  # what was tracked in a film
FILM = 'demo.mp4'
LOG = 'graph.log'  # output of the nodes
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
AFTER_S = 1.0  # for the last answers
DELAYS_S = (6.0, 20.0, 60.0)  # until the recording begins; longer where the nodes were not ready
_PARAMETERS = """\
# What the demo sets beside the launch arguments; the seed makes the reaction repeatable.
/**/reaction_node:
  ros__parameters:
    seed: {seed}
    temperature: {temperature}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Fill in the subcommand's arguments."""
    parser.add_argument(
        '--openface', metavar='FILE', help='OpenFace CSV of the speaker (default: a shipped one)'
    )
    parser.add_argument(
        '--video',
        metavar='FILE',
        help='film of the speaker, instead of --openface: its face is tracked as a camera sees it '
        f'(and written to {TRACKED}), its sound is the voice',
    )
    parser.add_argument(
        '--audio',
        metavar='FILE',
        help='sound file, or film with the sound, of the voice (default: a shipped one)',
    )
    add_shared_arguments(parser, out='demo_output', film=FILM)
    parser.add_argument(
        '--view',
        action='store_true',
        help='repeat the recording and show the face in a web browser, until Ctrl-C; no results',
    )
    parser.add_argument(
        '--download',
        action='store_true',
        help='try to download missing weights of Whisper (and of the tracker, for --video)',
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo as the arguments say; without ROS, answer the same recording in one process."""
    check_shared_arguments(args)
    if args.download:
        _download(args)
    if args.video:
        openface, audio, tracked = _film(args)
        recording = read_recording(
            tracked, audio or None, speed=args.speed, duration_s=args.duration or math.inf
        )
        recording = replace(recording, title=Path(args.video).name)
    else:
        shipped = demo_recording()
        openface, audio = str(args.openface or shipped[0]), str(args.audio or shipped[1])
        # Read both files before anything is started: an error in them is shown at once.
        recording = read_recording(
            openface, audio, speed=args.speed, duration_s=args.duration or math.inf
        )
    try:
        require_ros()
    except ImportError as error:
        print(f'the live graph needs ROS 2: {" ".join(str(error).split())}')
        print('instead, one process answers the same recording (robot-face-gen react)', flush=True)
        return answer(args, recording, film=FILM)
    with own_domain() as domain:
        if args.view:
            os.environ.update(child_environment())
            return view(_arguments(args, openface, audio), Path(args.out) / LOG)
        return _run(args, recording, openface, audio, domain)


def _film(args: argparse.Namespace) -> tuple[str, str, Path]:
    """Sources of face and voice in a film ('' without sound), and the CSV of its face.

    Raises:
        ValueError: it is no film, or --openface is given too.
    """
    from robot_face_gen.camera.sources import VideoFile
    from robot_face_gen.camera.track import track

    if args.openface:
        raise ValueError('--video and --openface: expected one of them')
    video = VideoFile(args.video)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    track(video, out / TRACKED, until_s=args.duration)
    sound = args.audio or (args.video if video.has_sound else '')
    return f'{VIDEO}{args.video}', sound, out / TRACKED


def _download(args: argparse.Namespace) -> None:
    """Get missing weights of Whisper and the tracker's; without network, go on without them."""
    from robot_face_gen.camera.networks import MODEL
    from robot_face_gen.features.whisper_cache import model_name
    from robot_face_gen.models.store import get
    from robot_face_gen.pipeline.embedding_contract import read_info, trained_with

    try:
        weights = args.whisper
        if weights == AUTO:
            weights = trained_with(read_info(args.checkpoint))['weights']
        for name in (model_name(weights), MODEL if args.video else ''):
            if name:
                get(name, report=lambda line: print(line, flush=True))
    except (ValueError, OSError) as error:
        print(f'note: {error}', flush=True)


def _run(
    args: argparse.Namespace, recording: Recording, openface: str, audio: str, domain: int
) -> int:
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for problem in recording.problems:
        print(f'note: {problem}')
    duration_s = recording.duration_s
    if args.duration:
        duration_s = min(duration_s, args.duration)
    duration_s = round(duration_s * 1e9) / 1e9  # as it comes back from `_watch`
    os.environ.update(child_environment())  # the recorder finds whom the nodes find
    recorder = Recorder(domain)
    graph: BringupProcess | None = None
    listened_s = 0.0
    try:
        graph, start_ns = _start(openface, audio, args, recorder, out)
        usage = Usage(graph.processes)
        listened_s = _watch(recorder, graph, usage, start_ns, duration_s)
    except KeyboardInterrupt:
        print('interrupted before the recording began')
        return INTERRUPTED
    finally:
        # A second Ctrl-C must not leave the graph behind.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        if graph is not None:
            graph.stop()
        recorder.close()
        signal.signal(signal.SIGINT, before)
    # Not before: until the graph has ended, frames went on coming.
    recorder.record.cut(start_ns + round(listened_s * 1e9))
    if interrupted := listened_s < duration_s:
        no_film = '' if args.no_video else '; no film is made'
        print(f'interrupted after {listened_s:.1f} s: the results until then follow{no_film}')
        if not recorder.record.reactions:
            return INTERRUPTED
    try:
        code = write_results(
            out, [recorder.record], recording, start_ns, listened_s, usage,
            more={'seeds': [args.seed]}, film='' if args.no_video or interrupted else FILM,
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f'interrupted: {out} holds what was finished by then')
        return INTERRUPTED
    return INTERRUPTED if interrupted else code


def _arguments(args: argparse.Namespace, openface: str, audio: str) -> dict[str, str]:
    """Launch arguments; writes the file of parameters."""
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    parameters = out / 'parameters.yaml'
    write_text(parameters, _PARAMETERS.format(seed=args.seed, temperature=float(args.temperature)))
    given = {
        'openface': openface,
        'audio': audio or 'none',
        'speed': str(args.speed),
        'checkpoint': args.checkpoint,
        'whisper': args.whisper,
        'device': args.device,
        'params_file': str(parameters),
    }
    return {name: value for name, value in given.items() if value}


def _start(
    openface: str, audio: str, args: argparse.Namespace, recorder: Recorder, out: Path
) -> tuple[BringupProcess, int]:
    """Start the graph; the recording begins once every node has loaded what it needs."""
    log = out / LOG
    given = {**_arguments(args, openface, audio), **screen_arguments()}
    names = [node.name for node in GRAPHS['bringup']().nodes(given)]
    print(f'starting {", ".join(names)} (their output: {log})', flush=True)
    for delay_s in DELAYS_S:
        recorder.record.diagnostics.clear()
        recorder.record.mixed.clear()
        start_ns = time.time_ns() + round(delay_s * 1e9)
        graph = start_bringup({'start_time': f'{start_ns / 1e9:.6f}', **given}, log_file=log)
        try:
            while time.time_ns() < start_ns - 300_000_000:
                graph.check()
                if all(name in recorder.record.diagnostics for name in names):
                    if address := screen_address(log):
                        print(f'the face, live: {address} (demo --view repeats it)', flush=True)
                    return graph, round(float(f'{start_ns / 1e9:.6f}') * 1e9)
                time.sleep(0.05)
            graph.stop()
        except BaseException:
            graph.stop()
            raise
    missing = ', '.join(name for name in names if name not in recorder.record.diagnostics)
    raise BringupError(f'not ready after {DELAYS_S[-1]:g} s: {missing}: see {log}')


def _watch(
    recorder: Recorder, graph: BringupProcess, usage: Usage, start_ns: int, duration_s: float
) -> float:
    """Wait until the recording has been answered; returns how much of it was, in seconds.

    That is less than `duration_s` after Ctrl-C alone.
    """
    from tqdm import tqdm

    record = recorder.record
    end_ns = start_ns + round(duration_s * 1e9)
    try:
        with tqdm(
            total=round(duration_s, 1),
            desc='listening',
            unit='s',
            disable=None,
            bar_format='{desc}: {percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} s {postfix}',
        ) as bar:
            while (now_ns := time.time_ns()) < end_ns + round(AFTER_S * 1e9):
                graph.check()
                if now_ns >= end_ns and not record.while_playing:
                    record.end_playing()
                bar.n = round(min(max(now_ns - start_ns, 0) / 1e9, duration_s), 1)
                bar.set_postfix_str(f'{len(record.reactions)} reactions')
                usage.sample()
                time.sleep(0.25)
    except KeyboardInterrupt:
        # The last frames before it have no answer yet, and will have none.
        end_ns = min(end_ns, max((r.source_ns + 1 for r in record.reactions), default=start_ns))
    return min(max((end_ns - start_ns) / 1e9, 0.0), duration_s)
