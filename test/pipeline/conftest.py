# SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture(scope='module')
def model():
    """A small untrained model."""
    import torch
    from speakers import TINY

    from robot_face_gen.facial_reaction_model import create_model

    torch.manual_seed(0)
    return create_model(TINY)
