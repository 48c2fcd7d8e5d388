# SPDX-License-Identifier: Apache-2.0
"""A robot that listens with its face: a speaker's face and voice in, a listener's face out."""

__version__ = '0.2.0'
