# SPDX-License-Identifier: Apache-2.0
"""Many speakers and one step for all: each gets what it would get alone."""

import dataclasses

import numpy as np
import pytest
import torch
from faces import make_frames

from robot_face_gen.facial_reaction_model import (
    ModelConfig,
    Sessions,
    create_model,
    make_runner,
)
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline

BEGIN = 1_700_000_000_000_000_000
MS = 1_000_000
SEEDS = (3, 50, 700)
# Each begins at a time of its own, and one goes away for two seconds.
BEGINS_MS = (0, 13, 600)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    return create_model(
        ModelConfig(
            feature_dim=32, audio_dim=8, latent_dim=4, num_heads=2, encoder_layers=1,
            decoder_layers=1, feedforward_dim=32, max_seq_len=50,
        )
    )  # fmt: skip


def lane():
    return SpeakerSession(Timeline(audio_dim=8, jump_s=0.5), Playout(), Health())


def arrivals(face):
    """(time, what) of a speaker: faces a little late and not evenly, sound in pairs."""
    generator = np.random.default_rng(face)
    out = []
    for index, frame in enumerate(make_frames(100)):
        if face == 1 and 40 <= index < 90:
            continue
        stamp_ns = BEGIN + BEGINS_MS[face] * MS + index * 40 * MS
        late_ns = int(generator.integers(1, 15)) * MS
        frame = dataclasses.replace(frame, stamp_ns=stamp_ns)
        out.append((stamp_ns + late_ns, ('face', frame)))
        data = generator.normal(size=(2, 8)).astype(np.float32)
        out.append((stamp_ns + 45 * MS, ('audio', stamp_ns - 40 * MS, data, 50.0)))
    return sorted(out, key=lambda item: item[0])


def live(step, lanes, speakers):
    """Everything in its time; each lane's reactions."""
    waiting = [list(arrivals(face)) for face in speakers]
    out = [[] for _ in lanes]
    for now_ns in range(BEGIN, BEGIN + 7000 * MS, 2 * MS):
        for one, items in zip(lanes, waiting, strict=True):
            while items and items[0][0] <= now_ns:
                kind, *what = items.pop(0)[1]
                (one.push_face if kind == 'face' else one.push_audio)(*what, now_ns)
        step(now_ns)
        for one, got in zip(lanes, out, strict=True):
            if (reaction := one.pop(now_ns)) is not None:
                got.append(reaction)
    return out


def test_each_face_gets_what_it_would_get_alone(model):
    lanes = [lane() for _ in SEEDS]
    health = Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 3), SEEDS), lanes, health, max_gather_s=0.01
    )
    server.warm_up()
    together = live(server.step, lanes, range(3))
    for face, seed in enumerate(SEEDS):
        engine = ReactionEngine(Sessions(make_runner(model), seed), [lane()])
        (alone,) = live(engine.step, engine.speakers, [face])
        assert len(alone) > 45
        mine = {reaction.source_stamp_ns: reaction.face for reaction in together[face]}
        assert len(mine) == len(together[face])
        assert set(mine) == {reaction.source_stamp_ns for reaction in alone}
        for reaction in alone:
            for name, values in reaction.face.items():
                assert np.allclose(values, mine[reaction.source_stamp_ns][name], atol=1e-4)
    values = health.report().values
    assert int(values['faces_stepped']) > 1.3 * int(values['steps'])  # they were made together
    assert float(values['gather_p99_ms']) <= 12.0  # 10, and a look every 2
    assert int(lanes[1].health.report().values['session_resets']) == 1


def test_nobody_is_waited_for_who_has_left(model):
    lanes, health = [lane(), lane()], Health()
    server = ReactionEngine(Sessions(make_runner(model, 2), 0), lanes, health, max_gather_s=0.03)
    live(server.step, lanes, [0, 1])  # the second is away from 1.6 s to 3.6 s
    assert float(health.report().values['gather_p50_ms']) < 30.0
    alone = Health()
    server = ReactionEngine(
        Sessions(make_runner(model, 2), 0), [lane(), lane()], alone, max_gather_s=0.03
    )
    live(server.step, server.speakers[:1], [0])
    assert float(alone.report().values['gather_p99_ms']) == 0.0


def test_one_face_s_trouble_is_not_the_others(model, monkeypatch):
    lanes = [lane(), lane()]
    batch = Sessions(make_runner(model, 2), [1, 2])
    server = ReactionEngine(batch, lanes, Health())
    check = batch.check

    def refuse_the_second(face, window):
        if face == 1:
            raise ValueError('face 1: bad')
        return check(face, window)

    monkeypatch.setattr(batch, 'check', refuse_the_second)
    first, second = live(server.step, lanes, [0, 1])
    assert len(first) > 90 and not second
    assert int(lanes[1].health.report().values['refused']) > 40
    assert 'refused' not in lanes[0].health.report().values


def test_numbers_that_are_not_finite_are_kept_from_one_face_and_forgotten(model):
    lanes = [lane(), lane()]
    batch = Sessions(make_runner(model, 2), [1, 2])
    batch.runner.state['context'][1] = torch.nan  # damaged memory
    batch.clocks[1] = 16  # where a window begins that looks at it
    server = ReactionEngine(batch, lanes, Health())
    first, second = live(server.step, lanes, [0, 1])
    assert len(first) > 90 and len(second) > 40
    for reaction in (*first, *second):
        assert all(np.isfinite(values).all() for values in reaction.face.values())
    assert int(lanes[1].health.report().values['not_finite']) >= 1


def test_settings_are_for_all(model):
    lanes = [lane(), lane()]
    server = ReactionEngine(Sessions(make_runner(model, 2), 0), lanes, Health())
    server.configure(temperature=0.3, min_confidence=0.2, max_gather_s=0.02)
    assert server.sessions.temperature == 0.3
    assert [one.timeline.min_confidence for one in lanes] == [0.2, 0.2]
