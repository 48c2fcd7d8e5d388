# SPDX-License-Identifier: Apache-2.0
"""Rates and periods of the two streams, each constant defined once.

A face has 25 frames a second and Whisper gives 50 embeddings a second, so that exactly two
embeddings belong to a frame.
"""

from __future__ import annotations

SECOND_NS = 1_000_000_000

FRAME_RATE_HZ = 25
PERIOD_NS = SECOND_NS // FRAME_RATE_HZ
PERIOD_S = 1 / FRAME_RATE_HZ

EMBEDDING_RATE_HZ = 50
EMBEDDING_NS = SECOND_NS // EMBEDDING_RATE_HZ
EMBEDDINGS_PER_FRAME = EMBEDDING_RATE_HZ // FRAME_RATE_HZ

AUDIO_RATE_HZ = 16_000
HOP_S = PERIOD_S  # sound between two runs of the Whisper encoder
MAX_WAIT_S = 0.08  # how much longer than usual a frame waits for its face or sound
CONTEXT_S = 2.0  # sound that the Whisper encoder sees
CLIP_FRAMES = 30 * FRAME_RATE_HZ  # of a training clip, and of the history that the model sees
