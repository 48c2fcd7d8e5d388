# SPDX-License-Identifier: Apache-2.0
"""Model files and how they are run: backends, ONNX export, ONNX Runtime, the export cache."""
