# SPDX-License-Identifier: Apache-2.0
"""What a step takes and gives, by name; `onnx_graph` describes them."""

from __future__ import annotations

from .config import BRANCHES

MASKS = ('face_valid', 'audio_valid')
SPEAKER = (*BRANCHES, 'audio', *MASKS)
CLOCKS = ('clock', 'starts', 'temperature', 'fresh')
LATENTS = ('context', 'noise', 'last', 'own')
LISTENER = 'listener.'  # before a branch's name in what a graph gives
NEXT = 'next.'  # before a state's name
