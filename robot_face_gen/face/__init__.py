# SPDX-License-Identifier: Apache-2.0
"""Draws faces, and pictures that show the speaker and the robot."""
