# SPDX-License-Identifier: Apache-2.0
"""Recordings on disk, their preparation, and data sets for training.

`sessions` and `bags` read recordings; `checks`, `tracks` and `people` turn one person into a
track; `prepare` is the command; `store` is the format of prepared data, `dataset` its reader.
"""
