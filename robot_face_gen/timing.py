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
# Of the Whisper encoder; docs/performance.md says how they were chosen.
HOP_S = 0.08  # sound between two runs
CONTEXT_S = 2.0  # sound that it sees
SETTLE_S = 0.12  # sound that must follow an embedding
MAX_AUDIO_DELAY_S = 1.0  # of the sound of a frame
MAX_WAIT_S = 0.08  # how much longer than usual a frame waits for its face or sound
CLIP_FRAMES = 30 * FRAME_RATE_HZ  # of a training clip, and of the history that the model sees
