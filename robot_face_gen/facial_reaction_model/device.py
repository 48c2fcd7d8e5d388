# SPDX-License-Identifier: Apache-2.0
"""Where a network runs."""

from __future__ import annotations

import torch


def resolve_device(device: str | torch.device | None) -> torch.device:
    """The device of a name; 'auto' is CUDA where there is one, None the CPU."""
    if device is None:
        return torch.device('cpu')
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ValueError(f'device = {device!r}: expected auto, cpu, cuda or cuda:N') from None
    if chosen.type == 'cuda' and not torch.cuda.is_available():
        raise ValueError(
            f'device = {device!r}: this machine has no CUDA device (or torch was built without it)'
        )
    return chosen
