# SPDX-License-Identifier: Apache-2.0
"""Makes the engine of `reaction_node` from its parameters: where it can, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_face_gen.facial_reaction_model.sessions import Model
from robot_face_gen.pipeline.crop import FaceCropParameters
from robot_face_gen.pipeline.embedding_contract import expectation
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import load_sessions, resolve_place
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import FRAME_NS, FaceLane
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.resources import default_checkpoint

from .tables import ModelParameters, ReactionParameters


def make_engine(parameters: ReactionParameters, health: Health, logger: Any) -> ReactionEngine:
    """Load the model, say what it is, and put the engine of one speaker together.

    Raises:
        ValueError: a checkpoint that is none, a device that is not there or not for this backend.
        ImportError: the backend's package is missing.
        OSError: a checkpoint that cannot be read, a cache folder that cannot be written.
    """
    device, backend = resolve_place(parameters.device, parameters.backend)
    (session,) = load_sessions(
        checkpoint_of(parameters), [seed_of(parameters)], device=device, backend=backend,
        temperature=parameters.temperature, threads=parameters.threads, report=logger.info,
    )  # fmt: skip
    announce(session.model, parameters, backend, health, logger)
    lane = make_lane(parameters, session.model, health)
    engine = ReactionEngine(session, lane, hop=parameters.hop)
    engine.warm_up()
    return engine


def checkpoint_of(parameters: ModelParameters) -> Path | None:
    """The checkpoint that is asked for, or the shipped one; None where none ships."""
    return Path(parameters.checkpoint) if parameters.checkpoint else default_checkpoint()


def seed_of(parameters: ModelParameters) -> int | None:
    """The seed; None is drawn."""
    return None if parameters.seed < 0 else parameters.seed


def make_lane(parameters: ModelParameters, model: Model, health: Health) -> FaceLane:
    """The lane of one speaker, as the model wants it."""
    crop = FaceCropParameters(**model.info.face_crop) if model.info.face_crop else None
    timeline = Timeline(
        audio_dim=model.config.audio_dim,
        max_wait_s=parameters.max_wait_s,
        min_confidence=parameters.min_confidence,
        crop=crop,
    )
    return FaceLane(
        timeline,
        Playout(max_delay_s=parameters.max_playout_delay_s),
        health,
        max_backlog=round(parameters.max_backlog_s * 1e9 / FRAME_NS),
    )


def announce(
    model: Model,
    parameters: ModelParameters,
    backend: str,
    health: Health,
    logger: Any,
) -> None:
    """Say in the log and in the diagnostics what the model is."""
    path, info = checkpoint_of(parameters), model.info
    if info.trained:
        logger.info(f'{path}: trained on {info.trained_on}, on {model.device}')
    else:
        logger.warning(
            f'{path or "no checkpoint"}: the model is untrained: the face moves, but it does not '
            f'mean anything; on {model.device}'
        )
    if expected := expectation(info.audio_encoder, info.audio, health):
        logger.info(expected)
    health.fact('checkpoint', path or 'untrained')
    health.fact('trained', info.trained)
    health.fact('device', model.device)
    health.fact('backend', backend)
