# SPDX-License-Identifier: Apache-2.0
"""Tracks a face in camera images and reports it with OpenFace's conventions; no ROS."""
