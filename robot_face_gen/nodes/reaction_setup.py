"""Makes the engines of `reaction_node` and `reaction_server` from their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from robot_face_gen.facial_reaction_model import (
    FacialReactionModel,
    OnlineInferenceManager,
    create_model,
)
from robot_face_gen.facial_reaction_model.face_batch import FaceBatch
from robot_face_gen.features.face_crop import FaceCropParameters
from robot_face_gen.features.playout import Playout
from robot_face_gen.features.timeline import Timeline
from robot_face_gen.onnx_files import resolve_backend
from robot_face_gen.resources import default_checkpoint

from .face_lane import FRAME_NS, FaceLane
from .health import Health
from .made_by import expectation
from .parameter_table import Parameters
from .reaction_engine import ReactionEngine
from .server_engine import ServerEngine

UNTRAINED_SEED = 0


def make_engine(parameters: Parameters, health: Health, logger: Any) -> ReactionEngine:
    """Load the model, say what it is, and put the engine of one speaker together.

    Raises:
        ValueError: a checkpoint that is none, a device that is not there.
        OSError: a checkpoint that cannot be read.
    """
    model, backend, seed = _model(parameters, health, logger)
    manager = OnlineInferenceManager(
        model, seed=seed, temperature=parameters['temperature'], backend=backend
    )
    lane = _lane(parameters, model, health)
    engine = ReactionEngine(manager, lane, hop=parameters['hop'])
    engine.warm_up()
    return engine


def make_server(
    parameters: Parameters, health: Health, healths: Sequence[Health], logger: Any
) -> ServerEngine:
    """The engine of as many speakers as there are `healths`; raises what `make_engine` does."""
    model, backend, seed = _model(parameters, health, logger)
    batch = FaceBatch(
        model, len(healths), seed, temperature=parameters['temperature'], backend=backend
    )
    lanes = [_lane(parameters, model, one) for one in healths]
    engine = ServerEngine(batch, lanes, health, max_gather_s=parameters['max_gather_s'])
    engine.warm_up()
    return engine


def _model(
    parameters: Parameters, health: Health, logger: Any
) -> tuple[FacialReactionModel, str, int | None]:
    """Model, backend and seed."""
    if parameters['threads']:
        torch.set_num_threads(parameters['threads'])
    model = load_model(parameters['checkpoint'], parameters['device'], health, logger)
    backend = resolve_backend(parameters['backend'], model.device)
    health.fact('backend', backend)
    return model, backend, None if parameters['seed'] < 0 else parameters['seed']


def _lane(parameters: Parameters, model: FacialReactionModel, health: Health) -> FaceLane:
    crop = FaceCropParameters(**model.info.face_crop) if model.info.face_crop else None
    timeline = Timeline(
        audio_dim=model.config.audio_dim,
        max_wait_s=parameters['max_wait_s'],
        min_confidence=parameters['min_confidence'],
        crop=crop,
    )
    return FaceLane(
        timeline,
        Playout(max_delay_s=parameters['max_playout_delay_s']),
        health,
        max_backlog=round(parameters['max_backlog_s'] * 1e9 / FRAME_NS),
    )


def load_model(checkpoint: str, device: str, health: Health, logger: Any) -> FacialReactionModel:
    """The checkpoint's model, the shipped one's for '', or an untrained one where none ships."""
    path = checkpoint or default_checkpoint()
    if path:
        model = create_model(device=device, checkpoint=path)
    else:
        with torch.random.fork_rng():
            torch.manual_seed(UNTRAINED_SEED)
            model = create_model(device=device)
    if model.info.trained:
        logger.info(f'{path}: trained on {model.info.trained_on}, on {model.device}')
    else:
        logger.warning(
            f'{path or "no checkpoint"}: the model is untrained: the face moves, but it does not '
            f'mean anything; on {model.device}'
        )
    if expected := expectation(model.info.audio_encoder, model.info.audio, health):
        logger.info(expected)
    health.fact('checkpoint', path or 'untrained')
    health.fact('trained', model.info.trained)
    health.fact('device', model.device)
    return model
