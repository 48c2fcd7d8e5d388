# SPDX-License-Identifier: Apache-2.0
"""A model of torch for `reaction_server`, and for `reaction_node` where torch computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from robot_face_gen.facial_reaction_model import (
    FacialReactionModel,
    Sessions,
    create_model,
    make_runner,
)

from .compute_place import compute_place
from .health import Health
from .parameter_table import Parameters
from .reaction_setup import announce, checkpoint_of, make_lane, seed_of
from .server_engine import ServerEngine

UNTRAINED_SEED = 0


def make_server(
    parameters: Parameters, health: Health, healths: Sequence[Health], logger: Any
) -> ServerEngine:
    """The engine of as many speakers as there are `healths`; raises what `make_engine` does."""
    device, backend = compute_place(parameters)
    model = load_model(parameters, device)
    announce(model, parameters, backend, health, logger)
    batch = Sessions(
        make_runner(model, len(healths), backend=backend),
        seed_of(parameters),
        parameters['temperature'],
    )
    lanes = [make_lane(parameters, model, one) for one in healths]
    engine = ServerEngine(batch, lanes, health, max_gather_s=parameters['max_gather_s'])
    engine.warm_up()
    return engine


def load_model(parameters: Parameters, device: str) -> FacialReactionModel:
    """The checkpoint's model, the shipped one's for '', or an untrained one where none ships.

    Raises:
        ValueError: a checkpoint that is none, a device that is not there.
        OSError: a checkpoint that cannot be read.
    """
    if parameters['threads']:
        torch.set_num_threads(parameters['threads'])
    if path := checkpoint_of(parameters):
        return create_model(device=device, checkpoint=path)
    with torch.random.fork_rng():
        torch.manual_seed(UNTRAINED_SEED)
        return create_model(device=device)
