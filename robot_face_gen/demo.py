# SPDX-License-Identifier: Apache-2.0
"""`robot-face-gen demo`: the real graph on a recorded face and voice, and what came of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .demonstration.recorder import Recorder
    from .tools.bringup import BringupProcess

NODES = ('openface_node', 'microphone_node', 'whisper_node', 'reaction_node')
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
AFTER_S = 1.0  # for the last answers
DELAYS_S = (8.0, 20.0, 60.0)  # until the recordings begin; longer where the nodes were not ready


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        '--openface', metavar='FILE', help='OpenFace CSV of the speaker (default: a shipped one)'
    )
    parser.add_argument(
        '--audio', metavar='FILE', help='WAV or FLAC of the voice (default: a shipped one)'
    )
    parser.add_argument(
        '--out', metavar='DIR', default='demo_output', help='for results (default: %(default)s)'
    )
    parser.add_argument('--duration', type=float, metavar='S', help='stop after so many seconds')
    parser.add_argument(
        '--speed', type=float, default=1.0, help='pace of the recording (default: %(default)s)'
    )
    parser.add_argument(
        '--checkpoint', default='', metavar='FILE', help='weights (default: the shipped ones)'
    )
    parser.add_argument(
        '--whisper', default='', metavar='NAME|FILE', help='weights of the Whisper encoder'
    )
    parser.add_argument('--device', default='', help='auto, cpu or cuda')
    parser.add_argument('--no-video', action='store_true', help='leave demo.mp4 out')


@dataclass(frozen=True)
class Recording:
    """What is played."""

    openface: Path
    audio: Path
    times_s: tuple[float, ...]
    face_s: float
    voice_s: float

    @property
    def duration_s(self) -> float:
        """Until the later of the two ends."""
        return max(self.face_s, self.voice_s)

    def frames_until(self, recorded_s: float) -> int:
        """How many frames of the face come before a time of the recording."""
        return sum(time_s < recorded_s for time_s in self.times_s)


def _recording(args: argparse.Namespace) -> Recording:
    """Look at both files before anything is started: what is wrong with them is told at once."""
    from .features.audio_source import read_audio
    from .features.openface import read_openface_csv
    from .resources import demo_recording

    if not args.speed > 0:
        raise ValueError(f'--speed {args.speed}: expected above 0')
    if args.duration is not None and not args.duration > 0:
        raise ValueError(f'--duration {args.duration}: expected above 0')
    shipped = demo_recording()
    openface, audio = Path(args.openface or shipped[0]), Path(args.audio or shipped[1])
    track = read_openface_csv(openface)
    samples, rate = read_audio(audio)
    first = track.frames[0].stamp_ns
    times_s = tuple((frame.stamp_ns - first) / 1e9 for frame in track.frames)
    return Recording(openface, audio, times_s, times_s[-1] + 0.04, len(samples) / rate)


def run(args: argparse.Namespace) -> int:
    """Run the demo as the arguments say."""
    from .demonstration.domain import own_domain

    recording = _recording(args)
    with own_domain() as domain:
        return _run(args, recording, domain)


def _run(args: argparse.Namespace, recording: Recording, domain: int) -> int:
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    duration_s = recording.duration_s / args.speed
    if args.duration:
        duration_s = min(duration_s, args.duration)
    from .demonstration.recorder import Recorder
    from .demonstration.usage import Usage

    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    recorder = Recorder(domain)
    graph: BringupProcess | None = None
    listened_s = 0.0
    try:
        graph, start_ns = _start(recording, args, recorder, out / 'graph.log')
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
        print(f'interrupted after {listened_s:.1f} s: what follows are the results until then')
        if not recorder.record.reactions:
            return INTERRUPTED
    try:
        _results(recorder, usage, args, recording, start_ns, listened_s, out)
    except KeyboardInterrupt:
        print(f'interrupted: {out} holds what was finished by then')
        return INTERRUPTED
    return INTERRUPTED if interrupted else 0


def _start(
    recording: Recording, args: argparse.Namespace, recorder: Recorder, log: Path
) -> tuple[BringupProcess, int]:
    """Start the graph; the recordings begin once every node has loaded what it needs."""
    from .tools.bringup import BringupError, start_bringup

    wanted = {'checkpoint': args.checkpoint, 'whisper': args.whisper, 'device': args.device}
    print(f'starting {", ".join(NODES)} (their output: {log})', flush=True)
    for delay_s in DELAYS_S:
        recorder.record.diagnostics.clear()
        start_ns = time.time_ns() + round(delay_s * 1e9)
        graph = start_bringup(
            {
                'openface': str(recording.openface),
                'audio': str(recording.audio),
                'speed': str(args.speed),
                'start_time': f'{start_ns / 1e9:.6f}',
                **{k: v for k, v in wanted.items() if v},
            },
            log_file=log,
        )
        try:
            while time.time_ns() < start_ns - 300_000_000:
                if graph.exits:
                    name = next(iter(graph.exits))
                    raise BringupError(f'{name} has ended: see {log}: {_last_words(log, name)}')
                if all(name in recorder.record.diagnostics for name in NODES):
                    return graph, round(float(f'{start_ns / 1e9:.6f}') * 1e9)
                time.sleep(0.05)
            graph.stop()
        except BaseException:
            graph.stop()
            raise
    missing = ', '.join(name for name in NODES if name not in recorder.record.diagnostics)
    raise BringupError(f'not ready after {DELAYS_S[-1]:g} s: {missing}: see {log}')


def _last_words(log: Path, name: str) -> str:
    lines = [line for line in log.read_text(errors='replace').splitlines() if name in line]
    errors = [line for line in lines if 'rror' in line or 'FATAL' in line]
    return (errors or lines or ['nothing was said'])[-1]


def _watch(
    recorder: Recorder, graph: BringupProcess, usage, start_ns: int, duration_s: float
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
                for name, code in graph.exits.items():
                    raise RuntimeError(f'{name} ended with exit code {code} while the demo ran')
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


def _results(
    recorder: Recorder,
    usage,
    args: argparse.Namespace,
    recording: Recording,
    start_ns: int,
    duration_s: float,
    out: Path,
) -> None:
    from .demonstration.film import Film
    from .demonstration.report import summarise, table, warnings
    from .features.audio_source import read_audio
    from .features.openface_write import OpenFaceWriter, reaction_frame

    record = recorder.record
    with OpenFaceWriter(out / 'reaction.csv') as writer:
        for reaction in record.reactions:
            writer.write(reaction_frame(reaction.face, reaction.source_ns))
    summary = summarise(
        record,
        duration_s,
        usage.cpu_percent(),
        usage.rss_mb,
        usage.pss_mb,
        recording.frames_until(duration_s * args.speed),
    )
    (out / 'summary.json').write_text(json.dumps(summary, indent=1) + '\n', encoding='utf-8')
    print(table(summary), flush=True)
    for warning in warnings(record):
        print(f'note: {warning}')
    if not record.reactions:
        raise RuntimeError(f'no reaction came: see {out / "graph.log"}')
    samples, rate = read_audio(recording.audio)
    film = Film(
        record, start_ns, duration_s, samples, round(rate * args.speed), recording.openface.name
    )
    film.write_sheet(out / 'sheet.png')
    written = ['reaction.csv', 'summary.json', 'sheet.png']
    if not args.no_video:
        sound = film.write_video(out / 'demo.mp4')
        written.append('demo.mp4' if sound else 'demo.mp4 (without sound: ffmpeg would add it)')
    print(f'results in {out}: {", ".join(written)}')
