# SPDX-License-Identifier: Apache-2.0
"""One step for many speakers gives each the same result as alone."""

import dataclasses

import numpy as np
import torch
from faces import make_frames

from robot_face_gen.facial_reaction_model import Sessions, make_runner
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline

BEGIN = 1_700_000_000_000_000_000
MS = 1_000_000
SEEDS = (3, 50, 700)
# Each starts at a different time; one pauses for two seconds.
STARTS_MS = (0, 13, 600)


def make_speaker():
    return SpeakerSession(Timeline(audio_dim=8, jump_s=0.5), Playout(), Health())


def arrivals(face):
    """(time, input) of a speaker: faces with jitter, sound in pairs."""
    generator = np.random.default_rng(face)
    out = []
    for index, frame in enumerate(make_frames(100)):
        if face == 1 and 40 <= index < 90:
            continue
        stamp_ns = BEGIN + STARTS_MS[face] * MS + index * 40 * MS
        late_ns = int(generator.integers(1, 15)) * MS
        frame = dataclasses.replace(frame, stamp_ns=stamp_ns)
        out.append((stamp_ns + late_ns, ('face', frame)))
        data = generator.normal(size=(2, 8)).astype(np.float32)
        out.append((stamp_ns + 45 * MS, ('audio', stamp_ns - 40 * MS, data)))
    return sorted(out, key=lambda item: item[0])


def live(step, speakers, faces):
    """Deliver all input when it arrives; returns the reactions of each speaker."""
    waiting = [list(arrivals(face)) for face in faces]
    out = [[] for _ in speakers]
    for now_ns in range(BEGIN, BEGIN + 7000 * MS, 2 * MS):
        for one, items in zip(speakers, waiting, strict=True):
            while items and items[0][0] <= now_ns:
                kind, *what = items.pop(0)[1]
                (one.push_face if kind == 'face' else one.push_audio)(*what, now_ns)
        step(now_ns)
        for one, got in zip(speakers, out, strict=True):
            if (reaction := one.pop(now_ns)) is not None:
                got.append(reaction)
    return out


def test_each_face_gets_the_same_result_as_alone(model):
    speakers = [make_speaker() for _ in SEEDS]
    health = Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 3), SEEDS), speakers, health, max_gather_s=0.01
    )
    server.warm_up()
    together = live(server.step, speakers, range(3))
    for face, seed in enumerate(SEEDS):
        engine = ReactionEngine(Sessions(make_runner(model), seed), [make_speaker()])
        (alone,) = live(engine.step, engine.speakers, [face])
        assert len(alone) > 45
        mine = {reaction.source_stamp_ns: reaction.face for reaction in together[face]}
        assert len(mine) == len(together[face])
        assert set(mine) == {reaction.source_stamp_ns for reaction in alone}
        for reaction in alone:
            for name, values in reaction.face.items():
                assert np.allclose(values, mine[reaction.source_stamp_ns][name], atol=1e-4)
    values = health.report().values
    assert int(values['faces_stepped']) > 1.3 * int(values['steps'])  # several faces per step
    assert float(values['gather_p99_ms']) <= 12.0  # 10, and a step every 2 ms
    assert int(speakers[1].health.report().values['session_resets']) == 1


def test_a_frame_waits_for_the_other_speakers(model):
    """The second frame arrives 5 ms after the first: one step answers both."""
    speakers, health = [make_speaker(), make_speaker()], Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 2), 0), speakers, health, max_gather_s=0.01
    )
    for i, frame in enumerate(make_frames(17, start_ns=BEGIN)):
        if i == 8:  # now nothing waits for a voice any more
            before = health.report().values
        for ms in range(40):
            if ms == 3:
                speakers[0].push_face(frame, frame.stamp_ns + ms * MS)
            if ms == 8 and i < 16:
                speakers[1].push_face(frame, frame.stamp_ns + ms * MS)
            answered = server.step(frame.stamp_ns + ms * MS)
            if i >= 8:  # the last one not longer than max_gather_s
                assert answered == (2 * (ms == 8) if i < 16 else ms == 13)
    after = health.report().values
    assert int(after['steps']) - int(before['steps']) == 9


def test_frames_do_not_wait_for_a_speaker_who_has_left(model):
    speakers, health = [make_speaker(), make_speaker()], Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 2), 0), speakers, health, max_gather_s=0.03
    )
    live(server.step, speakers, [0, 1])  # the second pauses from 1.6 s to 3.6 s
    assert float(health.report().values['gather_p50_ms']) < 30.0
    alone = Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 2), 0),
        [make_speaker(), make_speaker()],
        alone,
        max_gather_s=0.03,
    )
    live(server.step, server.speakers[:1], [0])
    assert float(alone.report().values['gather_p99_ms']) == 0.0


def test_an_error_of_one_face_does_not_affect_the_others(model, monkeypatch):
    speakers = [make_speaker(), make_speaker()]
    batch = Sessions(make_runner(model, 2), [1, 2])
    server = ReactionEngine(batch, speakers, Health())
    check = batch.check

    def refuse_the_second(face, window):
        if face == 1:
            raise ValueError('face 1: bad')
        return check(face, window)

    monkeypatch.setattr(batch, 'check', refuse_the_second)
    first, second = live(server.step, speakers, [0, 1])
    assert len(first) > 90 and not second
    assert int(speakers[1].health.report().values['refused']) > 40
    assert 'refused' not in speakers[0].health.report().values


def test_a_session_with_values_that_are_not_finite_is_reset_alone(model):
    speakers = [make_speaker(), make_speaker()]
    batch = Sessions(make_runner(model, 2), [1, 2])
    batch.runner.state['context'][1] = torch.nan  # damaged state
    batch.clocks[1] = 16  # start of a window that uses it
    server = ReactionEngine(batch, speakers, Health())
    first, second = live(server.step, speakers, [0, 1])
    assert len(first) > 90 and len(second) > 40
    for reaction in (*first, *second):
        assert all(np.isfinite(values).all() for values in reaction.face.values())
    assert int(speakers[1].health.report().values['not_finite']) >= 1


def test_settings_apply_to_all_speakers(model):
    speakers = [make_speaker(), make_speaker()]
    server = ReactionEngine(Sessions(make_runner(model, 2), 0), speakers, Health())
    server.configure(temperature=0.3, min_confidence=0.2, max_gather_s=0.02)
    assert server.sessions.temperature == 0.3
    assert [one.timeline.min_confidence for one in speakers] == [0.2, 0.2]
