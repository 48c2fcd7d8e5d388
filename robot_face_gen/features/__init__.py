# SPDX-License-Identifier: Apache-2.0
"""What is known of the speaker: OpenFace frames, Whisper embeddings, the shared 25 Hz timeline."""
