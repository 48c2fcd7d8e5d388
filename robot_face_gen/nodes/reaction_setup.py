# SPDX-License-Identifier: Apache-2.0
"""Makes the engine of `reaction_node` from its parameters: where it can, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robot_face_gen.features.face_crop import FaceCropParameters
from robot_face_gen.features.playout import Playout
from robot_face_gen.features.timeline import Timeline
from robot_face_gen.models.backends import ONNX, ONNX_INT8
from robot_face_gen.resources import default_checkpoint

from .compute_place import compute_place
from .face_lane import FRAME_NS, FaceLane
from .health import Health
from .made_by import expectation
from .parameter_table import Parameters
from .reaction_engine import Manager, Model, ReactionEngine


def make_engine(parameters: Parameters, health: Health, logger: Any) -> ReactionEngine:
    """Load the model, say what it is, and put the engine of one speaker together.

    Raises:
        ValueError: a checkpoint that is none, a device that is not there or not for this backend.
        ImportError: the backend's package is missing.
        OSError: a checkpoint that cannot be read, a cache folder that cannot be written.
    """
    device, backend = compute_place(parameters)
    exported = device == 'cpu' and backend in (ONNX, ONNX_INT8) and checkpoint_of(parameters)
    make = _exported if exported else _of_torch
    manager = make(parameters, device, backend, health, logger)
    lane = make_lane(parameters, manager.model, health)
    engine = ReactionEngine(manager, lane, hop=parameters['hop'])
    engine.warm_up()
    return engine


def _exported(
    parameters: Parameters, device: str, backend: str, health: Health, logger: Any
) -> Manager:
    from robot_face_gen.facial_reaction_model import ExportedModel, OnlineInferenceManager
    from robot_face_gen.facial_reaction_model.onnx_runner import is_exported

    path, int8 = checkpoint_of(parameters), backend == ONNX_INT8
    assert path is not None
    if not is_exported(path, int8=int8):
        logger.info(f'{path}: exporting for ONNX Runtime (first start only)')
    model = ExportedModel.of(path, int8=int8)
    announce(model, parameters, backend, health, logger)
    return OnlineInferenceManager(
        model,
        seed=seed_of(parameters),
        temperature=parameters['temperature'],
        threads=parameters['threads'],
    )


def _of_torch(
    parameters: Parameters, device: str, backend: str, health: Health, logger: Any
) -> Manager:
    from robot_face_gen.facial_reaction_model import OnlineInferenceManager

    from .model_setup import load_model

    model = load_model(parameters, device)
    announce(model, parameters, backend, health, logger)
    return OnlineInferenceManager(
        model, seed=seed_of(parameters), temperature=parameters['temperature'], backend=backend
    )


def checkpoint_of(parameters: Parameters) -> Path | None:
    """The checkpoint that is asked for, or the shipped one; None where none ships."""
    return Path(parameters['checkpoint']) if parameters['checkpoint'] else default_checkpoint()


def seed_of(parameters: Parameters) -> int | None:
    """The seed; None is drawn."""
    return None if parameters['seed'] < 0 else parameters['seed']


def make_lane(parameters: Parameters, model: Model, health: Health) -> FaceLane:
    """The lane of one speaker, as the model wants it."""
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


def announce(
    model: Model,
    parameters: Parameters,
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
