# SPDX-License-Identifier: Apache-2.0
"""Long sessions: memory and latency stay flat, the rate is 25.0 Hz, face and sound do not drift.

LONG_MINUTES is the length of the session at real pace, LONG_HOURS that of the accelerated one.
"""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from fault_graph import ALL, Graph
from fault_lab import REACTION
from launching import own_ros_domain

from robot_face_gen.facial_reaction_model import Sessions, make_runner
from robot_face_gen.features.face_frame import FaceFrame
from robot_face_gen.features.openface import read_openface_csv
from robot_face_gen.features.whisper_stream import WhisperStream
from robot_face_gen.graph import GRAPHS
from robot_face_gen.nodes.messages import to_face_frame, to_ns
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import load_encoder, load_model, resolve_place
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.resources import default_checkpoint, demo_recording
from robot_face_gen.timing import PERIOD_NS, SECOND_NS
from robot_face_gen_msgs.msg import FaceFeatures

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc'),
]
MINUTES = float(os.environ.get('LONG_MINUTES', '30'))
HOURS = float(os.environ.get('LONG_HOURS', '2'))
GROWTH = 0.01
SAMPLE_S = 5.0
BEGIN_NS = 1_700_000_000 * SECOND_NS


def growth(sizes):
    """From the second fifth (warm) to the last one, as a share."""
    fifth = max(1, len(sizes) // 5)
    warm, last = np.median(sizes[fifth : 2 * fifth]), np.median(sizes[-fifth:])
    return float(last / warm - 1.0)


def memory_mb(process):
    """Memory that a process has written to; pages of libraries are shared and come and go."""
    lines = Path(f'/proc/{process.pid}/smaps_rollup').read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith('Anonymous:')) / 1e3


class LongSeen:
    """Samples of a running graph."""

    def __init__(self, graph):
        self.graph = graph
        self.processes = {name: psutil.Process(graph.pid(name)) for name in ALL}
        self.memory = {name: [] for name in ALL}
        self.latency_ms, self.offsets_ns, self.loops_ns = [], [], []
        track = read_openface_csv(demo_recording()[0])
        self.first: FaceFrame = track.frames[0]

    def look(self):
        """Take a sample; forget the messages."""
        for name, process in self.processes.items():
            self.memory[name].append(memory_mb(process))
        heard = self.graph.peer.heard
        self.latency_ms.append(
            float(self.graph.peer.values('reaction_node').get('latency_p50_ms', 'nan'))
        )
        chunk = heard['/audio'][-1][1]
        self.offsets_ns.append(
            to_ns(chunk.header.stamp) - chunk.first_sample * SECOND_NS // chunk.sample_rate
        )
        for _, message in list(heard['/openface/features']):
            frame, _ = to_face_frame(message)
            if np.array_equal(frame.landmarks, self.first.landmarks):
                self.loops_ns.append(frame.stamp_ns)
        for name in heard:
            if name != REACTION:
                heard[name][:-1] = []


@pytest.mark.graph
def test_a_session_at_real_pace(tmp_path, note):
    face, voice = demo_recording()
    specs = GRAPHS['bringup']().nodes({'openface': str(face), 'audio': str(voice), 'loop': 'true'})
    period_s = next(s for s in specs if s.name == 'openface_node').parameters['loop_period_s']
    with own_ros_domain():
        graph = Graph(tmp_path)
        try:
            graph.peer.listen(FaceFeatures, '/openface/features')
            time.sleep(10.0)
            seen = LongSeen(graph)
            begin_s, first = time.monotonic(), graph.peer.heard[REACTION][-1][1]
            while time.monotonic() - begin_s < MINUTES * 60.0:
                time.sleep(SAMPLE_S)
                seen.look()
            messages = [message for _, message in list(graph.peer.heard[REACTION])]
        finally:
            graph.close()
    last = messages[-1]
    span_s = (to_ns(last.header.stamp) - to_ns(first.header.stamp)) / 1e9
    rate_hz = (last.frame - first.frame) / span_s
    grown = {name: growth(sizes) for name, sizes in seen.memory.items()}
    fifth = max(1, len(seen.latency_ms) // 5)
    before, after = (np.nanmedian(part) for part in (seen.latency_ms[fifth : 2 * fifth],
                                                     seen.latency_ms[-fifth:]))  # fmt: skip
    loops = np.array(sorted(set(seen.loops_ns)))
    rounds = np.round((loops - loops[0]) / (period_s * 1e9))
    face_drift_ms = np.abs(loops - loops[0] - rounds * period_s * 1e9).max() / 1e6
    sound_drift_ms = np.ptp(np.array(seen.offsets_ns)) / 1e6
    memory = ', '.join(
        f'{n} {seen.memory[n][-1]:.1f} MB {100 * g:+.2f} %' for n, g in grown.items()
    )
    note(
        f'a session of {span_s / 60:.0f} minutes at real pace',
        f'{rate_hz:.3f} Hz; median latency {before:.0f} ms, at the end {after:.0f} ms; drift of '
        f'the face in {len(loops)} rounds {face_drift_ms:.2f} ms, of the sound '
        f'{sound_drift_ms:.2f} ms; memory and its growth after the warm-up: {memory}',
    )
    assert abs(rate_hz - 25.0) < 0.02 + 5.0 / span_s  # a few frames at both ends
    # A process that is small may get one more block of memory at some time.
    assert all(
        g < GROWTH or g * seen.memory[name][-1] < 1.1 for name, g in grown.items()
    ), grown  # fmt: skip
    assert after < 1.5 * before + 30.0  # a machine that is busy at the end is allowed
    assert len(loops) >= 2 and face_drift_ms < 2.0
    assert sound_drift_ms < 2.0


def test_a_session_of_hours_at_the_pace_of_the_machine(note):
    """The shipped model on frames and embeddings of hours; the clock is simulated."""
    device, backend = resolve_place('cpu', 'auto')
    model = load_model(default_checkpoint(), device=device, backend=backend)
    health = Health()
    config = model.config
    speaker = SpeakerSession(
        Timeline(audio_dim=config.audio_dim, endless=True), Playout(), health, max_backlog=25
    )
    engine = ReactionEngine(Sessions(make_runner(model, backend=backend)), [speaker])
    frames = read_openface_csv(demo_recording()[0]).frames
    generator = np.random.default_rng(0)
    this = psutil.Process()
    total = round(HOURS * 3600 * 25)
    sizes, took_s, answered = [], np.ones(total), 0  # its memory is there from the start
    for number in range(total):
        now_ns = BEGIN_NS + number * PERIOD_NS
        frame = frames[number % len(frames)]
        speaker.push_face(replace(frame, stamp_ns=now_ns), now_ns + 3_000_000)
        sound = generator.normal(size=(2, config.audio_dim)).astype(np.float32)
        speaker.push_audio(now_ns - PERIOD_NS, sound, now_ns + 3_000_000)
        begin_s = time.perf_counter()
        engine.step(now_ns + 5_000_000)
        took_s[number] = time.perf_counter() - begin_s
        answered += speaker.pop(now_ns + 30_000_000) is not None
        if number % (total // 200) == 0:
            sizes.append(memory_mb(this))
    took_ms = [1e3 * np.median(part) for part in np.array_split(took_s, 10)]
    note(
        f'a session of {HOURS:g} hours, accelerated',
        f'{answered} of {total} frames answered; memory {sizes[-1]:.0f} MB, growth '
        f'{100 * growth(sizes):+.2f} %; median step {took_ms[1]:.2f} ms, at the end '
        f'{took_ms[-1]:.2f} ms',
    )
    assert answered > total - 50
    assert growth(sizes) < GROWTH
    assert min(took_ms[-3:]) < 1.3 * np.median(took_ms)


def test_hours_of_sound_are_embedded_without_drift(note):
    encoder = load_encoder('untrained', 0.4, device='cpu', backend=resolve_place('cpu', 'auto')[1])
    stream = WhisperStream(encoder, hop_s=0.32, context_s=0.4)
    generator = np.random.default_rng(0)
    this, sizes, stamps, count = psutil.Process(), [], [], 0
    chunks = round(HOURS * 3600 * 2)  # of half a second, at a rate that must be resampled
    for number in range(chunks):
        samples = generator.normal(0.0, 0.1, 22050).astype(np.float32)
        for block in stream.push(
            samples, 44100, BEGIN_NS + number * SECOND_NS // 2, number * 22050
        ):
            stamps.append(block.stamp_ns - count * SECOND_NS // 50)
            count += len(block.data)
        if number % (chunks // 100) == 0:
            sizes.append(memory_mb(this))
    note(
        f'{HOURS:g} hours of sound at 44.1 kHz, accelerated',
        f'{count} embeddings; drift {np.ptp(stamps) / 1e6:.3f} ms; memory {sizes[-1]:.0f} MB, '
        f'growth {100 * growth(sizes):+.2f} %',
    )
    assert count > HOURS * 3600 * 50 - 100
    assert np.ptp(stamps) < 1_000_000
    assert growth(sizes) < GROWTH
