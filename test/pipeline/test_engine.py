# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
from faces import make_frames

from robot_face_gen.facial_reaction_model import Sessions, make_runner
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import stack
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.timing import PERIOD_NS

BEGIN = 1_700_000_000_000_000_000
MS = 1_000_000


class Slow:
    """A timer that shows a constant duration of the model."""

    def __init__(self, seconds):
        self.seconds, self.calls = seconds, 0

    def __call__(self):
        self.calls += 1
        return (self.calls // 2) * self.seconds  # begin, end, begin, end ...


def make_engine(model, hop=1, took_s=0.005, **options):
    health = Health()
    speaker = SpeakerSession(Timeline(audio_dim=8), Playout(), health, **options)
    sessions = Sessions(make_runner(model), 3, 1.0)
    return ReactionEngine(sessions, [speaker], hop=hop, timer=Slow(took_s)), health


def live(engine, frames, until_ns, sound=True, transport_ns=3 * MS, tick_ns=2 * MS):
    """Deliver faces and sound in real order and step every 2 ms; returns (time, reaction).

    Reactions after the last face are omitted.
    """
    faces = [dataclasses.replace(frame, stamp_ns=BEGIN + frame.stamp_ns) for frame in frames]
    generator, last_ns = np.random.default_rng(1), faces[-1].stamp_ns
    sounds = [BEGIN + i * 40 * MS for i in range(len(faces) - 1)] if sound else []
    out, now_ns = [], BEGIN
    while now_ns < until_ns:
        while faces and faces[0].stamp_ns + transport_ns <= now_ns:
            engine.speakers[0].push_face(faces.pop(0), now_ns)
        while sounds and sounds[0] + 40 * MS + 20 * MS <= now_ns:  # recorded and encoded
            data = generator.normal(size=(2, 8)).astype(np.float32)
            engine.speakers[0].push_audio(sounds.pop(0), data, now_ns)
        engine.step(now_ns)
        reaction = engine.speakers[0].pop(now_ns)
        if reaction is not None and reaction.source_stamp_ns <= last_ns:
            out.append((now_ns, reaction))
        now_ns += tick_ns
    return out


def test_answers_each_frame_once_in_order_and_evenly(model):
    engine, health = make_engine(model)
    out = live(engine, make_frames(100), BEGIN + 5000 * MS)
    assert [reaction.source_stamp_ns for _, reaction in out] == [
        BEGIN + i * PERIOD_NS for i in range(100)
    ]
    steps = np.diff([when for when, _ in out])[25:] / MS  # the playout has settled
    assert steps.min() >= 36 and steps.max() <= 44
    values = health.report().values
    delays = [(when - reaction.source_stamp_ns) / MS for when, reaction in out]
    assert np.percentile(delays, 99) < 120  # 40 to gather the sound, 20 to encode it, 5 the model
    assert float(values['latency_p50_ms']) == pytest.approx(np.median(delays), abs=5.0)
    assert float(values['model_p50_ms']) == pytest.approx(5.0)
    for stage in ('wait', 'playout'):
        assert float(values[f'{stage}_p50_ms']) >= 0.0
    assert 'dropped' not in values
    for _, reaction in out:
        assert [v.shape for v in reaction.face.values()] == [(136,), (18,), (4,), (2,)]
        assert all(np.isfinite(v).all() for v in reaction.face.values())


def test_equals_the_model_on_the_whole_recording(model):
    """Timeline, hops and playout do not change the result of the model."""
    faces = make_frames(60)
    engine, _ = make_engine(model, hop=3)
    taken = []
    pop = engine.speakers[0].timeline.pop
    engine.speakers[0].timeline.pop = lambda now_ns: [taken.append(f) or f for f in pop(now_ns)]
    out = live(engine, faces, BEGIN + 4000 * MS)
    assert len(out) == 60
    whole, _, _ = model(stack(taken), seed=3, temperature=1.0)
    for name, values in whole.items():
        lived = np.stack([reaction.face[name] for _, reaction in out])
        assert np.allclose(lived, values[0, :60].detach().numpy(), atol=1e-4)


def test_a_larger_hop_runs_the_model_less_often_and_stays_even(model):
    engine, _ = make_engine(model, hop=8)
    out = live(engine, make_frames(100), BEGIN + 6000 * MS)
    assert len(out) == 100
    assert engine._timer.calls // 2 <= 17
    steps = np.diff([when for when, _ in out])[40:92] / MS
    assert steps.min() >= 36 and steps.max() <= 44


def test_answers_without_sound(model):
    engine, health = make_engine(model)
    out = live(engine, make_frames(50), BEGIN + 3000 * MS, sound=False)
    assert len(out) == 50
    assert int(health.report().values['without_audio']) >= 50


def test_a_model_that_is_behind_answers_larger_windows_before_frames_are_dropped(model):
    engine, health = make_engine(model)
    now_ns = BEGIN + 800 * MS
    for frame in make_frames(20):
        engine.speakers[0].push_face(
            dataclasses.replace(frame, stamp_ns=BEGIN + frame.stamp_ns), now_ns
        )
    assert engine.step(now_ns) == 20
    assert engine._timer.calls == 4  # two steps: of a window, the longest, and of the rest
    assert 'dropped' not in health.report().values


def test_overload_drops_frames_and_counts_them(model):
    engine, health = make_engine(model, max_backlog=25)
    now_ns = BEGIN + 2400 * MS
    for frame in make_frames(60):
        engine.speakers[0].push_face(
            dataclasses.replace(frame, stamp_ns=BEGIN + frame.stamp_ns), now_ns
        )
    assert engine.step(now_ns) == 25
    report = health.report()
    assert report.values['dropped'] == '35'
    assert '35 frames dropped' in report.message


def test_a_recording_that_starts_again_is_a_new_session(model):
    """A looping bag: the same stamps give the same face as the first time."""
    engine, health = make_engine(model)
    frames = make_frames(80)
    with_sound = [live(engine, frames, BEGIN + 3500 * MS) for _ in range(2)]
    assert [len(run) for run in with_sound] == [80, 80]
    assert health.report().values['session_resets'] == '1'
    # A jump back is detected after some frames; more sound has arrived by then.
    engine, _ = make_engine(model)
    first, second = (live(engine, frames, BEGIN + 3500 * MS, sound=False) for _ in range(2))
    assert len(first) == len(second) == 80
    for (_, a), (_, b) in zip(first[:20], second[:20], strict=True):
        assert np.allclose(a.face['pose'], b.face['pose'], atol=1e-5)


def test_settings_change_a_running_session(model):
    engine, _ = make_engine(model)
    engine.configure(hop=4, temperature=0.0, min_confidence=0.99)
    assert (engine.hop, engine.sessions.temperature) == (4, 0.0)
    live(engine, make_frames(40), BEGIN + 3000 * MS, sound=True)
    assert (
        engine.speakers[0].timeline.counters['low_confidence'] > 0
    )  # the frames are of confidence 0.95


def test_less_than_a_hop_at_the_end_is_answered_after_a_wait(model):
    engine, _ = make_engine(model, hop=16)
    out = live(engine, make_frames(20), BEGIN + 4000 * MS)
    assert len(out) == 20


def test_values_that_are_not_finite_are_dropped_and_the_session_recovers(model):
    engine, health = make_engine(model)
    step, broken = engine.sessions.step_checked, [True]

    def sometimes(windows):
        return {
            face: {name: value * (np.nan if broken else 1.0) for name, value in answer.items()}
            for face, answer in step(windows).items()
        }

    engine.sessions.step_checked = sometimes
    assert live(engine, make_frames(10), BEGIN + 1000 * MS) == []
    broken.clear()
    later = make_frames(10, start_ns=1500 * MS)
    out = live(engine, later, BEGIN + 2500 * MS, sound=False)
    assert len(out) >= 10 and int(health.report().values['not_finite']) >= 10
    assert all(np.isfinite(v).all() for _, reaction in out for v in reaction.face.values())


def test_warming_up_does_not_change_the_session(model):
    engine, _ = make_engine(model)
    engine.warm_up()
    assert engine.sessions.clocks.tolist() == [0]
    cold, _ = make_engine(model)
    warm, new = (live(each, make_frames(20), BEGIN + 1500 * MS) for each in (engine, cold))
    for (_, a), (_, b) in zip(warm, new, strict=True):
        assert np.array_equal(a.face['au'], b.face['au'])
