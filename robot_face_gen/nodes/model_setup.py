# SPDX-License-Identifier: Apache-2.0
"""Makes the engine of `reaction_server` from its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robot_face_gen.facial_reaction_model import Sessions, make_runner
from robot_face_gen.pipeline.health import Health
from robot_face_gen.pipeline.loading import load_torch_model, resolve_place

from .reaction_setup import announce, checkpoint_of, make_lane, seed_of
from .server_engine import ServerEngine
from .tables import ServerParameters


def make_server(
    parameters: ServerParameters, health: Health, healths: Sequence[Health], logger: Any
) -> ServerEngine:
    """The engine of as many speakers as there are `healths`; raises what `make_engine` does."""
    device, backend = resolve_place(parameters.device, parameters.backend)
    model = load_torch_model(checkpoint_of(parameters), device, threads=parameters.threads)
    announce(model, parameters, backend, health, logger)
    batch = Sessions(
        make_runner(model, len(healths), backend=backend),
        seed_of(parameters),
        parameters.temperature,
    )
    lanes = [make_lane(parameters, model, one) for one in healths]
    engine = ServerEngine(batch, lanes, health, max_gather_s=parameters.max_gather_s)
    engine.warm_up()
    return engine
