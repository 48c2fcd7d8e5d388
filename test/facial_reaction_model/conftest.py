# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from speakers import SMALL

from robot_face_gen.facial_reaction_model import FacialReactionModel


@pytest.fixture(scope='session')
def model():
    """A small model whose weights are all random, biases, norms and mask too."""
    torch.manual_seed(1)
    model = FacialReactionModel(SMALL).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model
