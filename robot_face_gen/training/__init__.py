# SPDX-License-Identifier: Apache-2.0
"""Training, metrics and evaluation.

`train` and `evaluate` are the commands. `module` is one training step, `clips` its batches,
`callbacks` and `run_folder` the files of a run; `metrics` has the metrics of the REACT challenge.
"""
