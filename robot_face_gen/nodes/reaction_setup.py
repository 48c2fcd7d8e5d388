# SPDX-License-Identifier: Apache-2.0
"""Makes the engine of `reaction_node` and `reaction_server` from their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot_face_gen.facial_reaction_model import Sessions, make_runner
from robot_face_gen.facial_reaction_model.sessions import Model
from robot_face_gen.models.backends import EAGER
from robot_face_gen.pipeline.crop import FaceCropParameters
from robot_face_gen.pipeline.embedding_contract import expectation
from robot_face_gen.pipeline.engine import ReactionEngine
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import is_device_error, load_model, resolve_place
from robot_face_gen.pipeline.playout import Playout
from robot_face_gen.pipeline.speaker_session import SpeakerSession
from robot_face_gen.pipeline.timeline import Timeline
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.timing import PERIOD_S

from .tables import ModelParameters


def make_engine(
    parameters: ModelParameters,
    health: Health,
    speakers: Sequence[Health],
    logger: Any,
    *,
    max_gather_s: float = 0.0,
) -> ReactionEngine:
    """Load the model, log what it is, and make a session for each speaker.

    `speakers` has a health for each, the node's own if there is only one. A frame waits for other
    speakers for `max_gather_s` at most.

    Raises:
        ValueError: an invalid checkpoint, or a device that is missing or unfit for the backend.
        ImportError: the backend's package is missing.
        OSError: the checkpoint cannot be read, or the cache folder cannot be written.
    """
    device, backend = resolve_place(parameters.device, parameters.backend)
    checkpoint = Path(parameters.checkpoint) if parameters.checkpoint else default_checkpoint()

    def load(device: str, backend: str) -> Sessions:
        faces, threads = len(speakers), parameters.threads
        model = load_model(
            checkpoint, device=device, backend=backend, faces=faces, threads=threads,
            report=logger.info,
        )  # fmt: skip
        runner = make_runner(model, faces, backend=backend, threads=threads)
        seed = None if parameters.seed < 0 else parameters.seed
        return Sessions(runner, seed, parameters.temperature)

    def on_cpu() -> Sessions:
        return load('cpu', EAGER)  # at once: nothing is exported first

    try:
        sessions = load(device, backend)
    except RuntimeError as error:
        if not is_device_error(error):
            raise
        reason = str(error).strip().partition('\n')[0]
        health.fail('device', f'{device} failed ({reason}): using the CPU')
        backend, sessions = EAGER, on_cpu()
    _announce(sessions.model, checkpoint, backend, health, logger)
    engine = ReactionEngine(
        sessions,
        [_speaker_session(parameters, sessions.model, each) for each in speakers],
        health if len(speakers) > 1 or speakers[0] is not health else None,
        hop=parameters.hop,
        max_gather_s=max_gather_s,
        fallback=on_cpu if str(sessions.model.device) != 'cpu' else None,
    )
    engine.warm_up()
    return engine


def _speaker_session(parameters: ModelParameters, model: Model, health: Health) -> SpeakerSession:
    return SpeakerSession(
        Timeline(
            audio_dim=model.config.audio_dim,
            audio_delay_s=model.info.audio_delay_s,
            max_wait_s=parameters.max_wait_s,
            min_confidence=parameters.min_confidence,
            crop=FaceCropParameters(**model.info.face_crop),
            endless=True,
        ),
        Playout(max_delay_s=parameters.max_playout_delay_s),
        health,
        max_backlog=round(parameters.max_backlog_s / PERIOD_S),
    )


def _announce(
    model: Model, checkpoint: Path | None, backend: str, health: Health, logger: Any
) -> None:
    """State in the log and in the diagnostics which model runs."""
    info = model.info
    if info.trained:
        logger.info(f'{checkpoint}: trained on {info.trained_on}, running on {model.device}')
    else:
        logger.warning(
            f'{checkpoint or "no checkpoint"}: the model is untrained: the face moves, but '
            f'without meaning; running on {model.device}'
        )
    if expected := expectation(info.audio_encoder, info.audio, health):
        logger.info(expected)
    health.fact('checkpoint', checkpoint or 'untrained')
    health.fact('trained', info.trained)
    health.fact('device', model.device)
    health.fact('backend', backend)
