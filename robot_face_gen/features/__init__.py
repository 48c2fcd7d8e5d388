# SPDX-License-Identifier: Apache-2.0
"""Reads the speaker: OpenFace files, sound and Whisper embeddings. No ROS."""
