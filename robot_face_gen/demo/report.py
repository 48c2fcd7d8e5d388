# SPDX-License-Identifier: Apache-2.0
"""What a run of the graph comes to: figures, and a table of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.pipeline.recording import Recording
from robot_face_gen.timing import PERIOD_NS

from .usage import Usage

# Key of a node's diagnostics -> what the stage is called.
_STAGES: dict[str, dict[str, str]] = {
    'whisper_node': {'encoder': 'Whisper encoder'},
    'reaction_node': {'wait': 'face and voice joined', 'model': 'model', 'playout': 'playout'},
}

# Counters of frames that were answered with less than the recording holds.
_INCOMPLETE = (
    'without_audio', 'gaps', 'late', 'interruptions', 'clock_jumps',
    'lost_samples', 'bad_samples', 'resets', 'hops_at_once', 'skipped_hops',
)  # fmt: skip

_MANY_LOST = 0.05  # share of frames without a reaction that is reported


@dataclass(frozen=True)
class RecordedReaction:
    """One reaction, and when (ns) it was published, the speaker's frame captured, it received."""

    published_ns: int
    source_ns: int
    arrived_ns: int
    face: dict[str, np.ndarray]
    slot_ns: int | None = None  # of the even 25 Hz, where it is known


@dataclass
class Record:
    """All that came: the speaker's frames, the reactions, each node's last diagnostics.

    `while_playing` is the diagnostics at the recording's end, `refused` the number of messages
    that hold no face, `not_finite` that of reactions with impossible numbers, `mixed` the topics
    that another program publishes too. Without ROS
    (`is_live` False) nothing is published, and a reaction's times are all that of its frame.
    """

    frames: list[FaceFrame] = field(default_factory=list)
    reactions: list[RecordedReaction] = field(default_factory=list)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)
    while_playing: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: int = 0
    not_finite: int = 0
    mixed: set[str] = field(default_factory=set)
    is_live: bool = True

    def end_playing(self) -> None:
        """The recording is over: keep the nodes' figures as they are now.

        Afterwards nodes wait for frames that never come, and would count that as latency.
        """
        self.while_playing = {name: dict(values) for name, values in self.diagnostics.items()}

    def cut(self, end_ns: int) -> None:
        """Leave out the frames from a time on, and what answers them."""
        self.frames = [frame for frame in self.frames if frame.stamp_ns < end_ns]
        self.reactions = [r for r in self.reactions if r.source_ns < end_ns]


def percentiles(values_ms: list[float]) -> dict[str, float]:
    """p50, p99 and the largest; empty without values."""
    if not values_ms:
        return {}
    p50, p99 = np.percentile(values_ms, (50, 99))
    return {
        'p50': round(float(p50), 2),
        'p99': round(float(p99), 2),
        'max': round(max(values_ms), 2),
    }


def thinned(stamps_ns: Collection[int], answered_ns: Collection[int]) -> int:
    """How many frames of a camera faster than the robot's 25 Hz another frame stands for.

    A frame that is not answered, in a slot of 40 ms of which another frame is; what is neither is
    lost. A camera of 25 frames a second has none.
    """
    if not stamps_ns:
        return 0
    first = min(stamps_ns)

    def slot(stamp_ns: int) -> int:
        return (stamp_ns - first + PERIOD_NS // 2 - 1) // PERIOD_NS  # its end belongs to it

    served = {slot(stamp) for stamp in answered_ns}
    return sum(slot(stamp) in served for stamp in set(stamps_ns) - set(answered_ns))


def slot_times_ns(reactions: Sequence[RecordedReaction]) -> list[int]:
    """Times on an even grid of 25 Hz, one for each reaction.

    The frames of a camera of another rate are up to 20 ms beside their slots.
    """
    times: list[int] = []
    for reaction in reactions:
        if reaction.slot_ns is not None:
            times.append(reaction.slot_ns)
        elif not times:
            times.append(reaction.source_ns)
        else:
            steps = (reaction.source_ns - times[-1]) / PERIOD_NS
            times.append(times[-1] + PERIOD_NS * (1 if steps < 1.99 else round(steps)))
    return times


def summarise(
    record: Record, duration_s: float, usage: Usage, recording: Recording | None = None
) -> dict[str, Any]:
    """The figures of a run, as `summary.json` has them.

    Frames of the recording that never came count as dropped. Without it, what came is all there
    was.
    """
    played = record.frames
    if recording is not None:
        played = [frame for frame in recording.faces if frame.stamp_ns < duration_s * 1e9]
    valid = [frame for frame in played if frame.is_valid()]
    came_valid = {frame.stamp_ns for frame in record.frames if frame.is_valid()}
    stamps = {frame.stamp_ns for frame in record.frames}
    answers = [r for r in record.reactions if r.source_ns in stamps]
    sources = {r.source_ns for r in answers}
    answered, thin = len(sources), thinned(stamps, sources)
    recorded = max(len(stamps), len(played))
    timed = answers if record.is_live else []
    published = sorted(r.published_ns for r in record.reactions)
    steps_ms = (np.diff(published) / 1e6).tolist()
    finite = not record.not_finite and all(
        np.isfinite(v).all() for r in record.reactions for v in r.face.values()
    )
    stages: dict[str, Any] = {}
    counted: dict[str, int] = {}
    incomplete: dict[str, int] = {}
    for node, values in (record.while_playing or record.diagnostics).items():
        incomplete |= {key: int(values[key]) for key in _INCOMPLETE if int(values.get(key, 0))}
        for key, label in _STAGES.get(node.rpartition('/')[2], {}).items():
            if f'{key}_p50_ms' in values:
                stages[label] = {p: float(values[f'{key}_{p}_ms']) for p in ('p50', 'p99')}
    for node, values in record.diagnostics.items():
        if int(values.get('dropped', 0)):
            counted[node] = int(values['dropped'])
    return {
        'duration_s': round(duration_s, 3),
        'frames_in': len(record.frames),
        'reactions_out': len(record.reactions),
        'frames_recorded': recorded,
        'valid': len(valid),
        'partly_valid': sum(not frame.mask.all() for frame in valid),
        'answered': answered,
        'answered_valid': len(sources & came_valid),
        'problems': list(recording.problems) if recording is not None else [],
        'thinned': thin,
        'dropped': recorded - thin - answered,
        'dropped_in_nodes': counted,
        'incomplete_inputs': incomplete,
        'finite': bool(finite),
        'latency_ms': percentiles([(r.published_ns - r.source_ns) / 1e6 for r in timed]),
        'arrival_latency_ms': percentiles([(r.arrived_ns - r.source_ns) / 1e6 for r in timed]),
        'output_period_ms': percentiles(steps_ms if record.is_live else []),
        'stages': stages,
        **usage.figures(),
    }


def table(summary: dict[str, Any]) -> str:
    """The figures for a person to read."""

    def span(values: dict[str, float]) -> str:
        return f'{values["p50"]:8.1f} {values["p99"]:8.1f}' if values else '       -        -'

    def percent(part: str, whole: str) -> str:
        return f'   ({100 * summary[part] / summary[whole]:.1f} %)' if summary[whole] else ''

    wanted = summary['frames_recorded'] - summary['thinned']
    share = f'   ({100 * summary["answered"] / wanted:.1f} %)' if wanted else ''
    faster = f'   ({summary["thinned"]} beyond 25 a second)' if summary['thinned'] else ''
    lines = [
        f'frames recorded      {summary["frames_recorded"]:6d}',
        f'  valid              {summary["valid"]:6d}{percent("valid", "frames_recorded")}',
        f'  partly valid       {summary["partly_valid"]:6d}   (valid, with missing values)',
        f'speaker frames in    {summary["frames_in"]:6d}{faster}',
        f'reactions out        {summary["reactions_out"]:6d}',
        f'frames answered      {summary["answered"]:6d}{share}',
        f'  valid              {summary["answered_valid"]:6d}'
        f'{percent("answered_valid", "answered")}',
        f'not answered         {summary["dropped"]:6d}',
    ]
    if summary['latency_ms']:
        lines += [
            '',
            f'{"latency, ms":38}      p50      p99',
            f'{"camera frame to reaction published":38} {span(summary["latency_ms"])}',
            f'{"camera frame to reaction received":38} {span(summary["arrival_latency_ms"])}',
            *(f'{"  " + name:38} {span(values)}' for name, values in summary['stages'].items()),
            f'{"between two reactions":38} {span(summary["output_period_ms"])}',
        ]
    if summary['processes']:
        lines += [
            '',
            f'{"process":20} {"CPU, % of a core":>18} {"memory, MB":>12}',
            *(
                f'{name:20} {p["cpu_percent"]:18.1f} {p["rss_mb"]:12.1f}'
                for name, p in summary['processes'].items()
            ),
            f'{"all together":20} {summary["cpu_percent"]:18.1f} {summary["rss_mb"]:12.1f}',
        ]
    return '\n'.join(lines)


def lost_frames(summary: dict[str, Any]) -> list[str]:
    """A line where a live graph has left many frames without a reaction."""
    lost, wanted = summary['dropped'], summary['frames_recorded'] - summary['thinned']
    if lost <= _MANY_LOST * wanted:
        return []
    load = f', load {os.getloadavg()[0]:.1f}' if hasattr(os, 'getloadavg') else ''
    return [
        f'{lost} of {wanted} frames have no reaction: was the machine too busy? '
        f'({os.cpu_count()} processors{load})'
    ]


def warnings(record: Record) -> list[str]:
    """What a reader of the figures must know: weights that mean nothing, what is still wrong."""
    told = []
    for name, values in sorted(record.diagnostics.items()):
        node = name.rpartition('/')[2]
        if values.get('trained') == 'False':
            told.append(f'{node}: the model is untrained: its reactions are arbitrary')
        if values.get('level') == '2':
            told.append(f'{node}: {values.get("message", "an error")}')
    if record.refused:
        told.append(f'{record.refused} messages of another program held no face')
    if record.mixed:
        told.append(
            f'another program published {" and ".join(sorted(record.mixed))}, too: these figures '
            'are of both (ROS_DOMAIN_ID separates robots)'
        )
    return told
