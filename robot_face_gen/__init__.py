# SPDX-License-Identifier: Apache-2.0
"""A robot that listens with its face: a speaker's face and voice in, a listener's face out."""

import os

__version__ = '0.2.0'

# ONNX Runtime for Linux (from 1.29) sends usage data to its maker unless this is set before it is
# imported.
os.environ['ORT_DISABLE_TELEMETRY'] = '1'
