# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from speakers import SMALL

from robot_face_gen.facial_reaction_model import FacialReactionModel


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    """A cache of exported files of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield


@pytest.fixture(scope='session')
def model():
    """A small model whose weights are all random, biases, norms and mask too; it often blinks."""
    torch.manual_seed(1)
    model = FacialReactionModel(SMALL).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        motion = model.motion
        motion.bias.fill_(-2.0)
        motion.residual.copy_(0.002 * torch.randn_like(motion.residual))
        motion.components.copy_(torch.rand_like(motion.components) - 0.5)
        motion.offset.copy_(0.002 * torch.randn_like(motion.offset))
        for shapes in (motion.blink_shapes, motion.nod_shapes):
            shapes.mul_(torch.linspace(0.5, 1.5, len(shapes))[:, None, None])
    return model
